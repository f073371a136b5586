//! What the controller reads and decides, as pure functions of their arguments.
//!
//! Nothing here opens files, asks the clock or the network: a spec's text and the loader of the files that it names
//! come in as arguments, and so does all that agents said, so that the command line, a fuzzer and a test run the same
//! code.

pub mod authority;
pub mod observed;
pub mod overrule;
pub mod rollout;
pub mod spec;
pub mod succession;
