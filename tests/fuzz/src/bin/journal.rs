//! libFuzzer's driver of a journal after a crash; run it with `just fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hactl_agent::journal::fuzz_journal(bytes));
