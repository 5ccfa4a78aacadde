//! The processor of a CHIP-8, as a part of a virtual computer.
//!
//! Read in this order: [`bus`] (what it needs of the other parts), [`machine`] (a frame and its
//! instructions), [`state`] (what it keeps), [`console`] (what it answers to a person). What makes a part of
//! it exists only in WebAssembly.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "addresses, counts and keys have bounds far below those of their types"
)]

pub mod bus;
pub mod console;
pub mod machine;
pub mod selftest;
pub mod state;
pub mod text;

#[cfg(target_arch = "wasm32")]
mod part;
