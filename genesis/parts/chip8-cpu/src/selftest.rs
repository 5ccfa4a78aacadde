//! A machine on a table: the processor with everything it needs in one place, and what it must be able to do.

use crate::bus::{Bus, Cartridge, MEMORY_BYTES, PROGRAM, Pad, Picture, Quirks, ROWS_MAX, Rom};
use crate::machine::{FONT, FONT_AT, Machine};
use crate::state::State;

/// A bus whose other end is all here. Nothing is drawn: what was asked to be drawn is kept.
#[derive(Debug)]
pub struct Table {
    /// The memory.
    pub memory: [u8; MEMORY_BYTES],
    /// The program, by instructions.
    pub program: &'static [u16],
    /// Instructions per frame.
    pub ticks: u16,
    /// How the program is run.
    pub quirks: Quirks,
    /// The timers, and the keys of the last frame.
    pub pad: Pad,
    /// What is said to collide.
    pub collides: bool,
    /// What was drawn last: x, y, clip, rows.
    pub drawn: (u8, u8, bool, usize),
    /// What the next random byte is.
    pub random: u8,
    /// How often the memory was asked.
    pub reads: u32,
}

impl Table {
    /// With a program of which a frame runs as many instructions as it has.
    pub const fn new(program: &'static [u16], quirks: Quirks) -> Self {
        Self {
            memory: [0; MEMORY_BYTES],
            program,
            ticks: program.len() as u16,
            quirks,
            pad: Pad {
                delay: 0,
                sound: 0,
                keys: 0,
            },
            collides: false,
            drawn: (0, 0, false, 0),
            random: 0xa5,
            reads: 0,
        }
    }
}

impl Bus for Table {
    fn read(&mut self, address: u16, into: &mut [u8]) {
        self.reads += 1;
        for (offset, byte) in into.iter_mut().enumerate() {
            *byte = self.memory[(usize::from(address) + offset) % MEMORY_BYTES];
        }
    }

    fn write(&mut self, address: u16, bytes: &[u8]) {
        for (offset, &byte) in bytes.iter().enumerate() {
            self.memory[(usize::from(address) + offset) % MEMORY_BYTES] = byte;
        }
    }

    fn draw(&mut self, x: u8, y: u8, clip: bool, _: &[u8; ROWS_MAX], len: usize) -> bool {
        self.drawn = (x, y, clip, len);
        self.collides
    }

    fn clear(&mut self) {
        self.drawn = (0, 0, false, 0);
    }

    fn power_on(&mut self) {
        self.pad = Pad::default();
    }

    fn open(&mut self, keys: u16) -> Pad {
        self.pad = Pad {
            delay: self.pad.delay.saturating_sub(1),
            sound: self.pad.sound.saturating_sub(1),
            keys,
        };
        self.pad
    }

    fn close(&mut self, delay: u8, sound: u8) -> Picture {
        self.pad.delay = delay;
        self.pad.sound = sound;
        self.look()
    }

    fn look(&mut self) -> Picture {
        [0; 261]
    }

    fn random(&mut self) -> u8 {
        self.random
    }

    fn cartridge(&mut self) -> Cartridge {
        let mut digest: u64 = 0;
        for &word in self.program {
            digest = digest.rotate_left(5) ^ u64::from(word);
        }
        Cartridge {
            rom: Rom {
                digest,
                bytes: 2 * self.program.len() as u16,
            },
            ticks: self.ticks,
            quirks: self.quirks,
            title: [0; 32],
        }
    }

    fn rom(&mut self, _: u16, into: &mut [u8]) {
        for (place, word) in into.chunks_exact_mut(2).zip(self.program) {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }
}

/// One thing that a program of at most a dozen instructions shows.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: &'static str,
    /// The program, run for as many instructions as it has.
    pub program: &'static [u16],
    /// How it is run.
    pub quirks: u8,
    /// Which register is looked at.
    pub register: usize,
    /// What must be in it.
    pub expected: u8,
}

const VIP: u8 = Quirks::VIP.0;

/// What the table of instructions says where machines are wrong most often: order of flag and result, the
/// flag's own register as an operand, and each quirk both ways.
#[rustfmt::skip] // a table
pub const CASES: &[Case] = &[
    case("add carries", &[0x60ff, 0x6102, 0x8014], VIP, 15, 1),
    case("add leaves the low byte", &[0x60ff, 0x6102, 0x8014], VIP, 0, 1),
    case("add resets the flag", &[0x6fff, 0x6001, 0x8014], VIP, 15, 0),
    case("the flag comes after the sum", &[0x6f05, 0x6003, 0x8f04], VIP, 15, 0),
    case("the flag is read before it is written", &[0x6f05, 0x6003, 0x80f4], VIP, 0, 8),
    case("sub of equals does not borrow", &[0x6005, 0x6105, 0x8015], VIP, 15, 1),
    case("sub borrows", &[0x6005, 0x6106, 0x8015], VIP, 15, 0),
    case("sub wraps", &[0x6005, 0x6106, 0x8015], VIP, 0, 255),
    case("reverse sub", &[0x6005, 0x6107, 0x8017], VIP, 0, 2),
    case("reverse sub borrows", &[0x6007, 0x6105, 0x8017], VIP, 15, 0),
    case("7xnn leaves the flag", &[0x6f07, 0x60ff, 0x7002], VIP, 15, 7),
    case("or resets the flag", &[0x6f07, 0x6001, 0x8011], VIP, 15, 0),
    case("or leaves the flag", &[0x6f07, 0x6001, 0x8011], 0, 15, 7),
    case("shift right of Vy", &[0x60ff, 0x6105, 0x8016], VIP, 0, 2),
    case("shift right of Vx", &[0x60fe, 0x6105, 0x8016], Quirks::SHIFT, 0, 127),
    case("shift right shows the bit", &[0x60fe, 0x6105, 0x8016], VIP, 15, 1),
    case("shift left of Vy", &[0x6000, 0x6181, 0x801e], VIP, 0, 2),
    case("shift left shows the bit", &[0x6000, 0x6181, 0x801e], VIP, 15, 1),
    case("a shift into the flag leaves the bit", &[0x6f00, 0x6181, 0x8f1e], VIP, 15, 1),
    case("call and return", &[0x2206, 0x6105, 0x1204, 0x6007, 0x00ee], VIP, 1, 5),
    case("jump by V0", &[0x6002, 0x6104, 0xb206, 0x6299, 0x6277], VIP, 2, 0x77),
    case("jump by Vx", &[0x6002, 0x6204, 0xb206, 0x6299, 0x6377, 0x6377], Quirks::JUMP, 3, 0x77),
    case("skip if equal", &[0x6005, 0x3005, 0x6009, 0x6101], VIP, 0, 5),
    case("skip if not equal", &[0x6005, 0x4006, 0x6009, 0x6101], VIP, 0, 5),
    case("hundreds", &[0x60fe, 0xa300, 0xf033, 0xf265], VIP, 0, 2),
    case("ones", &[0x60fe, 0xa300, 0xf033, 0xf265, 0xa300, 0xf265], VIP, 2, 4),
    case("store moves I", &[0x6011, 0x6122, 0xa300, 0xf155, 0xf065], VIP, 0, 0),
    case("store leaves I", &[0x6011, 0x6122, 0xa300, 0xf155, 0xf065], Quirks::LOAD_STORE, 0, 0x11),
    case("random is masked", &[0xc00f], VIP, 0, 5),
    case("a glyph begins with its top", &[0x6007, 0xf029, 0xf065], VIP, 0, 0xf0),
    case("I leaves the flag", &[0x6f07, 0xafff, 0x6002, 0xf01e], VIP, 15, 7),
    case("memory ends where it begins", &[0x6144, 0xafff, 0xf155, 0xa000, 0xf065], VIP, 0, 0x44),
    // 6005 at 0x208 becomes 6077 while it is near enough to have been read already.
    case("a program may change itself", &[0x6077, 0xa209, 0xf055, 0x6000, 0x6005], VIP, 0, 0x77),
];

const fn case(
    name: &'static str,
    program: &'static [u16],
    quirks: u8,
    register: usize,
    expected: u8,
) -> Case {
    Case {
        name,
        program,
        quirks,
        register,
        expected,
    }
}

/// Runs all cases; how many there are, or the name of the first that failed.
///
/// # Errors
/// That name.
pub fn run() -> Result<u32, &'static str> {
    let mut passed = 0;
    let mut machine = Machine::default();
    let mut table = Table::new(&[], Quirks::VIP);
    table.write(FONT_AT, &FONT);
    for case in CASES {
        // As if it was loaded: writing all of the memory for each would take most of what a test may take.
        table.program = case.program;
        table.ticks = case.program.len() as u16;
        table.quirks = Quirks(case.quirks);
        table.write(0x300, &[0; 16]); // where the cases store
        for (offset, word) in (0..).step_by(2).zip(case.program) {
            table.write(PROGRAM + offset, &word.to_be_bytes());
        }
        machine.state = State {
            pc: PROGRAM,
            loaded: Some(table.cartridge().rom),
            ..State::NEW
        };
        machine.frame(0, &mut table);
        if machine.state.v[case.register & 15] != case.expected {
            return Err(case.name);
        }
        passed += 1;
    }
    // The last program wrote itself, so it is not where it was loaded from.
    if machine.state.pc != PROGRAM + 10 {
        return Err("where the program stands");
    }
    Ok(passed)
}
