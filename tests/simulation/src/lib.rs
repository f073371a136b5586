//! A simulated host: a file tree in memory and a table of commands, for the demo, the crash matrix and the simulator.
