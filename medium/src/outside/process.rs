//! A program that runs: what goes in, what comes out, and how long it is silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actors::runtime::Runtime;
use adapters::outside::{LINE_BYTES_MAX, LINES_AT_ONCE, NOISE, SAID};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::message::MessageRef;
use genesis::refusal::Refusal;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Most bytes of lines that one message from outside brings.
const SAID_BYTES_MAX: usize = 60 * 1024;
/// Longest line of standard error that goes into the log, in bytes; longer ones are cut.
const COMPLAINT_BYTES_MAX: usize = 1024;
/// Lines of standard error that go into the log within a second; the others are counted.
const COMPLAINTS_MAX: u32 = 50;

const _: () = assert!(LINE_BYTES_MAX < SAID_BYTES_MAX, "a line fits a message");

/// The two ends of a conversation with a program.
pub(crate) struct Line {
    /// What it writes.
    pub(crate) from: Box<dyn AsyncRead + Send + Unpin>,
    /// What it reads.
    pub(crate) to: Box<dyn AsyncWrite + Send + Unpin>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

/// What a program is told.
#[derive(Debug)]
pub(super) struct ToTell {
    /// The slice of the log that must be on disk before.
    pub(super) slice: u64,
    /// The message in which the VC says so.
    pub(super) reference: MessageRef,
    /// The line.
    pub(super) line: String,
}

/// What a program owes, as far as its lines tell, and since when it is silent.
#[derive(Debug)]
pub(super) struct Owes {
    /// What it was told and has not done with, and in which messages.
    open: BTreeMap<u64, MessageRef>,
    asked: BTreeSet<String>,
    since: Instant,
}

impl Default for Owes {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            asked: BTreeSet::new(),
            since: Instant::now(),
        }
    }
}

/// What of a line tells what is owed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Peek {
    id: Option<u64>,
    re: Option<serde_json::Value>,
    done: Option<u64>,
    ask: Option<String>,
}

impl Owes {
    fn told(&mut self, told: &ToTell) {
        let peek: Peek = serde_json::from_str(&told.line).unwrap_or_default();
        if let Some(serde_json::Value::String(key)) = peek.re {
            self.asked.remove(&key);
        }
        self.open.extend(peek.id.map(|id| (id, told.reference)));
        self.since = Instant::now();
    }

    /// Notes what a line says; gives the message because of which it does.
    fn said(&mut self, line: &[u8]) -> Option<MessageRef> {
        let peek: Peek = serde_json::from_slice(line).unwrap_or_default();
        let oldest = self.open.first_key_value().map(|(_, reference)| *reference);
        let answered = peek.re.and_then(|re| re.as_u64());
        let meant = answered.into_iter().chain(peek.done);
        let meant = meant.fold(None, |first, id| self.open.remove(&id).or(first));
        self.asked.extend(peek.ask);
        self.since = Instant::now();
        meant.or(oldest)
    }

    /// Whether it has done with all it was told.
    pub(super) fn is_nothing(&self) -> bool {
        self.open.is_empty()
    }

    /// The oldest message it owes something for, if it has been silent for too long and waits for nobody.
    pub(super) fn overdue(&self, timeout: Duration) -> Option<u64> {
        let (&oldest, _) = self.open.first_key_value()?;
        (self.asked.is_empty() && self.since.elapsed() > timeout).then_some(oldest)
    }
}

/// Writes lines, each once what it depends on is on disk, until there are no more.
pub(super) async fn write(
    runtime: Runtime,
    mut lines: mpsc::Receiver<ToTell>,
    to: Box<dyn AsyncWrite + Send + Unpin>,
    owes: Arc<Mutex<Owes>>,
) {
    let mut to = BufWriter::with_capacity(64 * 1024, to);
    let mut settled = 0;
    while let Some(told) = lines.recv().await {
        let slice = told.slice;
        if slice > settled {
            if lines.is_empty() && to.flush().await.is_err() {
                return;
            }
            if runtime.settled(slice).await.is_err() {
                return;
            }
            settled = slice;
        }
        owes.lock().told(&told);
        let written = async {
            to.write_all(told.line.as_bytes()).await?;
            to.write_all(b"\n").await?;
            if lines.is_empty() {
                to.flush().await?;
            }
            Ok::<_, std::io::Error>(())
        };
        // Who does not read any more has ended; its output says so.
        if written.await.is_err() {
            return;
        }
    }
}

/// Brings a VC what is said outside, under a bound of how much is under way.
#[derive(Clone, Debug)]
pub(super) struct Mouth {
    pub(super) runtime: Runtime,
    pub(super) vc: VcId,
    pub(super) credit: Arc<Semaphore>,
    /// Because of which message it speaks, if nothing else is said.
    pub(super) cause: Option<MessageRef>,
}

impl Mouth {
    /// Says something, once there is room.
    pub(super) async fn say(
        &self,
        channel: Channel,
        contents: Vec<u8>,
        cause: Option<MessageRef>,
    ) -> Result<(), Refusal> {
        match self.credit.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => return Ok(()),
        }
        let cause = cause.or(self.cause);
        let said = self.runtime.outside_says(self.vc, channel, contents, cause);
        if let Err(refusal) = said.await {
            self.credit.add_permits(1);
            return Err(refusal);
        }
        Ok(())
    }
}

/// Reads lines and brings them to the VC until there are no more. A line that is none is named.
pub(super) async fn read(
    mouth: Mouth,
    from: Box<dyn AsyncRead + Send + Unpin>,
    owes: Arc<Mutex<Owes>>,
) -> Result<(), Refusal> {
    let mut from = BufReader::with_capacity(64 * 1024, from);
    let mut rest: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 32 * 1024];
    // How much of a line that is too long went by.
    let mut skipped: Option<usize> = None;
    loop {
        let count = from.read(&mut chunk).await.unwrap_or(0);
        if count == 0 {
            if let Some(bytes) = skipped {
                mouth.say(NOISE, too_long(bytes).into_bytes(), None).await?;
            } else if !rest.is_empty() {
                let what = format!("it ended in the middle of a line of {} bytes", rest.len());
                mouth.say(NOISE, what.into_bytes(), None).await?;
            }
            return Ok(());
        }
        let mut batch: Vec<u8> = Vec::new();
        let mut lines = 0;
        // Lines of one message are due to one, or to nobody knows which.
        let mut cause = None;
        for piece in chunk[..count].split_inclusive(|&byte| byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            if let Some(bytes) = skipped {
                skipped = Some(bytes + piece.len());
            } else {
                rest.extend_from_slice(piece);
                if rest.len() > LINE_BYTES_MAX + 1 {
                    skipped = Some(rest.len());
                    rest.clear();
                }
            }
            if !ends {
                continue;
            }
            let full = batch.len() + rest.len() > SAID_BYTES_MAX || lines >= LINES_AT_ONCE;
            if full || skipped.is_some() && !batch.is_empty() {
                mouth.say(SAID, std::mem::take(&mut batch), cause).await?;
                lines = 0;
            }
            if let Some(bytes) = skipped.take() {
                mouth.say(NOISE, too_long(bytes).into_bytes(), None).await?;
            } else {
                let due = owes.lock().said(&rest);
                cause = if lines == 0 || cause == due {
                    due
                } else {
                    None
                };
                batch.append(&mut rest);
                lines += 1;
            }
        }
        if !batch.is_empty() {
            mouth.say(SAID, batch, cause).await?;
        }
    }
}

fn too_long(bytes: usize) -> String {
    format!("a line of {bytes} bytes, at most {LINE_BYTES_MAX} are read")
}

/// Brings what a program writes to its standard error into the VC's log.
pub(super) async fn complain(runtime: Runtime, vc: VcId, from: Box<dyn AsyncRead + Send + Unpin>) {
    let mut from = BufReader::new(from);
    let mut line: Vec<u8> = Vec::new();
    let (mut second, mut lines, mut dropped) = (Instant::now(), 0, 0_u64);
    let mut chunk = [0; 4096];
    loop {
        let count = from.read(&mut chunk).await.unwrap_or(0);
        let ends = count == 0;
        let pieces = chunk[..count].split_inclusive(|&byte| byte == b'\n');
        for piece in pieces.chain(ends.then_some(&b"\n"[..])) {
            let room = COMPLAINT_BYTES_MAX
                .saturating_sub(line.len())
                .min(piece.len());
            line.extend_from_slice(&piece[..room]);
            if !piece.ends_with(b"\n") {
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if second.elapsed() > Duration::from_secs(1) {
                if dropped > 0 {
                    let what = format!("stderr: {dropped} lines more were not kept");
                    let _ = runtime.note(vc, what).await;
                }
                (second, lines, dropped) = (Instant::now(), 0, 0);
            }
            if text.is_empty() {
                continue;
            }
            if lines >= COMPLAINTS_MAX {
                dropped += 1;
                continue;
            }
            lines += 1;
            let _ = runtime.note(vc, format!("stderr: {text}")).await;
        }
        if ends {
            if dropped > 0 {
                let what = format!("stderr: {dropped} lines more were not kept");
                let _ = runtime.note(vc, what).await;
            }
            return;
        }
    }
}
