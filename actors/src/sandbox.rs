//! The port to code that is not trusted: modules that were read, and bodies made of them.
//!
//! What a module is, and what it may call, is `genesis/PROTOCOL.md`, *ABI*. Who implements this keeps the
//! engine to itself; what a VC can observe of it is decided here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use genesis::body::Link;
use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::refusal::Refusal;

use crate::behaviour::Fault;

/// What a module says of itself by its imports and exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleFacts {
    /// Its digest: plain blake3 of its bytes.
    pub digest: Digest,
    /// Its length in bytes.
    pub bytes: u64,
    /// The channels it needs and gives, those of the medium included; sorted. Not `contents/read`.
    pub links: Vec<Link>,
    /// Whether it can test contents (`vc_test`).
    pub tests: bool,
    /// Whether it can take contents apart (`vc_decode`).
    pub decodes: bool,
    /// Whether it needs more than one page, and with it its whole body the large engine.
    pub large: bool,
}

/// One part of a body, as code is made of it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Under which number it occurs in its body.
    pub occurrence: u64,
    /// The digest of the part; the lowest by (digest, occurrence) gives a channel.
    pub digest: Digest,
    /// Its module; must have been admitted.
    pub module: Digest,
    /// What it begins with, if it begins.
    pub argument: Bytes,
    /// From what it goes on.
    pub from: Source,
}

/// From what a part goes on.
#[derive(Clone, Debug)]
pub enum Source {
    /// It begins: `vc_born`.
    Birth,
    /// An image of its memory, made by [`Capsule::image`] of the same module.
    Image(Bytes),
    /// What another version saved: [`Capsule::save`], given to `vc_load`. It has not begun.
    Save(Bytes),
}

/// What the code of a body calls that no part of it gives: the medium's channels, natives, VCs nested in it.
pub trait Givers {
    /// Answers a call, or ends the turn.
    ///
    /// # Errors
    /// [`Fault`]: the turn ends with it.
    fn give(&mut self, channel: Channel, request: &[u8], answer: &mut Vec<u8>)
    -> Result<(), Fault>;
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// The fuel it took, whether it succeeded or not.
    pub fuel: u64,
    /// Whether it answered; the answer is in the buffer that was given.
    pub outcome: Result<bool, Fault>,
}

/// The sandboxed code of one body: its instances, wired to one another.
///
/// After a fault it is not to be called again: its memories are as the fault left them.
pub trait Capsule: Send {
    /// Whether a part gives this channel.
    fn gives(&self, channel: Channel) -> bool;

    /// Calls the active giver of a channel with at most `fuel_max` fuel, and writes what it answers to
    /// `answer`, which is empty.
    fn call(
        &mut self,
        channel: Channel,
        input: &[u8],
        fuel_max: u64,
        givers: &mut dyn Givers,
        answer: &mut Vec<u8>,
    ) -> Called;

    /// The memory of a part, so that the same module can go on from it: pages that are not zero, globals.
    ///
    /// # Errors
    /// [`Fault`] if there is no such part, or the image is larger than is kept.
    fn image(&mut self, occurrence: u64) -> Result<Vec<u8>, Fault>;

    /// What a part saves for another version of itself (`vc_save`).
    ///
    /// # Errors
    /// [`Fault`] if there is no such part, or it fails.
    fn save(&mut self, occurrence: u64, fuel_max: u64) -> Result<Vec<u8>, Fault>;

    /// Lets a part test contents (`vc_test`); gives the fuel it took and the scores as text, unread. Its
    /// memory may change: only on a capsule that is thrown away.
    fn test(
        &mut self,
        occurrence: u64,
        contents: &[u8],
        fuel_max: u64,
    ) -> (u64, Result<String, Fault>);

    /// Whether it occupies an instance of the large engine.
    fn is_large(&self) -> bool;
}

/// An engine that runs sandboxed code. One for all workers.
pub trait Sandbox: fmt::Debug + Send + Sync {
    /// Reads a module, refuses it or compiles it; once for each digest. Slow, and for the first time only.
    ///
    /// # Errors
    /// [`Refusal`]: `malformed` or `too-large`, with what is wrong by name and number.
    fn admit(&self, module: &Bytes) -> Result<Arc<ModuleFacts>, Refusal>;

    /// What is known of a module that was admitted.
    fn facts(&self, module: Digest) -> Option<Arc<ModuleFacts>>;

    /// Makes the code of a body. All pieces begin or go on, or none is left.
    ///
    /// # Errors
    /// [`Fault`]: `unknown` if a module was not admitted, `busy` if there is no room for another instance,
    /// or what a part says at its birth, or against the state it should take over.
    fn assemble(&self, pieces: &[Piece], fuel_max: u64) -> Result<Box<dyn Capsule>, Fault>;

    /// Ends whatever is running now with `cancelled`: the operator's stop. Whoever did not want that calls
    /// again; nothing has happened.
    fn interrupt(&self);

    /// How many parts can be live at a time; of the large engine, or of the small.
    fn instances_max(&self, large: bool) -> usize;

    /// What engine this is: name and version, for `doctor` and for caches.
    fn engine(&self) -> &str;
}
