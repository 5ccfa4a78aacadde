//! Names that are digests: [`Digest`], [`VcId`], [`MessageId`], and the [`Address`] people type.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, HEXLOWER, Specification};
use serde::{Deserialize, Serialize};

/// Separates the digests of one purpose from those of all others.
///
/// Every digest of the protocol that is not the plain digest of some bytes is
/// `blake3(domain ‖ 0x00 ‖ fields…)` with one of these.
pub mod domain {
    /// A root's id: node key, birth index.
    pub const ROOT: &[u8] = b"medium/1 root";
    /// A child's id: parent id, birth index.
    pub const CHILD: &[u8] = b"medium/1 child";
    /// A VC's signing key: node secret, VC id.
    pub const KEY: &[u8] = b"medium/1 key";
    /// What a signature covers: the message's id.
    pub const SEAL: &[u8] = b"medium/1 seal";
    /// A native behaviour: name, version.
    pub const NATIVE: &[u8] = b"medium/1 native";
    /// A part: code, contents, decoder, channels.
    pub const PART: &[u8] = b"medium/1 part";
    /// A body: the sorted digests of its parts.
    pub const BODY: &[u8] = b"medium/1 body";
    /// One link of a trace.
    pub const TRACE: &[u8] = b"medium/1 trace";
}

/// A blake3 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of nothing known yet: all zeros. No input is known to have it.
    pub const ZERO: Self = Self([0; 32]);

    /// The plain digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of fields under a [`domain`]; each field is preceded by its length.
    pub fn of_fields(domain: &[u8], fields: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain);
        hasher.update(&[0]);
        for field in fields {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The bytes of the digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of bytes that come one piece after the other: in the end, [`Digest::of`] all of them.
#[derive(Clone, Debug, Default)]
pub struct Digester(Box<blake3::Hasher>);

impl Digester {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", HEXLOWER.encode(&self.0[..4]))
    }
}

impl FromStr for Digest {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| AddressError::NotHex { text: clip(text) })?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_| AddressError::Length { bytes: bytes.len() })
    }
}

/// The identity of a virtual computer, stable for life.
///
/// `blake3(domain, parent id, birth index)`; a root's comes from the node key. The first byte is the
/// *placement byte*: it names the worker that hosts the VC (modulo the number of workers), so that
/// nobody needs a directory to find one. A VC nested in a body takes over the placement byte of its
/// host and so always lives beside it; the other 31 bytes are the digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VcId([u8; 32]);

impl VcId {
    /// Nobody: the sender of what the medium itself says. No VC ever has it.
    pub const NOBODY: Self = Self([0; 32]);

    /// The id of the `birth_index`th root of a node.
    pub fn root(node_key: &[u8; 32], birth_index: u64) -> Self {
        let digest = Digest::of_fields(domain::ROOT, &[node_key, &birth_index.to_le_bytes()]);
        Self(digest.0)
    }

    /// The id of the `birth_index`th child of a VC: placed anywhere.
    #[must_use]
    pub fn child(self, birth_index: u64) -> Self {
        // The hottest derivation of a node: one compression, no length fields, both fields fixed.
        let mut input = [0_u8; 14 + 1 + 32 + 8];
        input[..14].copy_from_slice(domain::CHILD);
        input[15..47].copy_from_slice(&self.0);
        input[47..].copy_from_slice(&birth_index.to_le_bytes());
        Self(*blake3::hash(&input).as_bytes())
    }

    /// The id of the `birth_index`th VC born inside this one's body: placed beside it.
    #[must_use]
    pub fn inner(self, birth_index: u64) -> Self {
        let mut id = self.child(birth_index);
        id.0[0] = self.0[0];
        id
    }

    /// The byte that names the worker of this VC.
    pub const fn placement(&self) -> u8 {
        self.0[0]
    }

    /// An id from its bytes, as read from a store or a message.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Eight well-mixed bytes of the id, for tables that need a hash.
    pub fn hash64(&self) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.0[8..16]);
        u64::from_le_bytes(eight)
    }

    /// The first characters of the text form, enough for a person to tell VCs apart in a table.
    pub fn short(&self) -> String {
        base32().encode(&self.0)[..8].to_owned()
    }
}

impl fmt::Display for VcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vc:{}", base32().encode(&self.0))
    }
}

impl fmt::Debug for VcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vc:{}", self.short())
    }
}

impl FromStr for VcId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = Address::from_str(text)?;
        if address.path.is_empty() {
            Ok(address.id)
        } else {
            Err(AddressError::Inner)
        }
    }
}

/// The identity of a message: blake3 of its exact bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub Digest);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg:{}", base32().encode(&self.0.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg:{}", &base32().encode(&self.0.0)[..8])
    }
}

impl FromStr for MessageId {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text
            .strip_prefix("msg:")
            .ok_or_else(|| AddressError::Prefix {
                want: "msg:",
                text: clip(text),
            })?;
        decode32(rest).map(|bytes| Self(Digest(bytes)))
    }
}

/// Where a message goes: a VC, or something inside it that has no identity of its own yet.
///
/// Written `vc:<base32>`, or `vc:<base32>/n/m` for the occurrence `m` of the occurrence `n` of a
/// host (or, later, the row `n` of a cohort).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The VC, or the host of what `path` leads to.
    pub id: VcId,
    /// Occurrence ids or rows, outermost first; at most [`limits::DEPTH_MAX`](crate::limits).
    pub path: Vec<u64>,
}

impl From<VcId> for Address {
    fn from(id: VcId) -> Self {
        Self {
            id,
            path: Vec::new(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        self.path.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.id)?;
        self.path.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text
            .strip_prefix("vc:")
            .ok_or_else(|| AddressError::Prefix {
                want: "vc:",
                text: clip(text),
            })?;
        let mut steps = rest.split('/');
        let id = VcId(decode32(steps.next().unwrap_or_default())?);
        let path = steps
            .map(|step| {
                step.parse()
                    .map_err(|_| AddressError::Step { text: clip(step) })
            })
            .collect::<Result<Vec<u64>, _>>()?;
        if path.len() > crate::limits::DEPTH_MAX {
            return Err(AddressError::Depth { steps: path.len() });
        }
        Ok(Self { id, path })
    }
}

/// Why some text is not an id or an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text does not begin as this kind of id does.
    #[error("`{text}` does not begin with `{want}`")]
    Prefix {
        /// What it should begin with.
        want: &'static str,
        /// What was given, cut short.
        text: String,
    },
    /// The text is not base32.
    #[error("`{text}` is not base32 (letters a-z and digits 2-7)")]
    NotBase32 {
        /// What was given, cut short.
        text: String,
    },
    /// The text is not hexadecimal.
    #[error("`{text}` is not hexadecimal (digits 0-9 and letters a-f)")]
    NotHex {
        /// What was given, cut short.
        text: String,
    },
    /// The id has another length than 32 bytes.
    #[error("an id has 32 bytes, this one has {bytes}")]
    Length {
        /// How many there were.
        bytes: usize,
    },
    /// A step of the path is not a number.
    #[error("`{text}` is not an occurrence number")]
    Step {
        /// What was given, cut short.
        text: String,
    },
    /// The path is longer than VCs may nest.
    #[error(
        "the path has {steps} steps, bodies nest at most {} deep",
        crate::limits::DEPTH_MAX
    )]
    Depth {
        /// How many there were.
        steps: usize,
    },
    /// An address of something inside a VC was given where a VC is asked for.
    #[error("this names something inside a VC; a plain id has no `/`")]
    Inner,
}

fn base32() -> &'static Encoding {
    static BASE32: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    BASE32.get_or_init(|| {
        let mut specification = Specification::new();
        specification
            .symbols
            .push_str("abcdefghijklmnopqrstuvwxyz234567");
        specification
            .encoding()
            .expect("the alphabet of RFC 4648 in lower case is valid")
    })
}

fn decode32(text: &str) -> Result<[u8; 32], AddressError> {
    if text.len() > 64 {
        return Err(AddressError::Length {
            bytes: text.len() * 5 / 8,
        });
    }
    let bytes = base32()
        .decode(text.as_bytes())
        .map_err(|_| AddressError::NotBase32 { text: clip(text) })?;
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| AddressError::Length { bytes: bytes.len() })
}

/// What an error shows of a text it was given: never more than a line's worth.
fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(60).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_address_reads_back_what_it_shows(id: [u8; 32], path in proptest::collection::vec(any::<u64>(), 0..8)) {
            let address = Address { id: VcId(id), path };
            prop_assert_eq!(address.to_string().parse::<Address>()?, address);
            let message = MessageId(Digest(id));
            prop_assert_eq!(message.to_string().parse::<MessageId>()?, message);
            prop_assert_eq!(Digest(id).to_string().parse::<Digest>()?, Digest(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<Address>();
            let _ = format!("vc:{text}").parse::<Address>();
            let _ = text.parse::<MessageId>();
        }
    }

    #[test]
    fn a_nested_vc_lives_beside_its_host() {
        let host = VcId::root(&[7; 32], 0);
        for birth in 0..64 {
            assert_eq!(host.inner(birth).placement(), host.placement());
            assert_ne!(host.inner(birth), host.inner(birth + 1));
            assert_ne!(host.child(birth), host.inner(birth + 64));
        }
    }

    #[test]
    fn ids_are_pinned() {
        // Golden: an id must never change between versions of this crate.
        let root = VcId::root(&[1; 32], 0);
        insta::assert_snapshot!(format!("{root}\n{}\n{}", root.child(0), root.inner(0)));
    }
}
