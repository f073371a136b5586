//! etcd as facts: members, their health, and the arithmetic of quorum.
