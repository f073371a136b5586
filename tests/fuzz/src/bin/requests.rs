//! libFuzzer's driver of kubelets' requests for serving certificates; run it with `just fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    |bytes: &[u8]| hactl_node_plan::certificate::fuzz::fuzz_requests(bytes)
);
