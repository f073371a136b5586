//! The gRPC services of the agent: parse into domain types, check the caller's role, hand on.
