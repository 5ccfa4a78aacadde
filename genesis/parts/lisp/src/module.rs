//! The module: the part's exports and the medium behind its channels.

use crate::Lisp;
use crate::part::{Answer, Channel};
use crate::vc::{self, Contact, Context, Scores, Slab, Slot, guest};
use crate::world::World;

/// Words that the slab may have: one page less the module's own data, or 256 pages.
const CAPACITY: usize = if cfg!(feature = "large") {
    256 * 16384
} else {
    0
};
/// The longest answer of a channel of the medium.
const ANSWER_BYTES: usize = 256;

static LISP: Slot<Option<Lisp>> = Slot::new(None);
/// What the medium answers during a turn; messages lie in the slab.
static ANSWERS: vc::Arena<ANSWER_BYTES> = vc::Arena::new();
static SCORES: Slot<Option<Scores<400>>> = Slot::new(None);

fn with<R>(f: impl FnOnce(&mut Lisp) -> R) -> R {
    LISP.with(|lisp| {
        f(lisp.get_or_insert_with(|| {
            let slab = Slab::rest_of_memory();
            let words = slab.words().len();
            let outside = slab.address() / 4;
            let capacity = if CAPACITY == 0 {
                words
            } else {
                CAPACITY - outside
            };
            Lisp::new(slab, capacity)
        }))
    })
}

/// The medium itself.
struct Medium;

impl World for Medium {
    fn context(&mut self) -> Context {
        ANSWERS.clear();
        guest::context()
    }
    fn named(&mut self, name: &[u8]) -> Option<Contact> {
        ANSWERS.clear();
        guest::named(name)
    }
    fn keep(&mut self, contact: Contact) -> Contact {
        ANSWERS.clear();
        guest::keep(contact)
    }
    fn id(&mut self, contact: Contact) -> [u8; 32] {
        ANSWERS.clear();
        guest::id(contact)
    }
    fn random(&mut self) -> u64 {
        ANSWERS.clear();
        guest::random()
    }
    fn send(&mut self, request: &[u8]) -> u64 {
        ANSWERS.clear();
        guest::send_laid_out(request)
    }
    fn forward(&mut self, contact: Contact) -> u64 {
        ANSWERS.clear();
        guest::forward(contact)
    }
    fn hand(&mut self, sequence: u64, contact: Contact) {
        ANSWERS.clear();
        guest::hand(sequence, contact);
    }
    fn emit(&mut self, text: &[u8]) {
        ANSWERS.clear();
        guest::emit(text);
    }
    fn after(&mut self, delay_ms: u64, tag: u64) {
        ANSWERS.clear();
        guest::after(delay_ms, tag);
    }
    fn spawn(&mut self, request: &[u8]) -> Contact {
        ANSWERS.clear();
        guest::spawn_laid_out(request)
    }
    fn fork(&mut self) -> Contact {
        ANSWERS.clear();
        guest::fork(vc::ALL, vc::ALL, vc::ALL)
    }
    fn stop(&mut self) {
        ANSWERS.clear();
        guest::stop();
    }
    fn read(&mut self, offset: u64, into: &mut [u8]) -> usize {
        ANSWERS.clear();
        let bytes = guest::read(offset, into.len().min(ANSWER_BYTES) as u32);
        let len = bytes.len().min(into.len());
        into[..len].copy_from_slice(&bytes[..len]);
        len
    }
}

fn turn(channel: Channel) -> u64 {
    with(|lisp| match lisp.turn(channel, &mut Medium) {
        Answer::Nothing => vc::NONE,
        Answer::Text(text) => vc::reply(lisp.answer_bytes(text)),
        Answer::Failure(Some(text)) => guest::fail_with(lisp.answer_bytes(text)),
        Answer::Failure(None) => guest::fail_with(b"out of memory"),
    })
}

macro_rules! turns {
    ($($name:literal => $channel:ident),* $(,)?) => {$(
        vc::export! { $name => fn(_ptr: u32, _len: u32) -> u64 { turn(Channel::$channel) } }
    )*};
}

turns! {
    "channel/main" => Main,
    "channel/text/eval" => Eval,
    "channel/ask" => Ask,
    "channel/report" => Report,
    "channel/event" => Event,
    "channel/reply" => Reply,
    "channel/medium/timer" => Timer,
    "channel/medium/down" => Down,
    "channel/medium/start" => Start,
}

vc::export! {
    "vc_abi" => fn() -> i32 { vc::ABI }
    "vc_alloc" => fn(len: u32) -> u32 {
        if LISP.is_busy() {
            return ANSWERS.take(len as usize) as usize as u32;
        }
        with(|lisp| {
            let place = lisp.message_place(len as usize);
            place.map_or(0, |place| (lisp.slab_address() + place) as u32)
        })
    }
    "vc_done" => fn() -> () {
        ANSWERS.clear();
        with(Lisp::end_turn);
    }
    "vc_born" => fn(_ptr: u32, _len: u32) -> i32 {
        with(Lisp::born);
        0
    }
    "vc_test" => fn(_ptr: u32, _len: u32) -> u64 {
        with(|lisp| {
            let scores = match lisp.test() {
                Ok(forms) => {
                    let mut scores = Scores::new(Ok(()));
                    scores.line("forms", forms);
                    scores
                }
                Err(why) => Scores::new(Err(lisp.answer_bytes(why))),
            };
            SCORES.with(|slot| vc::reply(slot.insert(scores).as_bytes()))
        })
    }
    "vc_save" => fn() -> u64 {
        with(|lisp| {
            let len = lisp.save();
            vc::reply(lisp.saved_bytes(len))
        })
    }
    "vc_load" => fn(_ptr: u32, _len: u32) -> i32 {
        i32::from(!with(Lisp::load))
    }
}

vc::panics!();
