//! Native behaviours are named by a digest of name and version.

use crate::id::{Digest, domain};

/// The digest by which a native behaviour is known as code or as a decoder.
pub fn native_digest(name: &str, version: u32) -> Digest {
    Digest::of_fields(domain::NATIVE, &[name.as_bytes(), &version.to_le_bytes()])
}
