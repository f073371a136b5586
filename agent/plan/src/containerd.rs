//! containerd's configuration: the few keys Kubernetes needs, everything else untouched.
