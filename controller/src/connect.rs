//! The way to the agents: gRPC over mutual TLS, with the operator's certificate.
