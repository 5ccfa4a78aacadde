//! Any bytes: see `adapters::oracle::outside_line`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    adapters::oracle::outside_line(bytes);
});
