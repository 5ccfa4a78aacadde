//! Any text: see `genesis::oracle::pattern`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    genesis::oracle::pattern(text);
});
