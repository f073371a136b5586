//! The daemon: wires the parts together and runs them until it is told to stop.

use std::process::ExitCode;

/// What `hactl-agent run` does.
pub fn main() -> ExitCode {
    crate::log::start();
    ExitCode::FAILURE
}
