//! Letters of 8 x 8 dots, for pictures that are pixels: no font of the machine changes the picture.

use font8x8::legacy::{BASIC_LEGACY, BOX_LEGACY, GREEK_LEGACY, HIRAGANA_LEGACY, LATIN_LEGACY};

/// Where the font has letters: the first one's number in Unicode, and the letters from there on.
const BLOCKS: [(u32, &[[u8; SIDE]]); 5] = [
    (0x00, &BASIC_LEGACY),
    (0xa0, &LATIN_LEGACY),
    (0x390, &GREEK_LEGACY),
    (0x2500, &BOX_LEGACY),
    (0x3040, &HIRAGANA_LEGACY),
];

/// Dots of a letter on each side.
pub(super) const SIDE: usize = 8;

/// The rows of a letter from the top, each with its leftmost dot in the lowest bit; a question mark for a
/// letter that the font lacks.
pub(super) fn rows(letter: char) -> [u8; SIDE] {
    let of = |letter: char| {
        let mut found = BLOCKS.iter().filter_map(|(first, letters)| {
            let index = u32::from(letter).checked_sub(*first)?;
            letters.get(usize::try_from(index).ok()?)
        });
        found.next().copied()
    };
    of(letter).or_else(|| of('?')).unwrap_or_default()
}

/// The dots of a letter, as (column, row).
pub(super) fn dots(letter: char) -> impl Iterator<Item = (usize, usize)> {
    let rows = rows(letter);
    let places = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (column, row)));
    places.filter(move |(column, row)| rows.get(*row).is_some_and(|bits| bits >> column & 1 == 1))
}
