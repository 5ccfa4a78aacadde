//! Any text: see `genesis::oracle::address`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    genesis::oracle::address(text);
});
