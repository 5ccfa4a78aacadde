//! What pods, wallets and the paths in pods may be called; checked once, where text comes in.

use std::fmt;
use std::str::FromStr;

use super::PodsError;

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Name(String);

        impl $Name {
            /// Longest name, in bytes; the bound of FairOS-DFS.
            pub const LEN_MAX: usize = 64;

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $Name {
            type Err = PodsError;

            /// Checks a name: 1 to 64 bytes, no `/` or `:`, no control characters, not `.` or `..`, and no
            /// blanks at its ends.
            fn from_str(text: &str) -> Result<Self, PodsError> {
                check_step(text).map_err(|why| PodsError::Name { what: $what, text: text.to_owned(), why })?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

name!(
    /// What a pod is called; unique per wallet.
    PodName,
    "a pod"
);
name!(
    /// What a wallet is called; unique per data folder.
    WalletName,
    "a wallet"
);

impl Default for WalletName {
    /// `default`.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// Where something is in a pod: steps from its root, written `/a/b.txt`; `/` is the root.
///
/// It cannot lead out of the pod, and one place has one path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodPath(String);

impl PodPath {
    /// Longest path, in bytes.
    pub const LEN_MAX: usize = 1024;

    /// The root.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// With the leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the leading `/`: the path in a manifest. Empty for the root.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The last step; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The directory it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let at = self.0.rfind('/').unwrap_or_default();
        Some(Self(if at == 0 {
            "/".to_owned()
        } else {
            self.0[..at].to_owned()
        }))
    }

    /// The steps from the root.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|step| !step.is_empty())
    }

    /// What `relative` names inside this directory.
    ///
    /// # Errors
    /// [`PodsError::Path`].
    pub fn join(&self, relative: &str) -> Result<Self, PodsError> {
        let slash = if self.is_root() { "" } else { "/" };
        format!("{}{slash}{}", self.0, relative.trim_start_matches('/')).parse()
    }

    /// Whether it is `other` or inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(&other.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for PodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PodPath {
    type Err = PodsError;

    /// Reads a path; the leading `/` may be missing, and one trailing `/` is ignored.
    ///
    /// Refused by name: `.`, `..`, empty steps, control characters and NUL, steps of over 255 bytes.
    fn from_str(text: &str) -> Result<Self, PodsError> {
        let refused = |why: String| PodsError::Path {
            text: text.to_owned(),
            why,
        };
        if text.len() > Self::LEN_MAX {
            return Err(refused(format!(
                "it has {} bytes, {} are allowed",
                text.len(),
                Self::LEN_MAX
            )));
        }
        let steps = text.strip_prefix('/').unwrap_or(text);
        let steps = steps.strip_suffix('/').unwrap_or(steps);
        if steps.is_empty() {
            return Ok(Self::root());
        }
        for step in steps.split('/') {
            if step.len() > STEP_BYTES_MAX {
                return Err(refused(format!(
                    "a step of it has {} bytes, {STEP_BYTES_MAX} are allowed",
                    step.len()
                )));
            }
            check_characters(step).map_err(refused)?;
        }
        Ok(Self(format!("/{steps}")))
    }
}

/// Longest step of a path, in bytes: what file systems take.
const STEP_BYTES_MAX: usize = 255;

/// Checks what is also the name of a folder.
fn check_step(text: &str) -> Result<(), String> {
    if text.len() > PodName::LEN_MAX {
        return Err(format!(
            "it has {} bytes, {} are allowed",
            text.len(),
            PodName::LEN_MAX
        ));
    }
    if text.contains('/') {
        return Err("it has a `/`".to_owned());
    }
    if text.contains(':') {
        return Err("it has a `:`, behind which a path begins".to_owned());
    }
    if text.trim() != text {
        return Err("it begins or ends with a blank".to_owned());
    }
    check_characters(text)
}

/// Checks one step.
fn check_characters(step: &str) -> Result<(), String> {
    match step {
        "" => Err("a step of it is empty".to_owned()),
        "." | ".." => Err(format!("`{step}` leads elsewhere")),
        _ => match step.chars().find(|c| c.is_control()) {
            Some(c) => Err(format!(
                "it has the control character {}",
                c.escape_default()
            )),
            None => Ok(()),
        },
    }
}
