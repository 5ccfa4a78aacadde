//! What a VC's code is: a pure function of state and message to effects.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use genesis::channel::{Channel, Polarity};
use genesis::id::Digest;
use genesis::limits::STATE_BYTES_MAX;
use genesis::native::native_digest;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::effects::Effects;
use crate::letter::Letter;

/// Why a turn failed. It had no effects and left the state as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub struct Fault {
    /// What kind.
    pub code: Code,
    /// What failed, with numbers.
    pub what: String,
    /// Whether the host ended the turn (fuel, stack), at a point that is its own measure. A replay takes
    /// such an outcome from the record.
    pub ended: bool,
}

impl Fault {
    /// A fault of this kind.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            ended: false,
        }
    }

    /// The host ended the turn: it took more fuel or stack than there was for it.
    pub fn ended(what: impl Into<String>) -> Self {
        Self {
            code: Code::TooLarge,
            what: what.into(),
            ended: true,
        }
    }

    /// The turn cannot make sense of its message.
    pub fn malformed(what: impl Into<String>) -> Self {
        Self::new(Code::Malformed, what)
    }
}

impl From<Refusal> for Fault {
    fn from(why: Refusal) -> Self {
        Self::new(why.code, why.what)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(fault.code, fault.what)
    }
}

/// Code written in Rust, trusted, and named by [`Behaviour::NAME`] and [`Behaviour::VERSION`].
///
/// The host clones the value before each turn and puts the clone back if the turn fails or panics: keep
/// what is cloned small, or cheap to clone.
pub trait Behaviour: Clone + Send + Serialize + DeserializeOwned + 'static {
    /// The name: `echo`.
    const NAME: &'static str;
    /// The version; another version is another digest.
    const VERSION: u32 = 1;
    /// The channels it answers, beside `main`.
    const GIVES: &'static [Channel] = &[Channel::MAIN];
    /// The channels it calls, the medium's among them.
    const NEEDS: &'static [Channel] = &[];

    /// A new one, from its argument.
    ///
    /// # Errors
    /// [`Fault`] if the argument makes no sense.
    fn born(argument: &[u8]) -> Result<Self, Fault>;

    /// Handles one message: changes only `self`, says everything else in `effects`.
    ///
    /// # Errors
    /// [`Fault`]: the turn never happened.
    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault>;

    /// Tests itself, on a copy of its state: what `try` and `internalize` ask.
    ///
    /// # Errors
    /// [`Fault`] if it would not do its work.
    fn test(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether it answers a channel. Whoever says more here than [`Behaviour::GIVES`] answers those others that no
    /// part of its body gives.
    fn answers(&self, channel: Channel) -> bool {
        Self::GIVES.contains(&channel)
    }
}

/// What a cell drives, whatever it is written in.
pub trait Program: Send {
    /// Handles one message. On an error, a panic inside included, the state is as it was before.
    ///
    /// # Errors
    /// [`Fault`].
    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault>;

    /// Whether it answers a channel.
    fn gives(&self, channel: Channel) -> bool;

    /// Appends the state, to be given to [`NativeKind::load`] later.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be written or is larger than [`STATE_BYTES_MAX`].
    fn save(&self, into: &mut Vec<u8>) -> Result<(), Fault>;

    /// Tests itself, on a copy of its state.
    ///
    /// # Errors
    /// [`Fault`] if it would not do its work.
    fn test(&self) -> Result<(), Fault>;
}

#[derive(Clone)]
struct Native<B>(B);

impl<B: Behaviour> Program for Native<B> {
    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let before = self.0.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.0.turn(letter, effects)));
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => {
                self.0 = before;
                Err(fault)
            }
            Err(payload) => {
                self.0 = before;
                let said = payload
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("no message");
                Err(Fault::new(
                    Code::Fault,
                    format!("{} panicked: {said}", B::NAME),
                ))
            }
        }
    }

    fn gives(&self, channel: Channel) -> bool {
        self.0.answers(channel)
    }

    fn save(&self, into: &mut Vec<u8>) -> Result<(), Fault> {
        let start = into.len();
        into.push(STATE_VERSION);
        wire::encode_into(into, &self.0)
            .map_err(|error| Fault::new(Code::TooLarge, error.to_string()))?;
        let size = into.len() - start;
        if size > STATE_BYTES_MAX {
            return Err(Fault::new(
                Code::TooLarge,
                format!(
                    "the state of {} has {size} bytes, at most {STATE_BYTES_MAX} are kept",
                    B::NAME
                ),
            ));
        }
        Ok(())
    }

    fn test(&self) -> Result<(), Fault> {
        let copy = self.0.clone();
        match catch_unwind(AssertUnwindSafe(|| copy.test())) {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::new(
                Code::Fault,
                format!("the test of {} panicked", B::NAME),
            )),
        }
    }
}

/// The version byte of a native's saved state.
const STATE_VERSION: u8 = 1;

/// Makes a program from an argument or a saved state.
type MakeProgram = fn(&[u8]) -> Result<Box<dyn Program>, Fault>;

/// One native behaviour, as the registry knows it.
#[derive(Clone, Copy)]
pub struct NativeKind {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// The channels it answers.
    pub gives: &'static [Channel],
    /// The channels it calls.
    pub needs: &'static [Channel],
    born: MakeProgram,
    load: MakeProgram,
}

impl fmt::Debug for NativeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

impl NativeKind {
    /// The registry's entry of a behaviour.
    pub const fn of<B: Behaviour>() -> Self {
        Self {
            name: B::NAME,
            version: B::VERSION,
            gives: B::GIVES,
            needs: B::NEEDS,
            born: |argument| Ok(Box::new(Native(B::born(argument)?))),
            load: |state| {
                wire::decode::<B>(STATE_VERSION, state)
                    .map(|value| Box::new(Native(value)) as Box<dyn Program>)
                    .map_err(|error| {
                        Fault::new(Code::Corrupt, format!("the state of {}: {error}", B::NAME))
                    })
            },
        }
    }

    /// The digest it is named by.
    pub fn digest(&self) -> Digest {
        native_digest(self.name, self.version)
    }

    /// Its links, as a part of a body.
    pub fn channels(&self) -> Vec<(Channel, Polarity)> {
        let needs = self.needs.iter().map(|&channel| (channel, Polarity::Needs));
        let gives = self.gives.iter().map(|&channel| (channel, Polarity::Gives));
        let mut channels: Vec<_> = needs.chain(gives).collect();
        channels.sort_unstable();
        channels
    }

    /// A new one, from its argument.
    ///
    /// # Errors
    /// [`Fault`] if the argument makes no sense.
    pub fn born(&self, argument: &[u8]) -> Result<Box<dyn Program>, Fault> {
        (self.born)(argument)
    }

    /// One that goes on from a saved state.
    ///
    /// # Errors
    /// [`Fault`] if the state is damaged.
    pub fn load(&self, state: &[u8]) -> Result<Box<dyn Program>, Fault> {
        (self.load)(state)
    }
}

/// The native behaviours a runtime knows: a value, so that two runtimes may know different ones.
#[derive(Clone, Debug, Default)]
pub struct Natives {
    kinds: Vec<NativeKind>,
}

impl Natives {
    /// No behaviours.
    pub fn new() -> Self {
        Self::default()
    }

    /// These and one more.
    #[must_use]
    pub fn with<B: Behaviour>(mut self) -> Self {
        let kind = NativeKind::of::<B>();
        self.kinds
            .retain(|known| (known.name, known.version) != (kind.name, kind.version));
        self.kinds.push(kind);
        self.kinds.sort_by_key(|kind| (kind.name, kind.version));
        self
    }

    /// The behaviour of this name, in this version or, for none, its newest.
    pub fn get(&self, name: &str, version: Option<u32>) -> Option<NativeKind> {
        self.kinds
            .iter()
            .rev()
            .find(|kind| kind.name == name && version.is_none_or(|wanted| wanted == kind.version))
            .copied()
    }

    /// The place of a behaviour in this registry: short, and meaningful for this registry only.
    pub(crate) fn index_of(&self, name: &str, version: Option<u32>) -> Option<u16> {
        let wanted = self.get(name, version)?;
        let at = self
            .kinds
            .iter()
            .position(|kind| (kind.name, kind.version) == (wanted.name, wanted.version))?;
        u16::try_from(at).ok()
    }

    /// The behaviour at a place.
    pub(crate) fn at(&self, index: u16) -> Option<NativeKind> {
        self.kinds.get(usize::from(index)).copied()
    }

    /// Every behaviour, by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &NativeKind> {
        self.kinds.iter()
    }
}
