//! What the processor keeps between frames, and how it is saved.

use crate::bus::Rom;

/// How deep calls may be.
pub const STACK_MAX: usize = 16;

/// Length of a saved state, in bytes.
pub const SAVE_BYTES: usize = 67;

const VERSION: u8 = 1;

/// Why the program was stopped; only a reset helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Halt {
    /// A call in the [`STACK_MAX`]th call.
    StackOverflow = 1,
    /// A return outside of every call.
    StackUnderflow,
    /// No instruction of this machine.
    UnknownInstruction,
}

impl Halt {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StackOverflow => "calls nest more than 16 deep",
            Self::StackUnderflow => "return without a call",
            Self::UnknownInstruction => "unknown instruction",
        }
    }

    const fn code(halt: Option<Self>) -> u8 {
        match halt {
            None => 0,
            Some(Self::StackOverflow) => 1,
            Some(Self::StackUnderflow) => 2,
            Some(Self::UnknownInstruction) => 3,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::StackOverflow),
            2 => Some(Self::StackUnderflow),
            3 => Some(Self::UnknownInstruction),
            _ => None,
        }
    }
}

/// Registers, stack, and where the program stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// V0 to VF.
    pub v: [u8; 16],
    /// The address register. It has 16 bits; 12 of them are used.
    pub i: u16,
    /// Where the next instruction is; at a halt, the one that halted.
    pub pc: u16,
    /// Where calls return to.
    pub stack: [u16; STACK_MAX],
    /// How many of them are in use.
    pub depth: u8,
    /// Whether and why the program was stopped.
    pub halt: Option<Halt>,
    /// The key that `Fx0A` saw going down and waits for to go up.
    pub held: Option<u8>,
    /// The program that is loaded; none before the first frame.
    pub loaded: Option<Rom>,
}

impl Default for State {
    fn default() -> Self {
        Self::NEW
    }
}

impl State {
    /// With nothing loaded: all zeros, so that it takes no room in the module.
    pub const NEW: Self = Self {
        v: [0; 16],
        i: 0,
        pc: 0,
        stack: [0; STACK_MAX],
        depth: 0,
        halt: None,
        held: None,
        loaded: None,
    };

    /// The state as bytes: version u8 (1), V0 to VF, I u16, PC u16, depth u8, 16 return addresses u16, halt u8,
    /// held key u8 (255: none), whether a program is loaded u8, its digest u64, its length u16. Little-endian.
    pub fn save(&self) -> [u8; SAVE_BYTES] {
        let mut save = [0; SAVE_BYTES];
        save[0] = VERSION;
        save[1..17].copy_from_slice(&self.v);
        save[17..19].copy_from_slice(&self.i.to_le_bytes());
        save[19..21].copy_from_slice(&self.pc.to_le_bytes());
        save[21] = self.depth;
        for (place, address) in save[22..54].chunks_exact_mut(2).zip(self.stack) {
            place.copy_from_slice(&address.to_le_bytes());
        }
        save[54] = Halt::code(self.halt);
        save[55] = self.held.unwrap_or(u8::MAX);
        save[56] = u8::from(self.loaded.is_some());
        let rom = self.loaded.unwrap_or_default();
        save[57..65].copy_from_slice(&rom.digest.to_le_bytes());
        save[65..67].copy_from_slice(&rom.bytes.to_le_bytes());
        save
    }

    /// Reads what [`Self::save`] wrote; nothing for any other bytes.
    pub fn load(save: &[u8]) -> Option<Self> {
        let save: &[u8; SAVE_BYTES] = save.try_into().ok()?;
        let number = |at: usize| u16::from_le_bytes([save[at], save[at + 1]]);
        if save[0] != VERSION || usize::from(save[21]) > STACK_MAX || save[56] > 1 {
            return None;
        }
        let held = match save[55] {
            u8::MAX => None,
            key if key < 16 => Some(key),
            _ => return None,
        };
        let mut state = Self {
            i: number(17),
            pc: number(19),
            depth: save[21],
            halt: match save[54] {
                0 => None,
                code => Some(Halt::of_code(code)?),
            },
            held,
            ..Self::NEW
        };
        state.v.copy_from_slice(&save[1..17]);
        for (at, address) in state.stack.iter_mut().enumerate() {
            *address = number(22 + 2 * at);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(&save[57..65]);
        let rom = Rom {
            digest: u64::from_le_bytes(digest),
            bytes: number(65),
        };
        state.loaded = (save[56] == 1).then_some(rom);
        Some(state)
    }
}
