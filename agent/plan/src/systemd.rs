//! systemd's commands as data.
