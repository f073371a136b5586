//! Rolling upgrades, the node's side: what programs say about packages, images, budgets and configuration, read; and the words
//! they are told.
//!
//! The plans of the orders are in `plan::{rollout, upgrade, restore}`. Nothing here runs anything.

pub mod agent_package;
pub mod budget;
pub mod deprecated;
pub mod images;
pub mod kubelet_config;
pub mod lease;
pub mod packages;
pub mod progress;

/// The Node's annotation that says under which lease number it was cordoned: a node upgrades itself only under that one.
pub const FENCE_ANNOTATION: &str = "hactl.io/rollout-fence";
/// The Node's annotation that says that it was hactl that cordoned it.
pub const CORDONED_ANNOTATION: &str = "hactl.io/cordoned";
