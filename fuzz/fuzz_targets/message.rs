//! Any bytes as a frame: see `genesis::oracle::message`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    genesis::oracle::message(frame);
});
