//! What bodies refuse, and how wiring and the genesis part behave.

use super::*;
use crate::extent::Dimension;
use crate::limits::PART_CHANNELS_MAX;
use crate::wire::{decode, encode};

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

/// A part from text: `mem/read` is needed, `+text/eval` given.
fn part(digest: u8, links: &str) -> Part {
    let link = |word: &str| match word.strip_prefix('+') {
        Some(name) => (channel(name), Polarity::Gives),
        None => (channel(word), Polarity::Needs),
    };
    Part::new(
        Digest([digest; 32]),
        10,
        0,
        links.split_whitespace().map(link),
    )
    .unwrap()
}

fn at(body: &Body, dimension: &Dimension) -> i64 {
    body.shape().get(dimension).unwrap()
}

#[test]
fn the_lowest_digest_answers_and_the_others_are_spares() {
    let mut body = Body::new();
    let eval = channel("text/eval");
    let late = body.internalize(part(7, "+text/eval")).unwrap();
    let asks = body.internalize(part(1, "text/eval mem/read")).unwrap();
    let low = body.internalize(part(2, "+text/eval")).unwrap();
    let twin = body.internalize(part(2, "+text/eval")).unwrap();
    assert_eq!(body.giver(&eval), Some(low));
    assert_eq!(body.spares(&eval).collect::<Vec<_>>(), [twin, late]);
    assert_eq!(body.hunger(), [channel("mem/read")]);
    for occurrence in [low, late, twin] {
        body.strip(occurrence).unwrap();
    }
    assert_eq!(body.hunger(), [channel("mem/read"), eval]);
    body.strip(asks).unwrap();
    assert_eq!((body.hunger(), at(&body, &Dimension::Hunger)), (vec![], 0));
    assert_eq!(body.shape(), Shape::default());
}

#[test]
fn the_genesis_part_gives_the_medium_and_is_no_organ() {
    let mut body = Body::new();
    body.internalize(part(1, "main +medium/send medium/send medium/spawn"))
        .unwrap();
    assert_eq!(
        body.denied(),
        [channel("medium/send"), channel("medium/spawn")]
    );
    let before = body.shape();
    let gives = [channel("medium/send")];
    let genesis = body
        .internalize(Part::genesis(Digest([9; 32]), 5, gives).unwrap())
        .unwrap();
    assert_eq!(
        body.giver(&gives[0]),
        Some(genesis),
        "before a lower digest that is not the host's"
    );
    assert_eq!(body.denied(), [channel("medium/spawn")]);
    let changed: Vec<String> = before
        .diff(&body.shape())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(changed, ["bytes 10 -> 15", "parts 1 -> 2"]);
    let foreign = Part::genesis(Digest([9; 32]), 5, [channel("mem/read")]);
    assert_eq!(
        foreign,
        Err(PartError::NotOfTheMedium {
            channel: channel("mem/read")
        })
    );
    body.internalize(part(3, "")).unwrap();
    assert_eq!(
        (at(&body, &Dimension::Organs), at(&body, &Dimension::Euler)),
        (2, 2)
    );
}

#[test]
fn a_ring_of_three_has_a_hole_until_a_part_fills_it() {
    let mut body = Body::new();
    for (n, links) in ["a b", "b c", "c a"].iter().enumerate() {
        body.internalize(part(u8::try_from(n).unwrap(), links))
            .unwrap();
    }
    assert_eq!(
        (at(&body, &Dimension::Euler), at(&body, &Dimension::Organs)),
        (0, 1)
    );
    let bus = body.internalize(part(4, "a b c")).unwrap();
    assert_eq!(at(&body, &Dimension::Euler), 1);
    assert_eq!(body.faces().len(), 7);
    body.strip(bus).unwrap();
    body.strip(OccurrenceId(0)).unwrap();
    body.strip(OccurrenceId(2)).unwrap();
    assert_eq!(
        (at(&body, &Dimension::Euler), at(&body, &Dimension::Organs)),
        (1, 1)
    );
}

#[test]
fn an_upgrade_keeps_every_link_or_is_forced() {
    let mut body = Body::new();
    let old = body.internalize(part(1, "+text/eval mem/read")).unwrap();
    let before = body.clone();
    let error = body
        .upgrade(old, part(2, "text/eval mem/read"), false)
        .unwrap_err();
    insta::assert_snapshot!(error, @"the new part does not do all that occurrence 0 does: gives text/eval");
    assert_eq!(body, before);
    assert_eq!(
        body.upgrade(old, part(3, "+text/eval mem/read +main"), false),
        Ok(part(1, "+text/eval mem/read"))
    );
    body.upgrade(old, part(4, ""), true).unwrap();
    assert_eq!((body.len(), body.get(old)), (1, Some(&part(4, ""))));
    insta::assert_snapshot!(
        body.upgrade(OccurrenceId(5), part(1, ""), true).unwrap_err(),
        @"the body has no occurrence 5"
    );
}

#[test]
fn parts_are_small_or_nested() {
    let links = |n: usize| (0..n).map(|n| (channel(&format!("c{n}")), Polarity::Gives));
    let made = |n| Part::new(Digest::ZERO, 1, 0, links(n));
    assert!(made(PART_CHANNELS_MAX).is_ok());
    insta::assert_snapshot!(made(9).unwrap_err(), @"the part has 9 channels, a part has at most 8");
    insta::assert_snapshot!(
        made(4_000_000).unwrap_err(),
        @"the part has more than 32 links, those to the medium counted"
    );
    let mut body = Body::new();
    body.internalize(part(1, "+main mem/read")).unwrap();
    let outer = body
        .as_part(Digest::ZERO, [(channel("main"), Polarity::Gives)])
        .unwrap();
    assert_eq!((outer.depth(), outer.bytes()), (1, 10));
    insta::assert_snapshot!(
        body.as_part(Digest::ZERO, [(channel("mem/read"), Polarity::Gives)]).unwrap_err(),
        @"the body has no part that gives `mem/read`"
    );
}

#[test]
fn stored_bodies_are_checked() {
    let mut body = Body::new();
    body.internalize(part(1, "+main")).unwrap();
    body.internalize(part(2, "main")).unwrap();
    let whole = encode(1, &body).unwrap();
    assert_eq!(decode::<Body>(1, &whole).as_ref(), Ok(&body));
    for end in 0..whole.len() {
        assert!(decode::<Body>(1, &whole[..end]).is_err());
    }
    let refused = |next: u64, occurrences: [u64; 2]| {
        let parts = occurrences.map(|n| (OccurrenceId(n), part(1, "+main")));
        let raw = encode(1, &(next, parts.to_vec())).unwrap();
        decode::<Body>(1, &raw).unwrap_err().to_string()
    };
    for (next, occurrences) in [(2, [1, 0]), (2, [1, 1]), (1, [0, 1])] {
        assert!(refused(next, occurrences).contains("out of order or was never given"));
    }
}
