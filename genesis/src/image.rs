//! A frozen VC: everything it takes to go on elsewhere as if nothing had happened.
//!
//! An image is what a dormant VC is in a store, what `freeze` writes and what a strong message
//! carries: body, state, contacts, lineage.
#![deny(clippy::indexing_slicing)]

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Polarity};
use crate::id::{Digest, VcId, domain};
use crate::limits::{CONTACTS_MAX, DEPTH_MAX, PARTS_MAX};
use crate::power::Grants;
use crate::purse::Purse;
use crate::wire::{self, DecodeError, EncodeError};

/// The version byte every image begins with.
pub const VERSION: u8 = 2;
/// The version before: without [`Image::turn_fuel`], which was its last field to come. Still read.
const VERSION_1: u8 = 1;

/// What a part's code is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Code {
    /// The protocol itself, carried out by the host: what gives a VC its effects.
    Genesis,
    /// A behaviour built into the program, trusted, named by name and version.
    Native {
        /// Its name.
        name: String,
        /// Its version.
        version: u32,
    },
    /// No code: contents that a decoder reads.
    Data,
    /// A whole VC, hosted in this body.
    Computer,
    /// Sandboxed code: a core module that speaks the ABI of the protocol.
    WebAssembly {
        /// The digest of the module's bytes.
        module: Digest,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// One part of a frozen body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImagePart {
    /// Its place in the body.
    pub occurrence: u64,
    /// What it does.
    pub code: Code,
    /// What it is called inside the body, if anything.
    pub role: Option<String>,
    /// Its contents: a native's argument, the bytes of a data part.
    pub contents: Bytes,
    /// The code that reads and tests the contents.
    pub decoder: Option<Digest>,
    /// The channels it needs and gives.
    pub channels: Vec<(Channel, Polarity)>,
    /// The saved state of its code.
    pub state: Option<Bytes>,
    /// What travels with it: the image of the VC it is, or the module that is its code. Kept as bytes, so
    /// that hostile nesting meets [`DEPTH_MAX`] before it meets the stack.
    pub enclosed: Option<Bytes>,
}

impl ImagePart {
    /// The digest of the part: of its code, contents, decoder and channels; not of state or place.
    pub fn digest(&self) -> Digest {
        let mut fields = Vec::new();
        // All of these are plain values of bounded length; the codec cannot refuse them.
        let _ = wire::encode_into(&mut fields, &(&self.code, &self.decoder, &self.channels));
        Digest::of_fields(domain::PART, &[&fields, &self.contents])
    }

    /// The image of the VC it is, if it is one that travels with its host.
    pub fn computer(&self) -> Option<&Bytes> {
        match self.code {
            Code::Computer => self.enclosed.as_ref(),
            _ => None,
        }
    }

    /// How large it is: its contents and its code.
    pub fn bytes(&self) -> u64 {
        let code = match self.code {
            Code::WebAssembly { bytes, .. } => bytes,
            _ => 0,
        };
        code.saturating_add(self.contents.len() as u64)
    }
}

/// When a VC that fails is restarted, and when it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Restart {
    /// Failed turns within `within_ms` that are forgiven; one more restarts the VC from its birth state.
    pub faults_max: u32,
    /// Restarts within `within_ms` that are allowed; one more stops the VC and tells its host.
    pub restarts_max: u32,
    /// The length of the window, in milliseconds.
    pub within_ms: u64,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            faults_max: 8,
            restarts_max: 3,
            within_ms: 10_000,
        }
    }
}

/// A frozen VC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Image {
    /// Who it is.
    pub id: VcId,
    /// Its host, or who gave birth to it.
    pub host: VcId,
    /// Whether it lives in its host's body.
    pub nested: bool,
    /// Whom it was forked from, nearest first.
    pub lineage: Vec<VcId>,
    /// What its owner, or its host, calls it.
    pub name: Option<String>,
    /// What it is for, in its author's words.
    pub description: Option<String>,
    /// Its body.
    pub parts: Vec<ImagePart>,
    /// The occurrence id the next part will have.
    pub next_occurrence: u64,
    /// What it may do.
    pub grants: Grants,
    /// What it may still spend.
    pub purse: Purse,
    /// Whom it may send to.
    pub contacts: Vec<VcId>,
    /// What it calls some of them: name, index into `contacts`.
    pub contact_names: Vec<(String, u32)>,
    /// Who may reshape it, beside owner and host.
    pub reshapers: Vec<VcId>,
    /// The pattern of what it accepts, as text; none accepts all.
    pub accept: Option<String>,
    /// The pattern over metrics that it strives for.
    pub goal: Option<String>,
    /// When it is restarted, and when given up.
    pub restart: Restart,
    /// Its lane sequence: how many messages it has sent.
    pub sequence: u64,
    /// How many births it has given.
    pub births: u64,
    /// How many messages it has handled.
    pub turns: u64,
    /// The link of its trace so far.
    pub trace: Digest,
    /// Timers it has set: when, and the tag it gave.
    pub timers: Vec<(u64, u64)>,
    /// How many messages its journal keeps between snapshots; 0 for none.
    pub record: u32,
    /// After how many idle milliseconds it goes to sleep; 0 for never by itself.
    pub idle_ms: u64,
    /// Fuel that one of its turns may take; 0 for what the node gives by default.
    pub turn_fuel: u64,
}

impl Image {
    /// The digest of the body: of the multiset of its parts only.
    pub fn body_digest(&self) -> Digest {
        let mut parts: Vec<Digest> = self.parts.iter().map(ImagePart::digest).collect();
        parts.sort_unstable();
        let fields: Vec<&[u8]> = parts.iter().map(|digest| digest.0.as_slice()).collect();
        Digest::of_fields(domain::BODY, &fields)
    }

    /// The digest of the image: of body, state, contacts and lineage, and all else but its host and its
    /// fuel. Where it lives, and what a unit of work costs there, are no facts about it: two nodes give the
    /// same VC one digest.
    ///
    /// # Errors
    /// As [`Image::to_bytes`].
    pub fn digest(&self) -> Result<Digest, EncodeError> {
        let mut bare = self.clone();
        bare.host = VcId::NOBODY;
        bare.purse.fuel = 0;
        for part in &mut bare.parts {
            if part.code != Code::Computer {
                // Its module has its digest in `code`; whether it travels along is no fact about the VC.
                part.enclosed = None;
            } else if let Some(inner) = &part.enclosed
                && let Ok(inner) = Self::from_trusted_bytes(inner)
            {
                part.enclosed = Some(Bytes::copy_from_slice(&inner.digest()?.0));
            }
        }
        Ok(Digest::of(&bare.to_bytes()?))
    }

    /// The exact bytes of the image.
    ///
    /// # Errors
    /// [`EncodeError`] if it is larger than the codec allows.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        wire::encode(VERSION, self)
    }

    /// Reads an image and checks its bounds.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not an image in canonical form, or beyond a bound.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_bytes_at(bytes, 0)
    }

    /// Reads an image that this program wrote itself, into a store that checks its rows.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not an image.
    pub fn from_trusted_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&VERSION_1, rest)) => wire::decode(VERSION, &of_version_1(rest)),
            _ => wire::decode(VERSION, bytes),
        }
    }

    fn from_bytes_at(bytes: &[u8], depth: usize) -> Result<Self, DecodeError> {
        let image: Self = match bytes.split_first() {
            Some((&VERSION_1, rest)) => wire::decode_canonical(VERSION, &of_version_1(rest))?,
            _ => wire::decode_canonical(VERSION, bytes)?,
        };
        image.check(depth)?;
        Ok(image)
    }

    fn check(&self, depth: usize) -> Result<(), DecodeError> {
        let bound = |what, size: usize, max: usize| {
            let (size, max) = (size as u64, max as u64);
            if size > max {
                Err(DecodeError::TooLarge { what, size, max })
            } else {
                Ok(())
            }
        };
        bound("the nesting of an image", depth, DEPTH_MAX)?;
        bound("the body of an image", self.parts.len(), PARTS_MAX)?;
        bound(
            "the contacts of an image",
            self.contacts.len(),
            CONTACTS_MAX,
        )?;
        for part in &self.parts {
            match (&part.code, &part.enclosed) {
                (Code::WebAssembly { module, bytes }, Some(enclosed)) => {
                    if enclosed.len() as u64 != *bytes || Digest::of(enclosed) != *module {
                        return Err(DecodeError::Malformed {
                            reason: format!("the enclosed module is not {module}"),
                        });
                    }
                }
                (_, Some(inner)) => drop(Self::from_bytes_at(inner, depth + 1)?),
                (_, None) => {}
            }
        }
        Ok(())
    }
}

/// The bytes of an image of version 1, as version 2 writes them.
fn of_version_1(rest: &[u8]) -> Vec<u8> {
    [&[VERSION], rest, &[0; 8]].concat()
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    reason = "bytes that the test has made itself"
)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            id: VcId::root(&[1; 32], 0),
            host: VcId::root(&[1; 32], 1),
            nested: false,
            lineage: Vec::new(),
            name: Some("old".to_owned()),
            description: None,
            parts: Vec::new(),
            next_occurrence: 1,
            grants: Grants::HARMLESS,
            purse: Purse::ENDLESS,
            contacts: Vec::new(),
            contact_names: Vec::new(),
            reshapers: Vec::new(),
            accept: None,
            goal: None,
            restart: Restart::default(),
            sequence: 3,
            births: 0,
            turns: 2,
            trace: Digest::ZERO,
            timers: vec![(7, 8)],
            record: 0,
            idle_ms: 0,
            turn_fuel: 0,
        }
    }

    /// Images that were written before a VC could be granted more fuel for a turn.
    #[test]
    fn version_1_is_still_read() {
        let bytes = image().to_bytes().unwrap();
        let (last, first) = (bytes.len() - 8, VERSION_1);
        let old = [&[first], &bytes[1..last]].concat();
        assert_eq!(Image::from_bytes(&old), Ok(image()));
        assert_eq!(Image::from_trusted_bytes(&old), Ok(image()));
        assert!(Image::from_bytes(&old[..old.len() - 1]).is_err());
        assert!(Image::from_bytes(&[old.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn what_a_digest_sees_is_neither_host_nor_fuel() {
        let mut elsewhere = image();
        elsewhere.host = VcId::from_bytes([9; 32]);
        assert_eq!(elsewhere.digest(), image().digest());
        let mut poorer = image();
        poorer.purse.fuel = 5;
        assert_eq!(poorer.digest(), image().digest());
        assert_ne!(poorer.to_bytes(), image().to_bytes());
        poorer.purse.messages = 5;
        assert_ne!(poorer.digest(), image().digest());
    }
}
