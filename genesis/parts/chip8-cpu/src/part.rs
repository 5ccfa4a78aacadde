//! What makes a part of the processor: its exports, its memory, and its bus through the channels.
#![expect(
    unsafe_code,
    reason = "the boundary of a WebAssembly module: pointers in, pointers out"
)]

use core::cell::{Cell, UnsafeCell};

use crate::bus::{Bus, Cartridge, MEMORY_BYTES, Pad, Picture, Quirks, ROWS_MAX, Rom};
use crate::console::{Answer, command};
use crate::machine::Machine;
use crate::selftest;
use crate::state::{SAVE_BYTES, State};
use crate::text::Text;

/// Scratch of a turn: the message and, one after the other, what is answered to the processor.
const SCRATCH_BYTES: usize = 16 * 1024;

/// A value of the one thread that a part has.
struct Slot<T> {
    value: UnsafeCell<T>,
    is_lent: Cell<bool>,
}

// SAFETY: a part has one thread.
unsafe impl<T> Sync for Slot<T> {}

impl<T> Slot<T> {
    const fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            is_lent: Cell::new(false),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        if self.is_lent.replace(true) {
            fail();
        }
        // SAFETY: it was not lent, so there is no other reference, and it is lent until `f` is done.
        let result = f(unsafe { &mut *self.value.get() });
        self.is_lent.set(false);
        result
    }
}

struct Scratch {
    bytes: UnsafeCell<[u8; SCRATCH_BYTES]>,
    top: Cell<usize>,
}

// SAFETY: a part has one thread.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch {
    bytes: UnsafeCell::new([0; SCRATCH_BYTES]),
    top: Cell::new(0),
};
static MACHINE: Slot<Machine> = Slot::new(Machine::new(State::NEW));
static ANSWER: Slot<Answer> = Slot::new(Answer::new());
static PICTURE: Slot<Picture> = Slot::new([0; 261]);
static SAVE: Slot<[u8; SAVE_BYTES]> = Slot::new([0; SAVE_BYTES]);
static SCORES: Slot<Text<128>> = Slot::new(Text::new());

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    fail()
}

/// Ends the turn: no effects, and the state before it.
fn fail() -> ! {
    core::arch::wasm32::unreachable()
}

/// An answer: where the bytes are and how many.
fn packed(bytes: &[u8]) -> u64 {
    (bytes.as_ptr() as usize as u64) << 32 | bytes.len() as u64
}

fn input(ptr: usize, len: usize) -> &'static [u8] {
    // SAFETY: the host wrote so many bytes to what `vc_alloc` answered, and calls `vc_done` when this call is
    // over. Nobody writes to scratch that was given out.
    unsafe { core::slice::from_raw_parts(ptr as *const u8, len) }
}

#[unsafe(export_name = "vc_abi")]
extern "C" fn vc_abi() -> i32 {
    1
}

#[unsafe(export_name = "vc_alloc")]
extern "C" fn vc_alloc(len: usize) -> usize {
    let at = SCRATCH.top.get();
    if len > SCRATCH_BYTES - at {
        return 0;
    }
    SCRATCH
        .top
        .set((at + len).next_multiple_of(8).min(SCRATCH_BYTES));
    SCRATCH.bytes.get() as usize + at
}

#[unsafe(export_name = "vc_done")]
extern "C" fn vc_done() {
    SCRATCH.top.set(0);
}

/// It takes no argument: the program comes from the cartridge.
#[unsafe(export_name = "vc_born")]
extern "C" fn vc_born(_: usize, len: usize) -> i32 {
    i32::from(len != 0)
}

#[unsafe(export_name = "vc_save")]
extern "C" fn vc_save() -> u64 {
    let saved = MACHINE.with(|machine| machine.state.save());
    SAVE.with(|save| {
        *save = saved;
        packed(save)
    })
}

#[unsafe(export_name = "vc_load")]
extern "C" fn vc_load(ptr: usize, len: usize) -> i32 {
    let Some(state) = State::load(input(ptr, len)) else {
        return 1;
    };
    MACHINE.with(|machine| machine.state = state);
    0
}

#[unsafe(export_name = "vc_test")]
extern "C" fn vc_test(_: usize, len: usize) -> u64 {
    SCORES.with(|scores| {
        scores.clear();
        match selftest::run() {
            _ if len != 0 => scores.put(b"ok 0 a processor takes no argument\n"),
            Ok(cases) => scores.put(b"ok 1\ncases ").put_number(cases).put(b"\n"),
            Err(case) => scores.put(b"ok 0 ").put(case.as_bytes()).put(b"\n"),
        };
        packed(scores.as_bytes())
    })
}

#[unsafe(export_name = "channel/main")]
extern "C" fn main(ptr: usize, len: usize) -> u64 {
    ANSWER.with(|answer| {
        MACHINE.with(|machine| command(input(ptr, len), machine, &mut Channels, answer));
        packed(answer.as_bytes())
    })
}

/// Keys u16 (none without them) -> a picture.
#[unsafe(export_name = "channel/console/frame")]
extern "C" fn console_frame(ptr: usize, len: usize) -> u64 {
    let keys = match *input(ptr, len) {
        [] => 0,
        [low, high] => u16::from_le_bytes([low, high]),
        _ => fail(),
    };
    PICTURE.with(|picture| {
        *picture = MACHINE.with(|machine| machine.frame(keys, &mut Channels));
        packed(picture)
    })
}

#[link(wasm_import_module = "channel")]
unsafe extern "C" {
    #[link_name = "mem/read"]
    fn mem_read(ptr: *const u8, len: usize) -> u64;
    #[link_name = "mem/write"]
    fn mem_write(ptr: *const u8, len: usize) -> u64;
    #[link_name = "io/draw"]
    fn io_draw(ptr: *const u8, len: usize) -> u64;
    #[link_name = "io/frame"]
    fn io_frame(ptr: *const u8, len: usize) -> u64;
    #[link_name = "cart/quirks"]
    fn cart_quirks(ptr: *const u8, len: usize) -> u64;
    #[link_name = "cart/rom"]
    fn cart_rom(ptr: *const u8, len: usize) -> u64;
    #[link_name = "medium/random"]
    fn medium_random(ptr: *const u8, len: usize) -> u64;
}

type Need = unsafe extern "C" fn(*const u8, usize) -> u64;

/// Calls a channel and reads the answer, which is dropped at once: a frame may make more calls than there is
/// scratch for their answers.
fn ask<R>(need: Need, request: &[u8], read: impl FnOnce(&[u8]) -> R) -> R {
    let top = SCRATCH.top.get();
    // SAFETY: the host reads `len` bytes at `ptr` and keeps neither.
    let answer = unsafe { need(request.as_ptr(), request.len()) };
    let read = read(input((answer >> 32) as usize, answer as u32 as usize));
    SCRATCH.top.set(top);
    read
}

/// What was answered, if it is as long as it should be; what is not ends the turn.
fn exactly<const N: usize>(answer: &[u8]) -> [u8; N] {
    answer.try_into().unwrap_or_else(|_| fail())
}

/// The other parts, through the channels of the body.
struct Channels;

impl Bus for Channels {
    fn read(&mut self, address: u16, into: &mut [u8]) {
        let [a, b] = address.to_le_bytes();
        let [c, d] = (into.len() as u16).to_le_bytes();
        ask(mem_read, &[a, b, c, d], |answer| {
            if answer.len() != into.len() {
                fail();
            }
            into.copy_from_slice(answer);
        });
    }

    fn write(&mut self, address: u16, bytes: &[u8]) {
        const FEW: usize = 16;
        const CHUNK: usize = 512;
        if bytes.len() <= FEW {
            let mut request = [0; FEW + 2];
            request[..2].copy_from_slice(&address.to_le_bytes());
            for (place, byte) in request[2..].iter_mut().zip(bytes) {
                *place = *byte;
            }
            ask(mem_write, &request[..2 + bytes.len()], |_| ());
            return;
        }
        // Once a program, all of the memory goes, in pieces.
        let mut request = [0; CHUNK + 2];
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            let address = (usize::from(address) + index * CHUNK) % MEMORY_BYTES;
            request[..2].copy_from_slice(&(address as u16).to_le_bytes());
            request[2..2 + chunk.len()].copy_from_slice(chunk);
            ask(mem_write, &request[..2 + chunk.len()], |_| ());
        }
    }

    fn draw(&mut self, x: u8, y: u8, clip: bool, rows: &[u8; ROWS_MAX], len: usize) -> bool {
        // All rows are copied, since a copy of a known length is a few instructions.
        let mut request = [0; ROWS_MAX + 3];
        request[..3].copy_from_slice(&[x, y, u8::from(clip)]);
        request[3..].copy_from_slice(rows);
        let [hit] = ask(io_draw, &request[..3 + len], exactly);
        hit != 0
    }

    fn clear(&mut self) {
        ask(io_draw, &[], |_| ());
    }

    fn power_on(&mut self) {
        ask(io_frame, &[3], |_| ());
    }

    fn open(&mut self, keys: u16) -> Pad {
        let [low, high] = keys.to_le_bytes();
        let [delay, sound, low, high] = ask(io_frame, &[0, low, high], exactly);
        Pad {
            delay,
            sound,
            keys: u16::from_le_bytes([low, high]),
        }
    }

    fn close(&mut self, delay: u8, sound: u8) -> Picture {
        ask(io_frame, &[1, delay, sound], exactly)
    }

    fn look(&mut self) -> Picture {
        ask(io_frame, &[2], exactly)
    }

    fn random(&mut self) -> u8 {
        let [byte, ..]: [u8; 8] = ask(medium_random, &[], exactly);
        byte
    }

    fn cartridge(&mut self) -> Cartridge {
        ask(cart_quirks, &[], |answer| {
            let Some((digest, rest)) = answer.split_first_chunk() else {
                fail();
            };
            let Some((&[a, b, c, d, flags, _], named)) = rest.split_first_chunk() else {
                fail();
            };
            let mut title = [0; 32];
            for (place, byte) in title.iter_mut().zip(named) {
                *place = *byte;
            }
            Cartridge {
                rom: Rom {
                    digest: u64::from_le_bytes(*digest),
                    bytes: u16::from_le_bytes([a, b]),
                },
                ticks: u16::from_le_bytes([c, d]),
                quirks: Quirks(flags),
                title,
            }
        })
    }

    fn rom(&mut self, offset: u16, into: &mut [u8]) {
        let [a, b] = offset.to_le_bytes();
        let [c, d] = (into.len() as u16).to_le_bytes();
        ask(cart_rom, &[a, b, c, d], |answer| {
            let len = answer.len().min(into.len());
            into[..len].copy_from_slice(&answer[..len]);
        });
    }
}
