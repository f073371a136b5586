//! libFuzzer's driver of the spec; run it with `just fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hactl_fuzz::spec::fuzz_spec(bytes));
