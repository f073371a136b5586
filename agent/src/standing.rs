//! Standing on disk: durable before it is said.
