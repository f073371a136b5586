# $1 is the number of versions installed after this: 1 on a first install, 2 on an upgrade.
systemctl daemon-reload >/dev/null 2>&1 || :
if [ "$1" -eq 1 ]; then
    systemctl preset hactl-agent.service hactl-agent.path >/dev/null 2>&1 || :
    systemctl start hactl-agent.path hactl-agent.service >/dev/null 2>&1 || :
fi
