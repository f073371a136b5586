//! kubeadm: its configuration in the version that the installed one takes, its commands as data, and its words read.
//!
//! Here is all that differs between kubeadm's minors; nothing outside branches on a version. Nothing here runs anything.

pub mod capability;
pub mod command;
pub mod config;
pub mod kubectl;
pub mod layout;
pub mod output;

pub use capability::Kubeadm;
