//! Prerequisites: what a node needs before Kubernetes, one file a check.
