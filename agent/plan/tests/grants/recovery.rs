//! Way out.
