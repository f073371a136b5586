//! The few calls to etcd: status, members, alarms, remove, move leader.
