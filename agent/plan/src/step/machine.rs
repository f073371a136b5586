//! Steps that put a prerequisite right.

/// Steps that put a prerequisite right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineStep {}

impl MachineStep {
    /// The step's name.
    pub fn name(&self) -> &'static str {
        match *self {}
    }
}
