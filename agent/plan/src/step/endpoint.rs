//! Steps of the managed endpoint.

/// Steps of the managed endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointStep {}

impl EndpointStep {
    /// The step's name.
    pub fn name(&self) -> &'static str {
        match *self {}
    }
}
