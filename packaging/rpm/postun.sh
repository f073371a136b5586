# An upgrade restarts the agent; running operations are units of their own and are found again.
systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -ge 1 ]; then
    systemctl try-restart hactl-agent.service >/dev/null 2>&1 || :
fi
