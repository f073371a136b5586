//! What must hold for any bytes that come from outside: one module a parser, one function each.
//!
//! A function takes bytes and panics where a promise is broken. `cargo test` drives it with the corpus and with random
//! bytes, `just fuzz` with libFuzzer, guided by coverage. A new target is a function (here, or beside its parser where it
//! needs what is private there), a file in `src/bin`, a `[[bin]]` in `Cargo.toml` and a folder in `corpus`.

pub mod spec;
