//! Any bytes: see `adapters::oracle::recipe`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    adapters::oracle::recipe(bytes);
});
