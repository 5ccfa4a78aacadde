//! What the modules do together: vectors of Bee's own tests, and laws.
//!
//! Vectors are from Bee's tests (BSD-3-Clause): `pkg/file/splitter`, `pkg/soc`, `pkg/encryption`,
//! `pkg/manifest/mantaray`, `pkg/api/{bzz,dirs,feed}_test.go`. D(n) is n bytes, byte i being i modulo 255.

mod hostile;
mod laws;
mod manifests;
mod vectors;

use super::reference::{Key, Reference};
use super::splitter::{SplitOptions, split};
use super::store::MemoryChunks;
use super::{HASH_BYTES, SwarmError, encrypt};

/// Bytes i modulo 255.
fn d(len: usize) -> Vec<u8> {
    (0..=254).cycle().take(len).collect()
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn array<const LEN: usize>(text: &str) -> [u8; LEN] {
    hex(text).try_into().unwrap()
}

/// Stores plain contents.
fn store(chunks: &MemoryChunks, contents: &[u8]) -> Reference {
    split(contents, chunks, &SplitOptions::default())
        .unwrap()
        .reference()
}

/// Keys that a test can repeat.
const KEYS: encrypt::Convergent = encrypt::Convergent::new([7; HASH_BYTES]);

/// Nothing is random in a test, but not every test may repeat keys.
fn counted() -> impl Fn(&mut [u8; HASH_BYTES]) -> Result<(), String> + Sync {
    let count = std::sync::atomic::AtomicU64::new(0);
    move |key| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *key = super::keccak::keccak256(&number.to_le_bytes());
        Ok(())
    }
}

fn encrypted(keys: &dyn encrypt::Keys) -> SplitOptions<'_> {
    SplitOptions {
        keys: Some(keys),
        ..SplitOptions::default()
    }
}

fn key(reference: &Reference) -> Key {
    reference.key().unwrap()
}

type Outcome = Result<(), SwarmError>;
