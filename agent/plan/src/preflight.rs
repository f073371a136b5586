//! Preflight: all findings that stand against an instruction, at once.
