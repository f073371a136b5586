//! Every domain value survives the wire, and what does not parse is refused by the name of its field.

#![allow(clippy::unwrap_used)]

mod refused;
mod rollout;
mod survive;
mod values;
