//! The daemon: wires the parts together and runs them until it is told to stop.
