//! `console`: a VC that is a CHIP-8 console, on a terminal.
//!
//! A frame is a message: the keys that are down, two bytes little-endian, on the channel `console/frame`;
//! the reply is the picture ([`Picture`]). A terminal says when a key is pressed, never when it is let go, so a key
//! counts as down for a few frames after it was heard.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use genesis::refusal::{Code, Refusal};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Context;
use super::up::Signals;
use crate::cli::Console;
use crate::client::seen::Reply;
use crate::client::{Client, Manner};

/// Pixels of a row.
const WIDTH: usize = 64;
/// Rows.
const HEIGHT: usize = 32;
/// Bytes of the pixels.
const PIXEL_BYTES: usize = WIDTH * HEIGHT / 8;
/// Bytes of a reply: the pixels, whether it sounds, the number of the frame.
const PICTURE_BYTES: usize = PIXEL_BYTES + 1 + 4;
/// By which channel a frame is asked for.
const CHANNEL: &str = "console/frame";
/// How long a frame may take, in milliseconds.
const FRAME_MS_MAX: u64 = 5_000;
/// A sixtieth of a second.
const FRAME: Duration = Duration::from_micros(16_667);
/// For how many frames a key counts as down after it was heard: longer than keys take to repeat.
const HELD_FRAMES: u8 = 8;
/// Keys that wait to be seen, at most: what is typed faster is dropped.
const KEYS_WAITING_MAX: usize = 64;
/// The keys of the keyboard that are keys 0 to F of the pad.
const PAD: [u8; 16] = *b"x123qweasdzc4rfv";

/// What a console shows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    pixels: [u8; PIXEL_BYTES],
    sounds: bool,
    frame: u32,
}

impl Picture {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (pixels, rest) = bytes.split_first_chunk::<PIXEL_BYTES>()?;
        let (&sounds, frame) = rest.split_first()?;
        Some(Self {
            pixels: *pixels,
            sounds: sounds != 0,
            frame: u32::from_le_bytes(frame.try_into().ok()?),
        })
    }

    /// Whether a pixel is lit; the leftmost of eight is the highest bit.
    fn lit(&self, x: usize, y: usize) -> bool {
        let byte = self.pixels.get(y * (WIDTH / 8) + x / 8);
        byte.is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0)
    }

    /// A line of `#` and `.` for each row.
    fn plain(&self) -> String {
        let row = |y: usize| -> String {
            let pixel = |x| if self.lit(x, y) { '#' } else { '.' };
            (0..WIDTH).map(pixel).collect()
        };
        (0..HEIGHT).map(row).collect::<Vec<_>>().join("\n")
    }

    /// Two rows in each line, and a line of what else there is to know, for a terminal in raw mode.
    fn blocks(&self) -> String {
        let mut text = String::from("\x1b[H");
        for y in (0..HEIGHT).step_by(2) {
            for x in 0..WIDTH {
                text.push(match (self.lit(x, y), self.lit(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push_str("\x1b[K\r\n");
        }
        let sound = if self.sounds { "♪" } else { " " };
        let _ = write!(
            text,
            "frame {} {sound}  keys 1234 qwer asdf zxcv, Esc ends\x1b[K",
            self.frame
        );
        text
    }
}

/// Which keys of the pad are down.
#[derive(Debug, Default)]
struct Pad([u8; 16]);

impl Pad {
    fn press(&mut self, key: u8) {
        let key = key.to_ascii_lowercase();
        if let Some(at) = PAD.iter().position(|&known| known == key) {
            self.0[at] = HELD_FRAMES;
        }
    }

    /// The mask for one frame, after which the keys are held for one frame less.
    fn mask(&mut self) -> u16 {
        let mut mask = 0;
        for (key, held) in self.0.iter_mut().enumerate() {
            mask |= u16::from(*held > 0) << key;
            *held = held.saturating_sub(1);
        }
        mask
    }
}

/// Plays a VC, or lets it run for some frames.
pub(crate) async fn console(context: Context<'_>, options: &Console) -> Result<()> {
    let client = context.client()?;
    if options.plain || context.printer.is_json() {
        let frames = options.frames.unwrap_or(1);
        let mut last = frame(&client, &options.vc, 0).await?;
        for _ in 1..frames {
            last = frame(&client, &options.vc, 0).await?;
        }
        return if context.printer.is_json() {
            let rows: Vec<_> = last.plain().lines().map(str::to_owned).collect();
            let shown = json!({ "frame": last.frame, "sounds": last.sounds, "rows": rows });
            context.printer.json(&shown)
        } else {
            context.printer.text(&last.plain())
        };
    }
    // First without touching the terminal: what is no console is said on it as it is.
    let first = frame(&client, &options.vc, 0).await?;
    let way_out = "`--frames N --plain` prints the last of N frames without one";
    let _screen = Screen::open("a console", way_out, WIDTH, HEIGHT / 2 + 1)?;
    context.printer.bytes(first.blocks().as_bytes())?;
    play(context, &client, options).await
}

/// Frame by frame, until a key, a signal or the last frame ends it.
async fn play(context: Context<'_>, client: &Client, options: &Console) -> Result<()> {
    let mut signals = Signals::new()?;
    let mut keys = keys();
    let mut ticks = interval(FRAME);
    // A node that is slow makes the game slow, not jumpy.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pad = Pad::default();
    let mut left = options.frames.map(|frames| frames - 1);
    while left != Some(0) {
        tokio::select! {
            biased; // first what ends it
            () = signals.next() => break,
            key = keys.recv() => match key {
                // Ctrl-C, Esc, Ctrl-D, a capital Q (q is a key of the pad), or no more keys.
                Some(0x03 | 0x1b | 0x04 | b'Q') | None => break,
                Some(key) => pad.press(key),
            },
            _ = ticks.tick() => {
                let picture = frame(client, &options.vc, pad.mask()).await?;
                context.printer.bytes(picture.blocks().as_bytes())?;
                left = left.map(|left| left - 1);
            }
        }
    }
    Ok(())
}

/// Asks for the next frame.
async fn frame(client: &Client, vc: &str, keys: u16) -> Result<Picture, Refusal> {
    let manner = Manner {
        channel: Some(CHANNEL),
        ..Manner::wait(FRAME_MS_MAX)
    };
    let contents = Bytes::copy_from_slice(&keys.to_le_bytes());
    let sent = client.send(vc, contents, manner).await?;
    let Some(reply) = sent.reply else {
        let what = format!("no frame from `{vc}` within {FRAME_MS_MAX} ms");
        return Err(
            Refusal::new(Code::Timeout, what).hint(format!("`medium show {vc}` says how it is"))
        );
    };
    picture(vc, &reply)
}

fn picture(vc: &str, reply: &Reply) -> Result<Picture, Refusal> {
    let hint = "`medium spawn chip8` spawns a console; `medium show` says what a VC gives";
    if reply.kind == "bounce" || reply.error.is_some() {
        let why = reply.error.clone();
        let why = why.map_or_else(|| "the message came back".to_owned(), |why| why.what);
        let what = format!("`{vc}` gives no frame: {why}");
        return Err(Refusal::new(Code::Fault, what).who(vc).hint(hint));
    }
    let bytes = match &reply.text {
        Some(text) => text.clone().into_bytes(),
        None => reply.bytes().unwrap_or_default(),
    };
    Picture::of(&bytes).ok_or_else(|| {
        let what = format!(
            "`{vc}` is no console: a frame has {PICTURE_BYTES} bytes, it answered {}",
            bytes.len()
        );
        Refusal::new(Code::Malformed, what).who(vc).hint(hint)
    })
}

/// What is typed, key by key. The thread that reads ends with the process: a read cannot be given up.
pub(super) fn keys() -> mpsc::Receiver<u8> {
    let (sender, receiver) = mpsc::channel(KEYS_WAITING_MAX);
    std::thread::spawn(move || {
        let mut typed = [0; 16];
        while let Ok(read @ 1..) = io::stdin().lock().read(&mut typed) {
            let typed = typed.get(..read).unwrap_or_default();
            // What begins like Esc and goes on is a key like an arrow, which the pad has not.
            if let [0x1b, _, ..] = typed {
                continue;
            }
            for &key in typed {
                // A key that nobody has room for is not heard; nobody there is the end.
                if let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(key) {
                    return;
                }
            }
        }
    });
    receiver
}

/// A terminal in raw mode, on its other screen; as it was when this is dropped.
pub(super) struct Screen {
    before: Termios,
}

impl Screen {
    /// Takes the terminal, if there is one of so many columns and lines.
    pub(super) fn open(
        what: &str,
        way_out: &str,
        columns_min: usize,
        lines_min: usize,
    ) -> Result<Self, Refusal> {
        let none = |why: &str| {
            let what = format!("{what} needs a terminal: {why}");
            Refusal::new(Code::Malformed, what).hint(way_out)
        };
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(none("stdin or stdout is none"));
        }
        if let Ok(size) = tcgetwinsize(io::stdout())
            && size.ws_col > 0
            && (usize::from(size.ws_col) < columns_min || usize::from(size.ws_row) < lines_min)
        {
            let (columns, rows) = (size.ws_col, size.ws_row);
            let what =
                format!("it has {columns} x {rows} characters, not {columns_min} x {lines_min}");
            return Err(none(&what));
        }
        let before = tcgetattr(io::stdin()).map_err(|error| none(&error.to_string()))?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)
            .map_err(|error| none(&error.to_string()))?;
        let screen = Self { before };
        say("\x1b[?1049h\x1b[?25l\x1b[2J");
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        say("\x1b[?25h\x1b[?1049l");
        // Nothing can be done if the terminal has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// Steers the terminal; one that has gone does not matter.
fn say(codes: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(codes.as_bytes());
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_pixel() -> Vec<u8> {
        let mut bytes = vec![0; PICTURE_BYTES];
        bytes[8] = 0x80; // the first pixel of the second row
        bytes[PIXEL_BYTES] = 1;
        bytes[PIXEL_BYTES + 1] = 7;
        bytes
    }

    #[test]
    fn a_picture_is_read_bit_by_bit() {
        let picture = Picture::of(&one_pixel()).unwrap();
        assert!(picture.lit(0, 1) && !picture.lit(0, 0) && !picture.lit(1, 1));
        assert!(picture.sounds && picture.frame == 7);
        let plain = picture.plain();
        assert_eq!(plain.lines().count(), HEIGHT);
        assert!(plain.lines().nth(1).unwrap().starts_with("#."));
        assert!(picture.blocks().starts_with("\x1b[H▄ "));
        assert_eq!(Picture::of(&one_pixel()[1..]), None);
    }

    #[test]
    fn a_key_is_down_for_some_frames() {
        let mut pad = Pad::default();
        pad.press(b'X');
        pad.press(b'v');
        pad.press(b'?');
        for _ in 0..HELD_FRAMES {
            assert_eq!(pad.mask(), 0x8001);
        }
        assert_eq!(pad.mask(), 0);
    }
}
