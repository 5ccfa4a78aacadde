//! What the processor needs of the other parts of its body.

/// Bytes of memory; addresses are taken modulo this.
pub const MEMORY_BYTES: usize = 4096;

/// Longest program, in bytes: from [`PROGRAM`] to the end of the memory.
pub const ROM_BYTES_MAX: usize = MEMORY_BYTES - PROGRAM as usize;

/// Where programs are loaded and begin.
pub const PROGRAM: u16 = 0x200;

/// Most rows of a sprite.
pub const ROWS_MAX: usize = 15;

/// The screen as it is passed on: 256 bytes of pixels (rows from top to bottom, 8 bytes each, the leftmost
/// pixel in the highest bit), whether it sounds, the number of the frame (u32, little-endian).
pub type Picture = [u8; 261];

/// What a frame begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pad {
    /// The delay timer, after its tick.
    pub delay: u8,
    /// The sound timer, after its tick.
    pub sound: u8,
    /// The keys that are down, one bit each.
    pub keys: u16,
}

/// The cartridge that is in, without its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cartridge {
    /// The digest and the length of the program: another one is another program.
    pub rom: Rom,
    /// Instructions per frame.
    pub ticks: u16,
    /// How it wants to be run.
    pub quirks: Quirks,
    /// The first bytes of its title, padded with zeros.
    pub title: [u8; 32],
}

/// Which program it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rom {
    /// FNV-1a of the program.
    pub digest: u64,
    /// Its length in bytes.
    pub bytes: u16,
}

/// In what machines differ, as the bits of a cartridge's flags. Set or not, none of them is a bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks(pub u8);

impl Quirks {
    /// `8xy6` and `8xyE` shift Vx; without it, they shift Vy into Vx.
    pub const SHIFT: u8 = 1;
    /// `Fx55` and `Fx65` leave I where it is; without it, they move it.
    pub const LOAD_STORE: u8 = 2;
    /// Sprites end at the edges; without it, they come in again on the other side.
    pub const CLIP: u8 = 4;
    /// `Bxnn` adds Vx; without it, V0.
    pub const JUMP: u8 = 8;
    /// A frame ends with a sprite.
    pub const V_BLANK: u8 = 16;
    /// `8xy1`, `8xy2` and `8xy3` reset VF.
    pub const LOGIC: u8 = 32;
    /// A Cosmac VIP.
    pub const VIP: Self = Self(Self::CLIP | Self::V_BLANK | Self::LOGIC);

    /// Whether a flag is set.
    pub const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// The other parts. Nothing of it fails: a call that does ends the turn, and with it all of this.
pub trait Bus {
    /// Reads memory.
    fn read(&mut self, address: u16, into: &mut [u8]);
    /// Writes memory.
    fn write(&mut self, address: u16, bytes: &[u8]);
    /// Draws the first `len` rows; whether a pixel was lit already.
    fn draw(&mut self, x: u8, y: u8, clip: bool, rows: &[u8; ROWS_MAX], len: usize) -> bool;
    /// Clears the screen.
    fn clear(&mut self);
    /// Brings screen, pad and timers to where they are when the power comes on.
    fn power_on(&mut self);
    /// Opens a frame: timers tick, keys are taken.
    fn open(&mut self, keys: u16) -> Pad;
    /// Closes a frame: timers are set.
    fn close(&mut self, delay: u8, sound: u8) -> Picture;
    /// The picture as it is.
    fn look(&mut self) -> Picture;
    /// A random byte.
    fn random(&mut self) -> u8;
    /// What cartridge is in.
    fn cartridge(&mut self) -> Cartridge;
    /// Reads its program; what is not there is left as it is.
    fn rom(&mut self, offset: u16, into: &mut [u8]);
}
