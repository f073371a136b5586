//! Inspect: the host becomes facts.
