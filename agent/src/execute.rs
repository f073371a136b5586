//! Execute: a step becomes effects on the host. One match.
