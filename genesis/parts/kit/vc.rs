//! The guest kit: what a part written in Rust needs to speak `vc/1`, in one file without dependencies.
//!
//! Copy it beside your `lib.rs`, or include it with `#[path]`, and write:
//! ```text
//! #![cfg_attr(target_arch = "wasm32", no_std)]
//! #[macro_use]
//! #[path = "../../kit/vc.rs"]
//! pub mod vc;
//!
//! static TOTAL: vc::Slot<u64> = vc::Slot::new(0);
//!
//! fn add(message: &[u8]) -> u64 {
//!     TOTAL.with(|total| {
//!         *total += message.len() as u64;
//!         vc::emit(b"counted");
//!         vc::scratch(&total.to_le_bytes())
//!     })
//! }
//!
//! vc::channels! { "channel/main" => add }
//! vc::arena!(4096);
//! vc::panics!();
//! ```
//! and `vc_save` and `vc_load` (`vc::stateless!()` for a part that keeps nothing). What a part calls
//! becomes an import of its module, so only the functions that are used are shown as its needs.
//! Everything that touches memory is here; a part needs no `unsafe` of its own. (One file, though long,
//! so that a part has one thing to copy.)
#![expect(
    unsafe_code,
    reason = "the boundary of a WebAssembly module: pointers in, pointers out"
)]

use core::cell::{Cell, UnsafeCell};

/// The ABI's number, answered by `vc_abi`.
pub const ABI: i32 = 1;

/// The answer of a channel that has none: no reply is sent.
pub const NONE: u64 = 0;

/// A contact as the channels of the medium number it.
pub type Contact = u32;

/// The contact of whoever hosts this virtual computer.
pub const HOST: Contact = 0xFFFF_FFFE;
/// The contact of whoever sent this message, or whom it names for replies.
pub const SENDER: Contact = 0xFFFF_FFFF;
/// Added to `n`: the nth contact that this message hands over.
pub const CARRIED: Contact = 0x8000_0000;

/// For the budgets of `spawn` and `fork`: without end or, where there is an end, half of what is left.
pub const ALL: u64 = u64::MAX;

/// A value of the part that lives as long as its instance; two uses at a time are a bug of the part.
#[derive(Debug)]
pub struct Slot<T> {
    value: UnsafeCell<T>,
    busy: Cell<bool>,
}

// SAFETY: a part has one thread; natively a `Slot` is only made by tests, on one thread each.
unsafe impl<T> Sync for Slot<T> {}

impl<T> Slot<T> {
    /// A slot that holds `value`.
    pub const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            busy: Cell::new(false),
        }
    }

    /// Lends the value to `f`.
    ///
    /// # Panics
    /// If the value is lent already.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.busy.replace(true), "a slot is lent once at a time");
        // SAFETY: `busy` shows that no other reference exists, and it is cleared after the last use.
        let answer = f(unsafe { &mut *self.value.get() });
        self.busy.set(false);
        answer
    }

    /// Whether the value is lent: a call of the host during a call to the host.
    pub fn is_busy(&self) -> bool {
        self.busy.get()
    }
}

/// The answer of a channel: `bytes` where they lie. They must stay there until `vc_done`.
pub fn reply(bytes: &[u8]) -> u64 {
    ((bytes.as_ptr() as usize as u64) << 32) | bytes.len() as u64
}

/// Words as the bytes they are in memory (little-endian on every machine that builds parts).
pub const fn bytes_of(words: &[u32]) -> &[u8] {
    // SAFETY: every byte of a u32 is a valid u8, and the length is that of the same memory.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
}

/// Words as the bytes they are in memory, to be written.
pub const fn bytes_of_mut(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: every pattern of bytes is a valid u32, and the length is that of the same memory.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 4) }
}

/// A number of scores as a test answers them: `ok 1`, then `name value` lines, which must come sorted.
#[derive(Debug, Clone, Copy)]
pub struct Scores<const N: usize> {
    text: [u8; N],
    len: usize,
}

impl<const N: usize> Scores<N> {
    /// The first line: `ok 1`, or `ok 0` and why. What does not fit is cut.
    pub fn new(verdict: Result<(), &[u8]>) -> Self {
        let mut scores = Self {
            text: [0; N],
            len: 0,
        };
        match verdict {
            Ok(()) => scores.push(b"ok 1"),
            Err(why) => {
                scores.push(b"ok 0 ");
                let room = N.saturating_sub(scores.len + 1).min(why.len());
                for &byte in why.iter().take(room) {
                    scores.push(&[if byte == b'\n' { b' ' } else { byte }]);
                }
            }
        }
        scores.push(b"\n");
        scores
    }

    /// One more line; its name must come after the names before it.
    pub fn line(&mut self, name: &str, value: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(name.as_bytes());
        self.push(b" ");
        self.push(&digits[at..]);
        self.push(b"\n");
    }

    /// The lines so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.text.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }
}

/// Why a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody sent it.
    Tell,
    /// It answers a message of this VC.
    Reply,
    /// A message of this VC was not delivered, or not answered in time; the contents say why.
    Bounce,
    /// The medium says it: start, timer, down.
    Notice,
}

/// What the medium says about the message of this turn.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    bytes: [u8; 176],
}

impl Default for Context {
    fn default() -> Self {
        Self { bytes: [0; 176] }
    }
}

impl Context {
    /// Reads the answer of `medium/context`; what is missing is zero.
    pub fn new(answer: &[u8]) -> Self {
        let mut context = Self::default();
        for (place, byte) in context.bytes.iter_mut().zip(answer) {
            *place = *byte;
        }
        context
    }

    fn number<const N: usize>(&self, at: usize) -> u64 {
        self.bytes[at..at + N]
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    fn id(&self, at: usize) -> [u8; 32] {
        let mut id = [0; 32];
        id.copy_from_slice(&self.bytes[at..at + 32]);
        id
    }

    /// The time of the turn, in ms since 1970.
    pub fn now_ms(&self) -> u64 {
        self.number::<8>(0)
    }

    /// How many turns this VC took before.
    pub fn turn(&self) -> u64 {
        self.number::<8>(8)
    }

    /// Why the message came.
    pub fn kind(&self) -> Kind {
        match self.number::<4>(16) {
            1 => Kind::Reply,
            2 => Kind::Bounce,
            3 => Kind::Notice,
            _ => Kind::Tell,
        }
    }

    /// How many contacts are kept.
    pub fn kept(&self) -> u32 {
        self.number::<4>(20) as u32
    }

    /// How many contacts the message hands over.
    pub fn carried(&self) -> u32 {
        self.number::<4>(24) as u32
    }

    /// Whether the contents came as digest and length, to be read with `read`.
    pub fn by_reference(&self) -> bool {
        self.number::<4>(28) != 0
    }

    /// The sequence number of the message that this reply or bounce is about.
    pub fn answers(&self) -> u64 {
        self.number::<8>(32)
    }

    /// The length of the contents, in bytes.
    pub fn contents_len(&self) -> u64 {
        self.number::<8>(40)
    }

    /// Who sent the message.
    pub fn sender(&self) -> [u8; 32] {
        self.id(48)
    }

    /// This VC.
    pub fn own(&self) -> [u8; 32] {
        self.id(80)
    }

    /// Who hosts this VC.
    pub fn host(&self) -> [u8; 32] {
        self.id(112)
    }

    /// The channel of the message.
    pub fn channel(&self) -> &[u8] {
        let len = usize::from(self.bytes[144]).min(31);
        &self.bytes[145..145 + len]
    }
}

/// Gives channels: `"channel/main" => handler`, where a handler is `fn(&[u8]) -> u64` and answers
/// with [`NONE`], [`reply`] or [`scratch`].
#[allow(unused_macros, reason = "a part uses what it needs of the kit")]
macro_rules! channels {
    ($($name:literal => $handler:path),* $(,)?) => {$(
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[expect(unsafe_code, reason = "an export of the module, by the name the ABI gives it")]
            #[unsafe(export_name = $name)]
            extern "C" fn channel(ptr: u32, len: u32) -> u64 {
                $handler($crate::vc::guest::input(ptr, len))
            }
        };
    )*};
}

/// Exports `vc_abi`, `vc_alloc` and `vc_done` over an arena of so many bytes: the longest message
/// plus the answers of one turn's calls. Also makes [`scratch`] available.
#[allow(unused_macros, reason = "a part uses what it needs of the kit")]
macro_rules! arena {
    ($bytes:expr) => {
        const _: () = {
            static ARENA: $crate::vc::Arena<{ $bytes }> = $crate::vc::Arena::new();
            $crate::vc::export! {
                "vc_abi" => fn() -> i32 { $crate::vc::ABI }
                "vc_alloc" => fn(len: u32) -> u32 { ARENA.take(len as usize) as usize as u32 }
                "vc_done" => fn() -> () { ARENA.clear() }
                "vc_scratch" => fn(len: u32) -> u32 { ARENA.take(len as usize) as usize as u32 }
            }
        };
    };
}

/// Exports functions under the given names.
#[allow(unused_macros, reason = "a part uses what it needs of the kit")]
macro_rules! export {
    ($($name:literal => fn($($arg:ident: $type:ty),*) -> $answer:ty $body:block)*) => {$(
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            #[expect(unsafe_code, reason = "an export of the module, by the name the ABI gives it")]
            #[unsafe(export_name = $name)]
            extern "C" fn export($($arg: $type),*) -> $answer $body
        };
    )*};
}

/// Exports `vc_save` and `vc_load` of a part that keeps nothing between turns.
#[allow(unused_macros, reason = "a part uses what it needs of the kit")]
macro_rules! stateless {
    () => {
        $crate::vc::export! {
            "vc_save" => fn() -> u64 { $crate::vc::NONE }
            "vc_load" => fn(_ptr: u32, len: u32) -> i32 { i32::from(len != 0) }
        }
    };
}

/// The panic handler: a panic is a trap, which fails the turn.
#[allow(unused_macros, reason = "a part uses what it needs of the kit")]
macro_rules! panics {
    () => {
        #[cfg(target_arch = "wasm32")]
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            $crate::vc::fail()
        }
    };
}

#[allow(unused_imports, reason = "a part uses what it needs of the kit")]
pub(crate) use {arena, channels, export, panics, stateless};

/// A bump allocator over a fixed region, emptied after each turn.
#[derive(Debug)]
pub struct Arena<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    top: Cell<usize>,
}

// SAFETY: a part has one thread.
unsafe impl<const N: usize> Sync for Arena<N> {}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Arena<N> {
    /// An empty arena.
    pub const fn new() -> Self {
        Self {
            bytes: UnsafeCell::new([0; N]),
            top: Cell::new(0),
        }
    }

    /// The address of `len` bytes; null if they do not fit.
    pub fn take(&self, len: usize) -> *mut u8 {
        let at = self.top.get();
        if len > N - at {
            return core::ptr::null_mut();
        }
        self.top.set((at + len).next_multiple_of(8).min(N));
        // SAFETY: `at <= N`, so the address is in the region or one past it.
        unsafe { self.bytes.get().cast::<u8>().add(at) }
    }

    /// Drops everything.
    pub fn clear(&self) {
        self.top.set(0);
    }
}

#[cfg(target_arch = "wasm32")]
pub use guest::*;

/// What exists only inside a module: the memory, and the channels of the medium.
#[cfg(target_arch = "wasm32")]
pub mod guest {
    use super::{Contact, Context};

    #[link(wasm_import_module = "channel")]
    unsafe extern "C" {
        #[link_name = "medium/context"]
        fn medium_context(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/named"]
        fn medium_named(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/keep"]
        fn medium_keep(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/id"]
        fn medium_id(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/random"]
        fn medium_random(ptr: *const u8, len: usize) -> u64;
        #[link_name = "contents/read"]
        fn contents_read(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/send"]
        fn medium_send(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/forward"]
        fn medium_forward(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/hand"]
        fn medium_hand(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/emit"]
        fn medium_emit(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/after"]
        fn medium_after(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/spawn"]
        fn medium_spawn(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/fork"]
        fn medium_fork(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/internalize"]
        fn medium_internalize(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/strip"]
        fn medium_strip(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/watch"]
        fn medium_watch(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/stop"]
        fn medium_stop(ptr: *const u8, len: usize) -> u64;
        #[link_name = "medium/fail"]
        fn medium_fail(ptr: *const u8, len: usize) -> u64;
    }

    unsafe extern "C" {
        /// Laid by the linker behind the stack and the data.
        static __heap_base: u8;
    }

    type Import = unsafe extern "C" fn(*const u8, usize) -> u64;

    /// Ends the turn as a fault: no effects, and the state before it.
    pub fn fail() -> ! {
        core::arch::wasm32::unreachable()
    }

    /// The same, and says why: the text is in the log of the VC and in what is told to the sender.
    pub fn fail_with(why: &[u8]) -> ! {
        call(medium_fail, why);
        fail()
    }

    /// The bytes that the host laid at `ptr`.
    pub fn input(ptr: u32, len: u32) -> &'static [u8] {
        // SAFETY: the host passes what `vc_alloc` answered, and wrote `len` bytes there; they stay
        // until `vc_done`, which it calls after the channel's function has returned.
        unsafe { core::slice::from_raw_parts(ptr as usize as *const u8, len as usize) }
    }

    fn call(import: Import, request: &[u8]) -> &'static [u8] {
        // SAFETY: the host reads `len` bytes at `ptr` and keeps neither.
        let answer = unsafe { import(request.as_ptr(), request.len()) };
        input((answer >> 32) as u32, answer as u32)
    }

    fn number(answer: &[u8]) -> u64 {
        answer
            .iter()
            .rev()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }

    /// What the medium says about this message.
    pub fn context() -> Context {
        Context::new(call(medium_context, &[]))
    }

    /// The contact kept under a name.
    pub fn named(name: &[u8]) -> Option<Contact> {
        let answer = call(medium_named, name);
        (!answer.is_empty()).then(|| number(answer) as Contact)
    }

    /// Keeps a contact beyond this turn.
    pub fn keep(contact: Contact) -> Contact {
        number(call(medium_keep, &contact.to_le_bytes())) as Contact
    }

    /// Whom a contact leads to.
    pub fn id(contact: Contact) -> [u8; 32] {
        let mut id = [0; 32];
        for (place, byte) in id.iter_mut().zip(call(medium_id, &contact.to_le_bytes())) {
            *place = *byte;
        }
        id
    }

    /// A random number: a function of the seed, this VC and the draw.
    pub fn random() -> u64 {
        number(call(medium_random, &[]))
    }

    /// Some of the contents of this message.
    pub fn read(offset: u64, len: u32) -> &'static [u8] {
        let mut request = [0; 12];
        request[..8].copy_from_slice(&offset.to_le_bytes());
        request[8..].copy_from_slice(&len.to_le_bytes());
        call(contents_read, &request)
    }

    /// Sends a request that is laid out already: contact u32, deadline u32, channel length u8,
    /// channel, contents. Answers the sequence number.
    pub fn send_laid_out(request: &[u8]) -> u64 {
        number(call(medium_send, request))
    }

    /// Sends this message on; answers the sequence number.
    pub fn forward(contact: Contact) -> u64 {
        number(call(medium_forward, &contact.to_le_bytes()))
    }

    /// Hands a contact over with a message that this turn sent.
    pub fn hand(sequence: u64, contact: Contact) {
        let mut request = [0; 12];
        request[..8].copy_from_slice(&sequence.to_le_bytes());
        request[8..].copy_from_slice(&contact.to_le_bytes());
        call(medium_hand, &request);
    }

    /// Emits text as this VC's output.
    pub fn emit(text: &[u8]) {
        call(medium_emit, text);
    }

    /// Asks for a notice on `medium/timer` with this tag.
    pub fn after(delay_ms: u64, tag: u64) {
        let mut request = [0; 16];
        request[..8].copy_from_slice(&delay_ms.to_le_bytes());
        request[8..].copy_from_slice(&tag.to_le_bytes());
        call(medium_after, &request);
    }

    /// Spawns from a request that is laid out already: grants u16, fuel u64, messages u64,
    /// children u64, name length u8, name, argument.
    pub fn spawn_laid_out(request: &[u8]) -> Contact {
        number(call(medium_spawn, request)) as Contact
    }

    /// Makes a copy of this VC with the given budgets.
    pub fn fork(fuel: u64, messages: u64, children: u64) -> Contact {
        let mut request = [0; 24];
        request[..8].copy_from_slice(&fuel.to_le_bytes());
        request[8..16].copy_from_slice(&messages.to_le_bytes());
        request[16..].copy_from_slice(&children.to_le_bytes());
        number(call(medium_fork, &request)) as Contact
    }

    /// Takes an encoded part into this body.
    pub fn internalize(part: &[u8]) {
        call(medium_internalize, part);
    }

    /// Wraps a part of this body as a message and lets it go.
    pub fn strip(occurrence: u64) {
        call(medium_strip, &occurrence.to_le_bytes());
    }

    /// Asks to be told when a contact stops; with `link`, to stop with it.
    pub fn watch(contact: Contact, link: bool) {
        let mut request = [0; 5];
        request[..4].copy_from_slice(&contact.to_le_bytes());
        request[4] = u8::from(link);
        call(medium_watch, &request);
    }

    /// Stops this VC after the turn.
    pub fn stop() {
        call(medium_stop, &[]);
    }

    /// An answer made of a copy of `bytes` in the part's [`super::arena`].
    pub fn scratch(bytes: &[u8]) -> u64 {
        unsafe extern "C" {
            fn vc_scratch(len: u32) -> u32;
        }
        // SAFETY: `arena!` exports this function; it answers room for `len` bytes, or null.
        let place = unsafe { vc_scratch(bytes.len() as u32) } as usize as *mut u8;
        if place.is_null() {
            fail();
        }
        // SAFETY: `place` has room for them, and the arena gave it to nobody else.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        ((place as usize as u64) << 32) | bytes.len() as u64
    }

    /// All memory behind the module's own data, as words.
    #[derive(Debug)]
    pub struct Slab {
        base: *mut u32,
        words: usize,
    }

    impl Slab {
        /// The slab. Only one may exist.
        ///
        /// # Panics
        /// If it is called twice.
        pub fn rest_of_memory() -> Self {
            static TAKEN: super::Slot<bool> = super::Slot::new(false);
            assert!(
                !TAKEN.with(|taken| core::mem::replace(taken, true)),
                "one slab"
            );
            // The compiler must not learn that this is the address of a u8, behind which nothing is.
            let base = core::hint::black_box(&raw const __heap_base as usize).next_multiple_of(8);
            let end = core::arch::wasm32::memory_size::<0>() * 65536;
            Self {
                base: base as *mut u32,
                words: (end - base) / 4,
            }
        }

        /// The address of the first word.
        pub fn address(&self) -> usize {
            self.base as usize
        }

        /// The words.
        #[inline]
        pub fn words(&self) -> &[u32] {
            // SAFETY: from the heap's base to the memory's end lies nothing else, zeroed at first;
            // the borrow of `self` keeps writers away.
            unsafe { core::slice::from_raw_parts(self.base, self.words) }
        }

        /// The words, to be written.
        #[inline]
        pub fn words_mut(&mut self) -> &mut [u32] {
            // SAFETY: as in `words`; the exclusive borrow of `self` keeps everyone else away.
            unsafe { core::slice::from_raw_parts_mut(self.base, self.words) }
        }

        /// Makes the slab at least so many words long, if the memory may grow that far.
        pub fn grow(&mut self, words: usize) -> bool {
            if words > self.words {
                let missing = (words - self.words).div_ceil(16384);
                if core::arch::wasm32::memory_grow::<0>(missing) == usize::MAX {
                    return false;
                }
                self.words += missing * 16384;
            }
            true
        }
    }

    // SAFETY: a part has one thread.
    unsafe impl Send for Slab {}
}
