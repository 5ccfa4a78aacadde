//! What a virtual computer goes through, from birth to disposal.

use serde::{Deserialize, Serialize};

/// `Born → Awake ⇄ Dormant → Stopped → Removed`; [`Life::next`] is the only place a life changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// It has an identity, but took no turn yet.
    Born,
    /// It is in memory and takes turns.
    Awake,
    /// It is an image in the store; a message wakes it.
    Dormant,
    /// It takes no more turns; what it was can still be looked at.
    Stopped,
    /// Nothing is left of it.
    Removed,
}

/// What happens to a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A first turn, or a message for a sleeper.
    Wake,
    /// Idle for long enough, over the memory budget, or told to.
    Sleep,
    /// Told to, purse empty, too many faults, or a link broke.
    Stop,
    /// Disposal.
    Remove,
}

impl Life {
    /// The life after a signal, if it may happen in this one.
    pub const fn next(self, signal: Signal) -> Option<Self> {
        match (self, signal) {
            (Self::Born | Self::Dormant, Signal::Wake) => Some(Self::Awake),
            (Self::Born | Self::Awake, Signal::Sleep) => Some(Self::Dormant),
            (Self::Born | Self::Awake | Self::Dormant, Signal::Stop) => Some(Self::Stopped),
            (Self::Stopped, Signal::Remove) => Some(Self::Removed),
            (Self::Awake, Signal::Wake)
            | (Self::Dormant, Signal::Sleep)
            | (Self::Born | Self::Awake | Self::Dormant, Signal::Remove)
            | (Self::Stopped, Signal::Wake | Signal::Sleep | Signal::Stop)
            | (Self::Removed, _) => None,
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Born => "born",
            Self::Awake => "awake",
            Self::Dormant => "dormant",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_life_ends_and_none_begins_again() {
        let signals = [Signal::Wake, Signal::Sleep, Signal::Stop, Signal::Remove];
        for signal in signals {
            assert_eq!(Life::Removed.next(signal), None);
        }
        for life in [Life::Born, Life::Awake, Life::Dormant] {
            assert_eq!(
                life.next(Signal::Stop).and_then(|l| l.next(Signal::Remove)),
                Some(Life::Removed)
            );
            assert_eq!(
                life.next(Signal::Remove),
                None,
                "a VC is stopped before it is removed"
            );
        }
        assert!(
            signals
                .iter()
                .all(|&s| Life::Stopped.next(s) != Some(Life::Awake))
        );
    }
}
