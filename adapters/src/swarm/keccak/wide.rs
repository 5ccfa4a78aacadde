//! The permutation on several states at once, in the vector registers of `x86_64`.
//!
//! Rule: the Keccak reference, version 3.0, §1.2; a state's word is `a[x + 5 * y]`.
#![expect(
    unsafe_code,
    reason = "instructions that a processor may lack are called after asking it"
)]

use super::{Blocks, Hashes};

/// What ι adds, round by round.
const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Eight states in 512-bit registers.
///
/// # Panics
/// If the processor lacks AVX-512F.
pub(super) fn avx512(blocks: &Blocks) -> Hashes {
    assert!(is_x86_feature_detected!("avx512f"), "asked before");
    // SAFETY: the line above has found the one feature that the function asks for.
    unsafe { in_512_bits::permute(blocks) }
}

/// Four states in 256-bit registers, twice.
///
/// # Panics
/// If the processor lacks AVX2.
pub(super) fn avx2(blocks: &Blocks) -> Hashes {
    assert!(is_x86_feature_detected!("avx2"), "asked before");
    // SAFETY: the line above has found the one feature that the function asks for.
    unsafe { in_256_bits::permute(blocks) }
}

/// All 24 rounds on `$a`, with the functions `add`, `add3`, `chi`, `rol` and `splat` in scope.
macro_rules! rounds {
    ($a:ident) => {
        for constant in ROUND_CONSTANTS {
            // θ
            let c: [_; 5] = [
                add3(add3($a[0], $a[5], $a[10]), $a[15], $a[20]),
                add3(add3($a[1], $a[6], $a[11]), $a[16], $a[21]),
                add3(add3($a[2], $a[7], $a[12]), $a[17], $a[22]),
                add3(add3($a[3], $a[8], $a[13]), $a[18], $a[23]),
                add3(add3($a[4], $a[9], $a[14]), $a[19], $a[24]),
            ];
            let d: [_; 5] = [
                add(c[4], rol::<1, 63>(c[1])),
                add(c[0], rol::<1, 63>(c[2])),
                add(c[1], rol::<1, 63>(c[3])),
                add(c[2], rol::<1, 63>(c[4])),
                add(c[3], rol::<1, 63>(c[0])),
            ];
            // ρ and π
            let b: [_; 25] = [
                add($a[0], d[0]),
                rol::<44, 20>(add($a[6], d[1])),
                rol::<43, 21>(add($a[12], d[2])),
                rol::<21, 43>(add($a[18], d[3])),
                rol::<14, 50>(add($a[24], d[4])),
                rol::<28, 36>(add($a[3], d[3])),
                rol::<20, 44>(add($a[9], d[4])),
                rol::<3, 61>(add($a[10], d[0])),
                rol::<45, 19>(add($a[16], d[1])),
                rol::<61, 3>(add($a[22], d[2])),
                rol::<1, 63>(add($a[1], d[1])),
                rol::<6, 58>(add($a[7], d[2])),
                rol::<25, 39>(add($a[13], d[3])),
                rol::<8, 56>(add($a[19], d[4])),
                rol::<18, 46>(add($a[20], d[0])),
                rol::<27, 37>(add($a[4], d[4])),
                rol::<36, 28>(add($a[5], d[0])),
                rol::<10, 54>(add($a[11], d[1])),
                rol::<15, 49>(add($a[17], d[2])),
                rol::<56, 8>(add($a[23], d[3])),
                rol::<62, 2>(add($a[2], d[2])),
                rol::<55, 9>(add($a[8], d[3])),
                rol::<39, 25>(add($a[14], d[4])),
                rol::<41, 23>(add($a[15], d[0])),
                rol::<2, 62>(add($a[21], d[1])),
            ];
            // χ
            $a = [
                chi(b[0], b[1], b[2]),
                chi(b[1], b[2], b[3]),
                chi(b[2], b[3], b[4]),
                chi(b[3], b[4], b[0]),
                chi(b[4], b[0], b[1]),
                chi(b[5], b[6], b[7]),
                chi(b[6], b[7], b[8]),
                chi(b[7], b[8], b[9]),
                chi(b[8], b[9], b[5]),
                chi(b[9], b[5], b[6]),
                chi(b[10], b[11], b[12]),
                chi(b[11], b[12], b[13]),
                chi(b[12], b[13], b[14]),
                chi(b[13], b[14], b[10]),
                chi(b[14], b[10], b[11]),
                chi(b[15], b[16], b[17]),
                chi(b[16], b[17], b[18]),
                chi(b[17], b[18], b[19]),
                chi(b[18], b[19], b[15]),
                chi(b[19], b[15], b[16]),
                chi(b[20], b[21], b[22]),
                chi(b[21], b[22], b[23]),
                chi(b[22], b[23], b[24]),
                chi(b[23], b[24], b[20]),
                chi(b[24], b[20], b[21]),
            ];
            // ι
            $a[0] = add($a[0], splat(constant));
        }
    };
}

mod in_512_bits {
    use std::arch::x86_64::{
        __m512i, _mm256_extract_epi64, _mm512_extracti64x4_epi64, _mm512_rol_epi64,
        _mm512_set_epi64, _mm512_set1_epi64, _mm512_ternarylogic_epi64, _mm512_xor_si512,
    };

    use super::super::{HASH_WORDS, LANES, STATE_WORDS};
    use super::{Blocks, Hashes, ROUND_CONSTANTS};

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add(a: __m512i, b: __m512i) -> __m512i {
        _mm512_xor_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi64::<0x96>(a, b, c) // a ^ b ^ c
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn chi(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        _mm512_ternarylogic_epi64::<0xd2>(a, b, c) // a ^ (!b & c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn rol<const LEFT: i32, const RIGHT: i32>(a: __m512i) -> __m512i {
        const { assert!(LEFT + RIGHT == 64, "a rotation") };
        _mm512_rol_epi64::<LEFT>(a)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn splat(word: u64) -> __m512i {
        _mm512_set1_epi64(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(lanes: &[u64; LANES]) -> __m512i {
        let lane = |index: usize| lanes[index].cast_signed();
        _mm512_set_epi64(
            lane(7),
            lane(6),
            lane(5),
            lane(4),
            lane(3),
            lane(2),
            lane(1),
            lane(0),
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn unload(word: __m512i) -> [u64; LANES] {
        let low = _mm512_extracti64x4_epi64::<0>(word);
        let high = _mm512_extracti64x4_epi64::<1>(word);
        [
            _mm256_extract_epi64::<0>(low),
            _mm256_extract_epi64::<1>(low),
            _mm256_extract_epi64::<2>(low),
            _mm256_extract_epi64::<3>(low),
            _mm256_extract_epi64::<0>(high),
            _mm256_extract_epi64::<1>(high),
            _mm256_extract_epi64::<2>(high),
            _mm256_extract_epi64::<3>(high),
        ]
        .map(i64::cast_unsigned)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn permute(blocks: &Blocks) -> Hashes {
        let mut a = [splat(0); STATE_WORDS];
        for (word, lanes) in a.iter_mut().zip(blocks) {
            *word = load(lanes);
        }
        rounds!(a);
        let mut hashes = [[0; LANES]; HASH_WORDS];
        for (lanes, word) in hashes.iter_mut().zip(a) {
            *lanes = unload(word);
        }
        hashes
    }
}

mod in_256_bits {
    use std::arch::x86_64::{
        __m256i, _mm256_andnot_si256, _mm256_extract_epi64, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_set1_epi64x, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_xor_si256,
    };

    use super::super::{HASH_WORDS, LANES, STATE_WORDS};
    use super::{Blocks, Hashes, ROUND_CONSTANTS};

    /// States in one register.
    const HALF: usize = LANES / 2;

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(a: __m256i, b: __m256i) -> __m256i {
        _mm256_xor_si256(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        add(add(a, b), c)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn chi(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        add(a, _mm256_andnot_si256(b, c))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rol<const LEFT: i32, const RIGHT: i32>(a: __m256i) -> __m256i {
        const { assert!(LEFT + RIGHT == 64, "a rotation") };
        _mm256_or_si256(_mm256_slli_epi64::<LEFT>(a), _mm256_srli_epi64::<RIGHT>(a))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn splat(word: u64) -> __m256i {
        _mm256_set1_epi64x(word.cast_signed())
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn permute(blocks: &Blocks) -> Hashes {
        let mut hashes = [[0; LANES]; HASH_WORDS];
        for first in [0, HALF] {
            let mut a = [splat(0); STATE_WORDS];
            for (word, lanes) in a.iter_mut().zip(blocks) {
                let lane = |index: usize| lanes[first + index].cast_signed();
                *word = _mm256_set_epi64x(lane(3), lane(2), lane(1), lane(0));
            }
            rounds!(a);
            for (lanes, word) in hashes.iter_mut().zip(a) {
                let half = [
                    _mm256_extract_epi64::<0>(word),
                    _mm256_extract_epi64::<1>(word),
                    _mm256_extract_epi64::<2>(word),
                    _mm256_extract_epi64::<3>(word),
                ];
                lanes[first..first + HALF].copy_from_slice(&half.map(i64::cast_unsigned));
            }
        }
        hashes
    }
}
