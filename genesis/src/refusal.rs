//! The names of errors, the same in the protocol, the API, the command line and the logs.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal, $user:literal;)*) => {
        /// What kind of refusal it is; the names are part of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// The code of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|code| code.name() == name).copied()
            }

            /// Whether whoever asked can do something about it; else the fault is the node's.
            pub const fn user_can_fix(self) -> bool {
                match self { $(Self::$code => $user,)* }
            }
        }
    };
}

codes! {
    /// No VC has this id or name.
    Unknown = "unknown", true;
    /// The address is not one of the sender's contacts.
    NotAContact = "not-a-contact", true;
    /// The power was not granted.
    Denied = "denied", true;
    /// The purse is empty.
    Budget = "budget", true;
    /// The mailbox, outbox or node is full; the message and its postage come back.
    Busy = "busy", true;
    /// The message is past its expiry.
    Expired = "expired", true;
    /// Larger than the protocol or the node's policy allows.
    TooLarge = "too-large", true;
    /// Malformed input: bytes, a pattern, a directory.
    Malformed = "malformed", true;
    /// The receiver's pattern does not accept the extent.
    Pattern = "pattern", true;
    /// The postage is below the price.
    Postage = "postage", true;
    /// The signature is not the sender's.
    Signature = "signature", true;
    /// Contents without a decoder cannot be tested.
    Untestable = "untestable", true;
    /// The VC is stopped.
    Stopped = "stopped", true;
    /// The ask was not answered in time.
    Timeout = "timeout", true;
    /// The ask was cancelled.
    Cancelled = "cancelled", true;
    /// The turn failed; the message was set aside.
    Fault = "fault", true;
    /// The name is taken, or the thing is already so.
    Conflict = "conflict", true;
    /// The token is missing or wrong.
    Token = "token", true;
    /// The node does not answer, or is shutting down.
    Unreachable = "unreachable", true;
    /// The disk is full: nothing new is accepted, reads go on.
    DiskFull = "disk-full", true;
    /// Stored data is damaged; it was not served.
    Corrupt = "corrupt", false;
    /// The store or the operating system failed.
    Io = "io", false;
    /// A defect of this program.
    Internal = "internal", false;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal, as it is shown, sent and stored everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// What kind.
    pub code: Code,
    /// What failed and why, with numbers.
    pub what: String,
    /// Which VC, message or file it is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The way out, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            who: None,
            hint: None,
        }
    }

    /// ... about this one.
    #[must_use]
    pub fn who(mut self, who: impl fmt::Display) -> Self {
        self.who = Some(who.to_string());
        self
    }

    /// ... with this way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(
            names
                .iter()
                .all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        );
    }
}
