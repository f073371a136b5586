//! The `hactl-agent` program.

fn main() {}
