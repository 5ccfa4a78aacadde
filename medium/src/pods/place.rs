//! How the command line names something in a pod: `POD`, `POD:/path`, `REFERENCE`, `REFERENCE/path`.

use std::str::FromStr;

use adapters::pods::{PodName, PodPath, PodsError, Source};

/// Digits of a reference key, or of a reference to what is not encrypted.
const PLAIN_DIGITS: usize = 64;
/// Digits of a reference to what is encrypted.
const ENCRYPTED_DIGITS: usize = 128;

/// Something in a pod, or in what a reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In what.
    pub(crate) what: What,
    /// Where in it.
    pub(crate) path: PodPath,
    /// Whether the path ends with `/`: what is put there keeps its name.
    pub(crate) is_into: bool,
}

/// What something is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A pod of the wallet.
    Pod(PodName),
    /// What a reference key or a reference names.
    Reference(String),
}

impl Place {
    /// What is read, as it was at a snapshot if one is named.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`] for a snapshot of what a reference names.
    pub(crate) fn source(&self, at: Option<u64>) -> Result<Source, PodsError> {
        match (&self.what, at) {
            (What::Pod(name), at) => Ok(Source::Pod {
                name: name.to_string(),
                at,
            }),
            (What::Reference(reference), None) => Ok(Source::Reference(reference.clone())),
            (What::Reference(reference), Some(_)) => Err(PodsError::Unsupported {
                keeper: format!("`{reference}`"),
                what: "be read as it was: a reference names one state, or the latest".to_owned(),
                hint: "fork it first, or leave `--at` out".to_owned(),
            }),
        }
    }

    /// The pod, where only a pod will do.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`] for a reference.
    pub(crate) fn pod(&self) -> Result<&PodName, PodsError> {
        match &self.what {
            What::Pod(name) => Ok(name),
            What::Reference(reference) => Err(PodsError::Unsupported {
                keeper: format!("`{reference}`"),
                what: "be changed or shared: it is not a pod of yours".to_owned(),
                hint: format!("make it one: `medium pod fork {reference} NAME`"),
            }),
        }
    }

    /// Where something of this name goes that is put to this place.
    ///
    /// # Errors
    /// [`PodsError::Path`].
    pub(crate) fn for_name(&self, name: &str) -> Result<PodPath, PodsError> {
        if self.is_into {
            self.path.join(name)
        } else {
            Ok(self.path.clone())
        }
    }
}

impl FromStr for Place {
    type Err = PodsError;

    fn from_str(text: &str) -> Result<Self, PodsError> {
        let (what, path) = if let Some((reference, path)) = split_reference(text) {
            (What::Reference(reference.to_lowercase()), path)
        } else {
            // A name may have a `:` of its own.
            let (name, path) = text
                .find(":/")
                .or_else(|| text.find(':'))
                .map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
            (What::Pod(name.parse()?), path)
        };
        Ok(Self {
            what,
            is_into: path.is_empty() || path.ends_with('/'),
            path: path.parse()?,
        })
    }
}

/// A reference at the beginning of a text, and the path behind it.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    if digits != PLAIN_DIGITS && digits != ENCRYPTED_DIGITS {
        return None;
    }
    let (reference, rest) = text.split_at(digits);
    let path = match rest.strip_prefix(':') {
        Some(path) => path,
        None if rest.is_empty() || rest.starts_with('/') => rest,
        None => return None,
    };
    Some((reference, path))
}

/// Reads the name of a new pod: one that is not taken for a reference.
pub(crate) fn plain_name(text: &str) -> Result<PodName, PodsError> {
    if split_reference(text).is_some() {
        return Err(PodsError::Name {
            what: "a pod",
            text: text.to_owned(),
            why: "it would be taken for a reference".to_owned(),
        });
    }
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, what: &str, path: &str, is_into: bool) {
        let place: Place = text.parse().unwrap();
        let named = match &place.what {
            What::Pod(name) => format!("pod {name}"),
            What::Reference(reference) => format!("reference {reference}"),
        };
        assert_eq!(
            (named.as_str(), place.path.as_str(), place.is_into),
            (what, path, is_into),
            "{text}"
        );
    }

    #[test]
    fn a_place_is_in_a_pod_or_in_what_a_reference_names() {
        check("notes", "pod notes", "/", true);
        check("notes:", "pod notes", "/", true);
        check("notes:/", "pod notes", "/", true);
        check("notes:/a/b.txt", "pod notes", "/a/b.txt", false);
        check("notes:a/", "pod notes", "/a", true);
        let key = "ab".repeat(32);
        let named = format!("reference {key}");
        check(&key, &named, "/", true);
        check(&key.to_uppercase(), &named, "/", true);
        check(&format!("{key}/x"), &named, "/x", false);
        check(&format!("{key}:/x/"), &named, "/x", true);
        let long = "0".repeat(128);
        check(&long, &format!("reference {long}"), "/", true);
        let name = &key[1..];
        check(name, &format!("pod {name}"), "/", true);
    }

    #[test]
    fn what_leads_elsewhere_is_no_place() {
        for text in [
            "",
            ":/x",
            "notes:/../x",
            "notes:/a//b",
            "a/b",
            "a:b:/c",
            "notes:/\0",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
        assert!(plain_name(&"0f".repeat(32)).is_err());
        assert!(plain_name("notes").is_ok());
    }

    #[test]
    fn only_pods_have_snapshots_and_are_changed() {
        let key: Place = "ab".repeat(32).parse().unwrap();
        assert!(key.source(None).is_ok());
        assert!(key.source(Some(3)).is_err());
        assert!(key.pod().unwrap_err().hint().unwrap().contains("fork"));
        let pod: Place = "notes:/old/".parse().unwrap();
        assert_eq!(pod.for_name("a").unwrap().as_str(), "/old/a");
    }
}
