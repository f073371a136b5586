//! Certificates: what the bytes of a node's files and ports say. Parsing alone: who reads them is the shell's.
//!
//! Private keys are looked at only to compare their public half. Nothing made of them leaves this module.

pub mod fuzz;
pub mod inventory;
pub mod key;
pub mod kubeconfig;
pub mod pem;
pub mod place;
pub mod renewal;
pub mod request;
pub mod trust;
pub mod x509;
