//! Any bytes: see `adapters::oracle::decoder_output`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    adapters::oracle::decoder_output(bytes);
});
