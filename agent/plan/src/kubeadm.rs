//! kubeadm: its configuration in the version that the installed one takes, and its commands.
