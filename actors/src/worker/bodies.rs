//! Parts and bodies as the protocol sees them: on their way, their bounds and wiring, what they accept.

use genesis::body::{Body, Part as BodyPart};
use genesis::channel::{Channel, Polarity};
use genesis::image::{Code as PartCode, ImagePart};
use genesis::pattern::{Mode, Pattern, Profile};
use genesis::power::{Grants, Power};
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use crate::enclave::{FREE, WITH_SEND};
use crate::letter::{Contents, Letter};

/// The version byte of a part on its way.
const PART_VERSION: u8 = 1;
/// A part as the contents of a message.
///
/// # Errors
/// [`Refusal`] if it is too large to be encoded.
pub(crate) fn wrap(part: &ImagePart) -> Result<Contents, Refusal> {
    wire::encode(PART_VERSION, part)
        .map(Contents::from)
        .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))
}

/// The part that is the contents of a message.
///
/// # Errors
/// [`Refusal`] if the contents are not a part.
pub(crate) fn unwrap(contents: &[u8]) -> Result<ImagePart, Refusal> {
    wire::decode_canonical(PART_VERSION, contents)
        .map_err(|error| Refusal::new(Code::Malformed, format!("not a part: {error}")))
}

/// The channels of the medium that a genesis part with these grants gives.
fn opened_by(grants: Grants) -> impl Iterator<Item = Channel> {
    let by_power = grants
        .iter()
        .filter(|&power| power != Power::Reshape)
        .map(|power| format!("medium/{power}"));
    let with_send = WITH_SEND.iter().filter(move |_| grants.has(Power::Send));
    let others = FREE.iter().chain(with_send).map(|&name| name.to_owned());
    by_power.chain(others).filter_map(|name| name.parse().ok())
}

/// The body that parts make up, as the protocol sees it: bounds, wiring, shape.
pub(crate) fn body_of(parts: &[ImagePart]) -> Result<Body, Refusal> {
    body_with(parts, Grants::NONE)
}

/// The same, with the genesis part giving the channels of these grants.
pub(crate) fn body_with(parts: &[ImagePart], grants: Grants) -> Result<Body, Refusal> {
    let mut body = Body::new();
    for part in parts {
        let (digest, bytes) = (part.digest(), part.bytes());
        let made = match part.code {
            PartCode::Genesis => BodyPart::genesis(digest, bytes, opened_by(grants)),
            PartCode::Computer => BodyPart::new(digest, bytes, 1, part.channels.iter().copied()),
            _ => BodyPart::new(digest, bytes, 0, part.channels.iter().copied()),
        };
        let made = made.map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        body.internalize(made)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
    }
    Ok(body)
}

/// Whether a pattern accepts a letter: its extent, or the point its bytes make, and its facts as tags.
pub(super) fn accepts(pattern: &Pattern, letter: &Letter) -> Result<(), String> {
    let mut extent = letter
        .extra
        .as_ref()
        .map(|e| e.extent.clone())
        .unwrap_or_default();
    let bytes = i64::try_from(letter.contents.total()).unwrap_or(i64::MAX);
    extent
        .0
        .entry(genesis::extent::Dimension::Bytes)
        .or_insert(genesis::extent::Interval::point(bytes));
    let links = [(letter.channel, Polarity::Needs)];
    let mut profile = Profile {
        extent: &extent,
        links: &links,
        tags: std::collections::BTreeMap::new(),
    };
    if let Some(extra) = &letter.extra {
        for (key, value) in &extra.metadata {
            if let Ok(value) = std::str::from_utf8(value) {
                profile.tags.insert(key, value);
            }
        }
    }
    pattern
        .explain(&profile, Mode::Within)
        .map_err(|refusal| refusal.to_string())
}
