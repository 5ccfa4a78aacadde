//! What a cat is made of, and what it looks like: parts with channels, and the shape that the medium computes from them.

use std::sync::LazyLock;

use genesis::body::{Body, Part};
use genesis::channel::{Channel, Polarity};
use genesis::extent::Dimension;
use genesis::id::Digest;

use crate::random::{GOLDEN, below, mix};

/// Where parts of a body belong: a cat has one in each place.
pub const PLACES: [&str; 8] = [
    "eyes", "ears", "whiskers", "voice", "coat", "paws", "tail", "memory",
];

/// The dimensions in which cats look at one another, in the order of [`Figure`]; in all others they are alike.
pub const DIMENSIONS: [Dimension; 5] = [
    Dimension::Bytes,
    Dimension::Channels,
    Dimension::Hunger,
    Dimension::Euler,
    Dimension::Organs,
];

/// How much a step in each of them counts: a mebibyte as much as a channel, as [`genesis::shape::Weights`] has it.
pub const WEIGHTS: [u64; 5] = [1, STEP, STEP, STEP, STEP];
const STEP: u64 = 1 << 20;

/// The parts of a body, by place: each is the number of a variant.
pub type Parts = [u16; 8];
/// Coordinates of a shape, in the order of [`DIMENSIONS`].
pub type Figure = [i64; 5];

/// The channels that parts need and give.
static CHANNELS: LazyLock<Vec<Channel>> = LazyLock::new(|| {
    [
        "see", "hear", "smell", "balance", "purr", "hunt", "hide", "climb", "run", "groom",
    ]
    .iter()
    .filter_map(|word| format!("cat/{word}").parse().ok())
    .collect()
});

/// The so-many-th variant of what belongs in a place. What it is follows from the two numbers: its size, 16 to 1,024 KiB,
/// one or two channels that it gives, and up to two that it needs.
pub fn part(place: usize, variant: u16) -> Option<Part> {
    let number = (place as u64) << 16 | u64::from(variant);
    let mut draws = (1..).map(|draw: u64| mix(number.wrapping_add(draw.wrapping_mul(GOLDEN))));
    let mut draw = |n: u64| draws.next().map_or(0, |random| below(random, n));
    let bytes = 16_384 * (1 + draw(64));
    let mut links = Vec::new();
    for (polarity, count) in [(Polarity::Gives, 1 + draw(2)), (Polarity::Needs, draw(3))] {
        for _ in 0..count {
            let channel = usize::try_from(draw(CHANNELS.len() as u64)).ok();
            links.extend(
                channel
                    .and_then(|at| CHANNELS.get(at))
                    .map(|&channel| (channel, polarity)),
            );
        }
    }
    Part::new(Digest::of(&number.to_le_bytes()), bytes, 0, links).ok()
}

/// The body with these parts.
pub fn body(parts: &Parts) -> Body {
    let mut body = Body::new();
    for (place, &variant) in parts.iter().enumerate() {
        // Eight parts of at most four links are within every bound, so nothing is refused.
        if let Some(part) = part(place, variant) {
            let _ = body.internalize(part);
        }
    }
    body
}

/// What a body with these parts looks like.
pub fn figure(parts: &Parts) -> Figure {
    let shape = body(parts).shape();
    DIMENSIONS.map(|dimension| shape.get(&dimension).unwrap_or(0))
}

/// How far a figure is from another: [`Shape::distance`](genesis::shape::Shape::distance) with its default weights.
#[inline]
pub fn distance(one: &Figure, other: &Figure) -> u64 {
    let apart = one.iter().zip(other).zip(WEIGHTS);
    apart.map(|((a, b), weight)| a.abs_diff(*b) * weight).sum()
}

/// Whether a figure is within so many steps of the ideal in every dimension: within a pattern of one box.
#[inline]
pub fn within(ideal: &Figure, figure: &Figure, steps: u64) -> bool {
    let mut apart = ideal.iter().zip(figure).zip(WEIGHTS);
    apart.all(|((a, b), weight)| a.abs_diff(*b) * weight <= steps * STEP)
}

/// The same pattern in the language of the medium.
pub fn pattern(ideal: &Figure, steps: u64) -> String {
    let sides = ideal.iter().zip(WEIGHTS).zip(DIMENSIONS);
    let sides = sides.map(|((&at, weight), dimension)| {
        let reach = i64::try_from(steps * STEP / weight).unwrap_or(i64::MAX);
        format!(
            "{dimension}>={} & {dimension}<={}",
            at.saturating_sub(reach),
            at.saturating_add(reach)
        )
    });
    sides.collect::<Vec<_>>().join(" & ")
}

/// A body put together from two: the mother's part where her bit is set, the father's elsewhere.
pub fn assemble(mother: &Parts, father: &Parts, of_mother: u8) -> Parts {
    std::array::from_fn(|place| {
        if of_mother >> place & 1 == 1 {
            mother[place]
        } else {
            father[place]
        }
    })
}
