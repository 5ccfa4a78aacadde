//! Any bytes as a frame: see `genesis::oracle::sealed`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    genesis::oracle::sealed(frame);
});
