//! A small Scheme that is a part: the body of a virtual computer that is programmed by messages.
//!
//! Read in this order: [`value`] (what a word means), `heap` and `collect` (where values live),
//! `read` and `print`, `eval` (the machine), `conditions`, `forms` and `derive` (what it evaluates), `control`,
//! `lists`, `numbers`, `texts`, `agent` (its procedures), [`part`] (its channels).
//!
//! There is no `unsafe` and no recursion in it: the interpreter works on one slab of words, and what
//! is yet to be done lies there too. What touches the module's memory is in [`vc`], the guest kit.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "words of the slab are 32 bits wide, and it is at most 16 MiB long"
)]

#[macro_use]
#[path = "../../kit/vc.rs"]
pub mod vc;

mod agent;
mod builtins;
mod collect;
mod conditions;
mod control;
mod derive;
mod eval;
mod forms;
mod heap;
mod lists;
mod memory;
mod names;
mod numbers;
pub mod part;
mod print;
mod read;
mod texts;
pub mod value;
pub mod world;

#[cfg(target_arch = "wasm32")]
mod module;

pub use heap::{Fault, Lisp};
pub use memory::Memory;
