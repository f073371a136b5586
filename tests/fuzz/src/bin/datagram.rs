//! libFuzzer's driver of gossip datagrams; run it with `just fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hactl_agent::membership::fuzz::fuzz_datagram(bytes));
