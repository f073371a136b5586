//! Operations: one instruction at a time, from acceptance to its report.
