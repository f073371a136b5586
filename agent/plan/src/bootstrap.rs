//! Bootstrap: who may run kubeadm init, and what a node does next in the first boot.
