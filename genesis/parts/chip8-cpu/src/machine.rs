//! A frame of the machine, and its instructions.
//!
//! Instructions: the table of the Cosmac VIP, with what differs between machines ([`Quirks`]) asked of the
//! cartridge in every frame. A flag is written after the result, operands are read before either.

use crate::bus::{
    Bus, Cartridge, MEMORY_BYTES, PROGRAM, Pad, Picture, Quirks, ROM_BYTES_MAX, ROWS_MAX,
};
use crate::state::{Halt, STACK_MAX, State};

/// Where the glyphs of 0 to F are, 5 bytes each.
pub const FONT_AT: u16 = 0x050;

/// The glyphs: 4x5 pixels, in the upper half of each byte.
pub const FONT: [u8; 80] = [
    0xf0, 0x90, 0x90, 0x90, 0xf0, 0x20, 0x60, 0x20, 0x20, 0x70, 0xf0, 0x10, 0xf0, 0x80, 0xf0, 0xf0,
    0x10, 0xf0, 0x10, 0xf0, 0x90, 0x90, 0xf0, 0x10, 0x10, 0xf0, 0x80, 0xf0, 0x10, 0xf0, 0xf0, 0x80,
    0xf0, 0x90, 0xf0, 0xf0, 0x10, 0x20, 0x40, 0x40, 0xf0, 0x90, 0xf0, 0x90, 0xf0, 0xf0, 0x90, 0xf0,
    0x10, 0xf0, 0xf0, 0x90, 0xf0, 0x90, 0x90, 0xe0, 0x90, 0xe0, 0x90, 0xe0, 0xf0, 0x80, 0x80, 0x80,
    0xf0, 0xe0, 0x90, 0x90, 0x90, 0xe0, 0xf0, 0x80, 0xf0, 0x80, 0xf0, 0xf0, 0x80, 0xf0, 0x80, 0x80,
];

/// Bytes that are asked of the memory at once.
const LINE_BYTES: usize = 64;

/// What is known of the memory in this frame. A line is asked for when it is first needed, and what is
/// written goes to both, so a program that changes itself is read as it is then.
#[derive(Debug)]
struct Lines {
    bytes: [u8; MEMORY_BYTES],
    /// One bit for each line.
    known: u64,
}

impl Lines {
    #[inline]
    fn byte(&mut self, address: u16, bus: &mut impl Bus) -> u8 {
        let at = usize::from(address) % MEMORY_BYTES;
        if self.known >> (at / LINE_BYTES) & 1 == 0 {
            self.ask(at / LINE_BYTES, bus);
        }
        self.bytes[at]
    }

    /// The rows of a sprite; how many of them are meant is another matter.
    fn rows(&mut self, address: u16, bus: &mut impl Bus) -> [u8; ROWS_MAX] {
        let at = usize::from(address) % MEMORY_BYTES;
        let last = address.wrapping_add(ROWS_MAX as u16 - 1);
        self.byte(address, bus);
        self.byte(last, bus);
        let mut rows = [0; ROWS_MAX];
        if let Some(piece) = self.bytes.get(at..at + ROWS_MAX) {
            rows.copy_from_slice(piece);
        } else {
            for (offset, row) in rows.iter_mut().enumerate() {
                *row = self.bytes[(at + offset) % MEMORY_BYTES];
            }
        }
        rows
    }

    #[inline(never)]
    fn ask(&mut self, line: usize, bus: &mut impl Bus) {
        self.known |= 1 << line;
        let from = line * LINE_BYTES;
        bus.read(from as u16, &mut self.bytes[from..from + LINE_BYTES]);
    }

    fn write(&mut self, address: u16, bytes: &[u8], bus: &mut impl Bus) {
        bus.write(address & 0xfff, bytes);
        // A line that is not known may be written too: it is read before it is believed.
        for (offset, &byte) in bytes.iter().enumerate() {
            self.bytes[(usize::from(address) + offset) % MEMORY_BYTES] = byte;
        }
    }
}

/// The processor.
#[derive(Debug)]
pub struct Machine {
    /// What it keeps.
    pub state: State,
    lines: Lines,
}

/// What is the same for all instructions of a frame, but for the timers.
#[derive(Clone, Copy, Debug)]
struct Frame {
    quirks: Quirks,
    pad: Pad,
}

/// How a frame goes on after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Next,
    /// Nothing more can happen in this frame.
    EndOfFrame,
    Halt(Halt),
}

impl Default for Machine {
    fn default() -> Self {
        Self::new(State::NEW)
    }
}

impl Machine {
    /// A processor in some state.
    pub const fn new(state: State) -> Self {
        let lines = Lines {
            bytes: [0; MEMORY_BYTES],
            known: 0,
        };
        Self { state, lines }
    }

    /// Loads the program of the cartridge that is in and begins it: all of the memory is written.
    pub fn reset(&mut self, bus: &mut impl Bus) -> Cartridge {
        let cartridge = bus.cartridge();
        self.load(cartridge, bus);
        cartridge
    }

    fn load(&mut self, cartridge: Cartridge, bus: &mut impl Bus) {
        self.state = State {
            pc: PROGRAM,
            loaded: Some(cartridge.rom),
            ..State::NEW
        };
        bus.power_on();
        self.lines.bytes.fill(0);
        let font = usize::from(FONT_AT);
        self.lines.bytes[font..font + FONT.len()].copy_from_slice(&FONT);
        let program = usize::from(PROGRAM);
        let len = usize::from(cartridge.rom.bytes).min(ROM_BYTES_MAX);
        bus.rom(0, &mut self.lines.bytes[program..program + len]);
        bus.write(0, &self.lines.bytes);
        self.lines.known = u64::MAX;
    }

    /// Runs a frame of 1/60 s. Another program in the cartridge is loaded first; other flags for the same
    /// program hold from this frame on.
    pub fn frame(&mut self, keys: u16, bus: &mut impl Bus) -> Picture {
        let cartridge = bus.cartridge();
        self.lines.known = 0;
        if self.state.loaded != Some(cartridge.rom) {
            self.load(cartridge, bus);
        }
        let mut frame = Frame {
            quirks: cartridge.quirks,
            pad: bus.open(keys),
        };
        if self.state.halt.is_none() {
            for _ in 0..cartridge.ticks {
                match self.step(&mut frame, bus) {
                    Step::Next => {}
                    Step::EndOfFrame => break,
                    Step::Halt(why) => {
                        self.state.halt = Some(why);
                        break;
                    }
                }
            }
        }
        bus.close(frame.pad.delay, frame.pad.sound)
    }

    /// One instruction.
    fn step(&mut self, frame: &mut Frame, bus: &mut impl Bus) -> Step {
        let Self { state: s, lines } = self;
        let at = s.pc & 0xfff;
        let high = lines.byte(at, bus);
        let low = lines.byte(at.wrapping_add(1), bus);
        let word = u16::from_be_bytes([high, low]);
        let (nnn, n) = (word & 0xfff, low & 15);
        let (x, y) = (usize::from(high & 15), usize::from(low >> 4));
        let (vx, vy) = (s.v[x], s.v[y]);
        s.pc = at.wrapping_add(2) & 0xfff;
        // One jump for the first digit, one for the last: most of what a frame takes is spent here.
        match high >> 4 {
            0x0 => match word {
                0x00e0 => bus.clear(),
                0x00ee => {
                    let Some(depth) = s.depth.checked_sub(1) else {
                        return s.halt_at(at, Halt::StackUnderflow);
                    };
                    s.depth = depth;
                    s.pc = s.stack[usize::from(depth) % STACK_MAX];
                }
                _ => return s.halt_at(at, Halt::UnknownInstruction),
            },
            0x1 => {
                s.pc = nnn;
                if nnn == at {
                    // It waits for the end of time; the next frame is soon enough.
                    return Step::EndOfFrame;
                }
            }
            0x2 => {
                let Some(place) = s.stack.get_mut(usize::from(s.depth)) else {
                    return s.halt_at(at, Halt::StackOverflow);
                };
                *place = s.pc;
                s.depth += 1;
                s.pc = nnn;
            }
            0x3 => s.skip_if(vx == low),
            0x4 => s.skip_if(vx != low),
            0x5 if n == 0 => s.skip_if(vx == vy),
            0x6 => s.v[x] = low,
            0x7 => s.v[x] = vx.wrapping_add(low),
            0x8 => {
                let by = if frame.quirks.has(Quirks::SHIFT) {
                    vx
                } else {
                    vy
                };
                let (value, flag) = match n {
                    0x0 => (vy, false),
                    0x1 => (vx | vy, false),
                    0x2 => (vx & vy, false),
                    0x3 => (vx ^ vy, false),
                    0x4 => vx.overflowing_add(vy),
                    0x5 => (vx.wrapping_sub(vy), vx >= vy),
                    0x6 => (by >> 1, by & 1 != 0),
                    0x7 => (vy.wrapping_sub(vx), vy >= vx),
                    0xe => (by << 1, by & 0x80 != 0),
                    _ => return s.halt_at(at, Halt::UnknownInstruction),
                };
                s.v[x] = value;
                if n > 3 || n > 0 && frame.quirks.has(Quirks::LOGIC) {
                    s.v[15] = u8::from(flag);
                }
            }
            0x9 if n == 0 => s.skip_if(vx != vy),
            0xa => s.i = nnn,
            0xb => {
                let by = if frame.quirks.has(Quirks::JUMP) {
                    vx
                } else {
                    s.v[0]
                };
                s.pc = nnn.wrapping_add(u16::from(by)) & 0xfff;
            }
            0xc => s.v[x] = bus.random() & low,
            0xd => {
                let rows = lines.rows(s.i, bus);
                // Without rows nothing is drawn, and an empty drawing would mean something else.
                let len = usize::from(n);
                let clip = frame.quirks.has(Quirks::CLIP);
                let hit = len != 0 && bus.draw(vx, vy, clip, &rows, len);
                s.v[15] = u8::from(hit);
                if frame.quirks.has(Quirks::V_BLANK) {
                    return Step::EndOfFrame;
                }
            }
            0xe if low == 0x9e => s.skip_if(frame.pad.keys >> (vx & 15) & 1 == 1),
            0xe if low == 0xa1 => s.skip_if(frame.pad.keys >> (vx & 15) & 1 == 0),
            0xf => return self.step_f(low, x, frame, bus, at),
            _ => return s.halt_at(at, Halt::UnknownInstruction),
        }
        Step::Next
    }

    /// The instructions `Fx..`, of which `PC` is past already.
    fn step_f(
        &mut self,
        low: u8,
        x: usize,
        frame: &mut Frame,
        bus: &mut impl Bus,
        at: u16,
    ) -> Step {
        let Self { state: s, lines } = self;
        let vx = s.v[x];
        match low {
            0x07 => s.v[x] = frame.pad.delay,
            0x0a => match s.held {
                Some(key) if frame.pad.keys >> key & 1 == 0 => {
                    s.held = None;
                    s.v[x] = key;
                }
                held => {
                    // Keys change between frames only.
                    let down = frame.pad.keys;
                    s.held = held.or((down != 0).then_some(down.trailing_zeros() as u8));
                    s.pc = at;
                    return Step::EndOfFrame;
                }
            },
            0x15 => frame.pad.delay = vx,
            0x18 => frame.pad.sound = vx,
            0x1e => s.i = s.i.wrapping_add(u16::from(vx)),
            0x29 => s.i = FONT_AT + 5 * u16::from(vx & 15),
            0x33 => lines.write(s.i, &[vx / 100, vx / 10 % 10, vx % 10], bus),
            0x55 | 0x65 => {
                let registers = &mut s.v[..=x];
                if low == 0x55 {
                    lines.write(s.i, registers, bus);
                } else {
                    let mut address = s.i;
                    for register in registers {
                        *register = lines.byte(address, bus);
                        address = address.wrapping_add(1);
                    }
                }
                if !frame.quirks.has(Quirks::LOAD_STORE) {
                    s.i = s.i.wrapping_add(x as u16 + 1);
                }
            }
            _ => return s.halt_at(at, Halt::UnknownInstruction),
        }
        Step::Next
    }
}

impl State {
    fn skip_if(&mut self, condition: bool) {
        if condition {
            self.pc = self.pc.wrapping_add(2) & 0xfff;
        }
    }

    fn halt_at(&mut self, at: u16, why: Halt) -> Step {
        self.pc = at;
        Step::Halt(why)
    }
}
