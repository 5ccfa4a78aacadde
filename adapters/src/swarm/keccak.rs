//! Keccak-256 as Ethereum has it: the competition's padding (`0x01`), not SHA-3's.
//!
//! One hash costs one permutation per 136 bytes, and hashes of one message cannot be overlapped. A tree
//! needs many independent ones, so [`each`] runs eight side by side where the processor has the
//! registers for it (AVX-512, or AVX2 with four), and one after the other elsewhere.
//!
//! Rule: the Keccak reference, version 3.0, §1.2 and §4 (rate 1,088, capacity 512).

use keccak::Keccak;

#[cfg(target_arch = "x86_64")]
mod wide;

/// A hash.
pub type Hash = [u8; super::HASH_BYTES];

/// Bytes that one permutation absorbs.
const RATE_BYTES: usize = 136;
/// [`RATE_BYTES`] in words of 64 bits.
const RATE_WORDS: usize = RATE_BYTES / 8;
/// How many hashes are computed side by side.
const LANES: usize = 8;
/// Words of a state.
const STATE_WORDS: usize = 25;
/// Words of a hash.
const HASH_WORDS: usize = 4;

/// The first block of [`LANES`] messages: word by word, and in each word lane by lane.
type Blocks = [[u64; LANES]; RATE_WORDS];
/// The hashes of [`LANES`] messages, laid out like [`Blocks`].
type Hashes = [[u64; LANES]; HASH_WORDS];

/// The hash of `message`.
pub fn keccak256(message: &[u8]) -> Hash {
    let mut hasher = Hasher::default();
    hasher.update(message);
    hasher.finish()
}

/// The hash of the concatenation of `parts`.
pub fn keccak256_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// Hashes each input to the output of the same index; what has no partner is left alone.
///
/// `LEN` is at most 135: each message and its padding fit one block.
pub fn each<const LEN: usize>(inputs: &[[u8; LEN]], outputs: &mut [Hash]) {
    const { assert!(LEN < RATE_BYTES, "a message and its padding fit one block") };
    let engine = Engine::detect();
    for (inputs, outputs) in inputs.chunks(LANES).zip(outputs.chunks_mut(LANES)) {
        if engine == Engine::Scalar || inputs.len() == 1 {
            for (input, output) in inputs.iter().zip(outputs) {
                *output = keccak256(input);
            }
            continue;
        }
        let hashes = engine.permute(&blocks(inputs));
        for (lane, output) in outputs.iter_mut().enumerate() {
            for (word, bytes) in hashes.iter().zip(output.as_chunks_mut::<8>().0) {
                *bytes = word[lane].to_le_bytes();
            }
        }
    }
}

/// Lays up to [`LANES`] padded messages side by side; lanes without one stay zero.
fn blocks<const LEN: usize>(inputs: &[[u8; LEN]]) -> Blocks {
    let mut blocks = [[0; LANES]; RATE_WORDS];
    for (lane, input) in inputs.iter().take(LANES).enumerate() {
        let (words, tail) = input.as_chunks::<8>();
        for (word, bytes) in blocks.iter_mut().zip(words) {
            word[lane] = u64::from_le_bytes(*bytes);
        }
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        last[tail.len()] = PADDING_FIRST;
        blocks[words.len()][lane] = u64::from_le_bytes(last);
        blocks[RATE_WORDS - 1][lane] |= PADDING_LAST_WORD;
    }
    blocks
}

/// The first byte of the padding, behind the message.
const PADDING_FIRST: u8 = 0x01;
/// The last bit of a padded block, in its last word.
const PADDING_LAST_WORD: u64 = 1 << 63;

/// What computes several hashes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// Eight in 512-bit registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Four in 256-bit registers, twice.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// One after the other.
    Scalar,
}

impl Engine {
    /// The fastest that this processor has. The answer is cached by the standard library.
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Scalar
    }

    fn permute(self, blocks: &Blocks) -> Hashes {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => wide::avx512(blocks),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => wide::avx2(blocks),
            Self::Scalar => scalar(blocks),
        }
    }
}

/// The same one by one.
fn scalar(blocks: &Blocks) -> Hashes {
    let mut hashes = [[0; LANES]; HASH_WORDS];
    for lane in 0..LANES {
        let mut state = [0; STATE_WORDS];
        for (word, block) in state.iter_mut().zip(blocks) {
            *word = block[lane];
        }
        Keccak::new().with_f1600(|permute| permute(&mut state));
        for (hash, word) in hashes.iter_mut().zip(state) {
            hash[lane] = word;
        }
    }
    hashes
}

/// A hash of bytes that come in parts.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: [u64; STATE_WORDS],
    /// Absorbed bytes of the current block, always less than [`RATE_BYTES`].
    filled: usize,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            state: [0; STATE_WORDS],
            filled: 0,
        }
    }
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        // Whole words first where nothing is half full; most messages here are multiples of eight.
        while !bytes.is_empty() {
            if self.filled.is_multiple_of(8)
                && let Some((word, rest)) = bytes.split_first_chunk::<8>()
            {
                self.state[self.filled / 8] ^= u64::from_le_bytes(*word);
                self.filled += 8;
                bytes = rest;
            } else {
                self.flip(self.filled, bytes[0]);
                self.filled += 1;
                bytes = &bytes[1..];
            }
            if self.filled == RATE_BYTES {
                self.permute();
                self.filled = 0;
            }
        }
    }

    /// The hash of all that came.
    pub fn finish(mut self) -> Hash {
        self.flip(self.filled, PADDING_FIRST);
        self.state[RATE_WORDS - 1] ^= PADDING_LAST_WORD;
        self.permute();
        let mut hash = [0; super::HASH_BYTES];
        for (bytes, word) in hash.as_chunks_mut::<8>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        hash
    }

    fn flip(&mut self, at: usize, byte: u8) {
        self.state[at / 8] ^= u64::from(byte) << (8 * (at % 8));
    }

    fn permute(&mut self) {
        Keccak::new().with_f1600(|permute| permute(&mut self.state));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn known_hashes() {
        // Ethereum's hash of nothing, and the two that name mantaray's versions.
        for (message, hash) in [
            (
                "",
                "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
            ),
            (
                "mantaray:0.1",
                "025184789d63635766d78c41900196b57d7400875ebe4d9b5d1e76bd9652a9b7",
            ),
            (
                "mantaray:0.2",
                "5768b3b6a7db56d21d1abff40d41cebfc83448fed8d7e9b06ec0d3b073f28f7b",
            ),
        ] {
            assert_eq!(
                keccak256(message.as_bytes()).to_vec(),
                hex(hash),
                "{message}"
            );
        }
    }

    fn check_each<const LEN: usize>(seed: u8) {
        let inputs: Vec<[u8; LEN]> = (0..19u8)
            .map(|index| {
                std::array::from_fn(|at| index.wrapping_mul(31) ^ seed ^ at.to_le_bytes()[0])
            })
            .collect();
        for count in 0..inputs.len() {
            let mut outputs = vec![[0; 32]; count];
            each(&inputs[..count], &mut outputs);
            for (input, output) in inputs.iter().zip(outputs) {
                assert_eq!(output, keccak256(input), "{LEN} bytes, {count} messages");
            }
        }
    }

    #[test]
    fn many_hashes_are_those_of_one_after_the_other() {
        check_each::<0>(1);
        check_each::<8>(2);
        check_each::<32>(3);
        check_each::<36>(4);
        check_each::<64>(5);
        check_each::<135>(6);
    }

    proptest! {
        #[test]
        fn every_engine_permutes_alike(words: [[u64; LANES]; RATE_WORDS]) {
            let expected = scalar(&words);
            #[cfg(target_arch = "x86_64")]
            {
                if is_x86_feature_detected!("avx512f") {
                    prop_assert_eq!(wide::avx512(&words), expected);
                }
                if is_x86_feature_detected!("avx2") {
                    prop_assert_eq!(wide::avx2(&words), expected);
                }
            }
            prop_assert_eq!(Engine::detect().permute(&words), expected);
        }

        #[test]
        fn parts_hash_like_the_whole(message: Vec<u8>, cuts in prop::collection::vec(0usize..300, 0..4)) {
            let message = message.repeat(3);
            let mut hasher = Hasher::default();
            let mut rest = &message[..];
            for cut in cuts {
                let (part, left) = rest.split_at(cut.min(rest.len()));
                hasher.update(part);
                rest = left;
            }
            hasher.update(rest);
            prop_assert_eq!(hasher.finish(), keccak256(&message));
        }
    }
}
