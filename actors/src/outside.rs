//! The world outside: programs and servers that are no VCs, as VCs speak for them.
//!
//! A turn is pure, so it calls nobody. A VC that speaks for somebody outside says what is to be said there in a
//! letter to [`OUTSIDE`] ([`Effects::tell_outside`](crate::effects::Effects::tell_outside)); its worker hands
//! that to the [port](Outside) once the turn is in the log. What comes back is a message from [`OUTSIDE`]
//! ([`Runtime::outside_says`](crate::runtime::Runtime::outside_says)) like any other: it is recorded, and a turn
//! handles it. So a journal holds all that was ever said from outside, and a replay needs nobody there.

use std::fmt;

use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::message::MessageRef;

use crate::letter::Contents;
use crate::view::Fate;

/// Who speaks when the world outside does: no VC has this id, because ids are digests and nobody has found the
/// 32 bytes that lead to this text. The same on every node, so that a record means the same everywhere.
pub const OUTSIDE: VcId = VcId::from_bytes(*b"\0medium/1 the world outside....\0");

/// What a VC says to the world outside.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which VC.
    pub vc: VcId,
    /// What kind of thing it says.
    pub channel: Channel,
    /// What it says.
    pub contents: Contents,
    /// The message in which it says so.
    pub reference: MessageRef,
    /// The slice of the log in which the turn is; 0 if nothing has to be on disk before this may leave.
    pub slice: u64,
}

/// Who listens outside. Called by workers: must not block.
pub trait Outside: fmt::Debug + Send + Sync + 'static {
    /// A VC says something, in the order in which it does.
    fn told(&self, told: Told);

    /// A message that [came from outside](crate::runtime::Runtime::outside_says) had its end.
    fn ended(&self, vc: VcId, sequence: u64, fate: Fate);

    /// A VC takes no more turns: it stopped, fell asleep or was laid down elsewhere.
    fn gone(&self, vc: VcId);
}

/// How the faults of a program are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mercy {
    /// It may be started once more; it is the nth time.
    Again(u64),
    /// It failed too often: its VC is stopped, reason `faults`.
    Stopped,
}
