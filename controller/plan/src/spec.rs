//! The cluster spec: from the operator's YAML to `hactl_proto::spec::ClusterSpec`, with every problem named.
