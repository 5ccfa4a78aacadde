//! Swarm's own formats, so that a reference made here, offline, equals the one that Bee makes.
//!
//! Read in this order: [`mod@reference`] (what names contents), [`keccak`] and [`bmt`] (how a name is
//! computed), [`chunk`] (at most 4,096 bytes and their span) and [`store`] (where chunks are);
//! [`splitter`] and [`joiner`] (contents of any length as a tree of chunks, and back), [`encrypt`]
//! (the same with a key per chunk); [`sign`], [`soc`] and [`feed`] (chunks that an owner may write,
//! and series of them); [`mantaray`] (paths to references), [`media`] (what files are) and [`stamp`] (what
//! postage signs).
//!
//! The rules are Bee's (`pkg/bmt`, `pkg/cac`, `pkg/file`, `pkg/encryption`, `pkg/soc`, `pkg/feeds`,
//! `pkg/manifest/mantaray`, `pkg/postage` in v2.8); each module names its own. Integers are
//! little-endian unless said, hashes are Keccak-256 as Ethereum has it.
//!
//! What is deliberately absent: the network, clocks, randomness and files. Who needs a key or the time
//! passes it in. Redundancy levels above 0 are refused ([`SwarmError::Redundancy`]).
//!
//! Bytes from outside are hostile: every decoder checks lengths before it allocates, and none panics.
//! A tree's depth follows from its root's span, so reading ends, whatever a store answers.

pub mod bmt;
pub mod chunk;
pub mod encrypt;
mod error;
pub mod feed;
pub mod joiner;
pub mod keccak;
pub mod mantaray;
pub mod media;
mod pool;
pub mod reference;
pub mod sign;
pub mod soc;
pub mod splitter;
pub mod stamp;
pub mod store;

#[cfg(test)]
mod tests;

pub use self::error::SwarmError;
pub use self::reference::{Address, Redundancy, Reference};

/// Longest payload of a chunk, in bytes (`swarm.ChunkSize`).
pub const PAYLOAD_BYTES_MAX: usize = 4096;
/// Length of a span, and so of what precedes a payload, in bytes (`swarm.SpanSize`).
pub const SPAN_BYTES: usize = 8;
/// Length of a hash, an address, a key and a segment, in bytes (`swarm.HashSize`).
pub const HASH_BYTES: usize = 32;
/// Length of a signature, `r ‖ s ‖ v`, in bytes (`swarm.SocSignatureSize`).
pub const SIGNATURE_BYTES: usize = 65;
