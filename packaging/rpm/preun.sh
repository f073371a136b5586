# 0 versions left: a removal, not an upgrade.
if [ "$1" -eq 0 ]; then
    systemctl --no-reload disable --now hactl-agent.path hactl-agent.service >/dev/null 2>&1 || :
fi
