//! What the processor answers to a person: the commands of the channel `main`.

use crate::bus::{Bus, Cartridge, Picture};
use crate::machine::Machine;
use crate::text::{Text, number};

/// Longest answer, in bytes: a screen.
pub const ANSWER_BYTES_MAX: usize = 32 * 65;

/// An answer.
pub type Answer = Text<ANSWER_BYTES_MAX>;

/// Most frames that a message may ask for; how many its fuel lasts for is another matter.
pub const FRAMES_MAX: u32 = 1000;

/// Most bytes of memory that a message may ask for.
pub const PEEK_BYTES_MAX: u32 = 256;

const USAGE: &[u8] =
    b"error: say `reset`, `frames N [KEYS]`, `screen`, `status` or `peek ADDRESS [LENGTH]`";

/// Carries a command out and answers it.
pub fn command(message: &[u8], machine: &mut Machine, bus: &mut impl Bus, answer: &mut Answer) {
    answer.clear();
    let mut words = message
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let what = words.next().unwrap_or_default();
    let (first, second) = (words.next(), words.next());
    let numbers = (first.map(number), second.map(number));
    match (what, numbers, words.next()) {
        (b"reset", (None, None), None) => {
            let cartridge = machine.reset(bus);
            status(machine, &cartridge, &bus.look(), answer);
        }
        (b"frames", (Some(Some(count @ ..=FRAMES_MAX)), keys), None)
            if keys.is_none_or(|keys| keys.is_some_and(|keys| keys <= 0xffff)) =>
        {
            let keys = keys.flatten().unwrap_or_default() as u16;
            for _ in 0..count {
                machine.frame(keys, bus);
            }
            status(machine, &bus.cartridge(), &bus.look(), answer);
        }
        (b"status", (None, None), None) => {
            status(machine, &bus.cartridge(), &bus.look(), answer);
        }
        (b"screen", (None, None), None) => screen(&bus.look(), answer),
        (b"peek", (Some(Some(address @ ..=0xfff)), len), None)
            if len.is_none_or(|len| len.is_some_and(|len| len <= PEEK_BYTES_MAX)) =>
        {
            let len = len.flatten().unwrap_or(16);
            let mut bytes = [0; PEEK_BYTES_MAX as usize];
            let bytes = &mut bytes[..len as usize];
            bus.read(address as u16, bytes);
            for byte in bytes {
                answer.put_hex(u32::from(*byte), 2);
            }
        }
        _ => {
            answer.put(USAGE);
        }
    }
}

/// One line: title, frame, where it stands, how many pixels are lit, whether it runs.
fn status(machine: &Machine, cartridge: &Cartridge, picture: &Picture, answer: &mut Answer) {
    let title = cartridge.title.split(|&byte| byte == 0).next();
    answer.put(match title.unwrap_or_default() {
        [] => b"(no title)",
        title => title,
    });
    let [.., a, b, c, d] = *picture;
    let lit: u32 = picture[..256].iter().map(|byte| byte.count_ones()).sum();
    answer
        .put(b": frame ")
        .put_number(u32::from_le_bytes([a, b, c, d]))
        .put(b", at 0x")
        .put_hex(u32::from(machine.state.pc), 3)
        .put(b", ")
        .put_number(lit)
        .put(b" pixels lit, ");
    match machine.state.halt {
        _ if machine.state.loaded.is_none() => answer.put(b"not started"),
        None => answer.put(b"running"),
        Some(why) => answer.put(b"halted: ").put(why.as_str().as_bytes()),
    };
}

/// 32 lines of 64, `#` for a pixel that is lit.
fn screen(picture: &Picture, answer: &mut Answer) {
    for row in picture[..256].chunks_exact(8) {
        for byte in row {
            for bit in (0..8).rev() {
                answer.put(if byte >> bit & 1 == 1 { b"#" } else { b"." });
            }
        }
        answer.put(b"\n");
    }
}
