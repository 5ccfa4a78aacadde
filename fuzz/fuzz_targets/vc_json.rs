//! Any bytes: see `adapters::oracle::vc_json`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    adapters::oracle::vc_json(bytes);
});
