//! The managed endpoint: HAProxy's and keepalived's configuration as text.
