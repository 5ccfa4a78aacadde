//! Programs outside of the medium, as VCs: whoever reads and writes JSON lines can be one.
//!
//! A VC with the part [`Outside`] speaks for a program that somebody else runs: a process in the sandbox of the
//! operating system, or one that attached itself. Its turns are pure like all turns: what is to be said to the
//! program leaves as messages to the world outside, and every line the program writes comes back as a recorded
//! message and is carried out by a turn. So the journal of such a VC holds all that the program ever said, a
//! replay needs no process, and after a crash or a restart the program is told where it stands.
//!
//! The VCs [`Http`] and [`Llm`] speak for servers in the same way: what they want called leaves as a message, and
//! what came back is one.
//!
//! Read in this order: [`program`] (what is said of a program before it runs), [`mod@line`] (what is said to it and by
//! it), `vc` (what the VC does with that); for servers [`call`] (what is called, and what came of it), `http`,
//! [`chat`] (how language models answer), [`llm`]. The protocol is described for those who write programs in
//! `docs/outside.md`, the two other VCs for those who use them in `docs/llm.md`.

pub mod call;
pub mod chat;
mod child;
mod facts;
pub mod http;
pub mod line;
pub mod llm;
pub mod program;
mod vc;

pub use http::Http;
pub use llm::Llm;
pub use program::{Asks, Program};
pub use vc::Outside;

use genesis::channel::Channel;

/// What a program wrote: lines.
pub const SAID: Channel = Channel::known("outside/said");
/// What is said to a program: a line.
pub const LINE: Channel = Channel::known("outside/line");
/// The first line that a program is told after it was started: where it stands. What was said before is void.
pub const HELLO: Channel = Channel::known("outside/hello");
/// A program was started.
pub const BEGAN: Channel = Channel::known("outside/began");
/// A program ended, and how.
pub const ENDED: Channel = Channel::known("outside/ended");
/// Something that a program wrote was no line of the protocol.
pub const NOISE: Channel = Channel::known("outside/noise");

/// The version of the protocol, in the first line.
pub const PROTOCOL: u32 = 1;
/// Longest line, in bytes, without its end: refused by name.
pub const LINE_BYTES_MAX: usize = 32 * 1024;
/// Lines that one message from outside brings at the most, so that a turn has room for their effects.
pub const LINES_AT_ONCE: usize = 48;
/// Messages that a program was told and has not done with: further ones are refused with `busy`.
pub const OPEN_MAX: usize = 256;
/// Bytes of them: as [`OPEN_MAX`].
pub const OPEN_BYTES_MAX: usize = 256 * 1024;
/// Messages a program said `done` to and may still answer: the oldest cannot be answered any more.
pub const OWED_MAX: usize = 64;
/// Questions of a program that are open at a time: refused.
pub const ASKS_MAX: usize = 256;
/// Refused lines in a row, after which a program is ended.
pub const GARBAGE_MAX: u32 = 64;
