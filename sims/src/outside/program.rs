//! A program beside the world, which reads questions from its stdin and writes answers to its stdout, a line of JSON each:
//! `{"number":256,"cohort":"buyers","id":"3","question":"..."}` and `{"number":256,"answer":"..."}`.
//!
//! Three threads stand between the program and the ticks, with bounded queues, so that no tick waits for a pipe.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;

use super::{Outside, OutsideError};
use crate::asks::TEXT_LEN_MAX;
use crate::live::Question;

/// How many questions wait for the program to read them; more are put after the next tick.
pub const QUESTIONS_WAITING_MAX: usize = 1_024;
/// How many answers wait for the world to take them; the program then waits at its stdout.
pub const ANSWERS_WAITING_MAX: usize = 1_024;
/// The longest line of an answer, in bytes: the longest text, each byte of it written as `\u0000`, and the rest.
pub const LINE_LEN_MAX: usize = 6 * TEXT_LEN_MAX + 256;
/// How much of what it writes to stderr is kept for an error, in bytes.
const SAID_LEN_MAX: usize = 1_024;
/// How long its stderr is waited for once it has ended: a child of its own may hold it open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program that runs.
pub struct Program {
    name: String,
    child: Child,
    questions: Option<SyncSender<Vec<u8>>>,
    came: Receiver<Came>,
    /// What came while somebody waited.
    waiting: VecDeque<Came>,
    lines: u64,
    said: Receiver<Vec<u8>>,
}

/// What comes from the program.
enum Came {
    Line(Vec<u8>),
    TooLong(Vec<u8>),
    End,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    number: u64,
    answer: String,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({:?}, {} lines)", self.name, self.lines)
    }
}

impl Program {
    /// Starts what a shell understands by this line.
    ///
    /// # Errors
    /// [`OutsideError::Start`].
    pub fn shell(line: &str) -> Result<Self, OutsideError> {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        Self::start(line, command)
    }

    fn start(name: &str, mut command: Command) -> Result<Self, OutsideError> {
        let failed = |why| OutsideError::Start {
            program: name.to_owned(),
            why,
        };
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the run, which then needs nobody to have ended before its tick has.
            .process_group(0);
        let mut child = piped.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        let (questions, to_write) = mpsc::sync_channel::<Vec<u8>>(QUESTIONS_WAITING_MAX);
        let (read, came) = mpsc::sync_channel(ANSWERS_WAITING_MAX);
        spawn("outside-in", move || {
            for line in to_write {
                // Who does not read any more has ended, or will; its stdout says so.
                if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        })
        .and_then(|_| spawn("outside-out", move || lines(stdout, &read)))
        .map_err(failed)?;
        let (last, said) = mpsc::sync_channel(1);
        spawn("outside-err", move || {
            let _ = last.send(last_of(stderr));
        })
        .map_err(failed)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            questions: Some(questions),
            came,
            waiting: VecDeque::new(),
            lines: 0,
            said,
        })
    }

    /// What became of it, once its stdout has ended.
    fn ended(&mut self) -> OutsideError {
        self.questions = None;
        // Whoever closes its stdout has nothing more to say; it may not keep the run waiting.
        let status = match self.child.try_wait() {
            Ok(None) => self.child.kill().and_then(|()| self.child.wait()),
            Ok(Some(status)) => Ok(status),
            Err(error) => Err(error),
        };
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let said = self.said.recv_timeout(LAST_WORDS);
        OutsideError::Ended {
            program: self.name.clone(),
            how,
            said: String::from_utf8_lossy(&said.unwrap_or_default()).into_owned(),
        }
    }

    fn garbage(&self, why: impl Into<String>, line: &[u8]) -> OutsideError {
        let begins = String::from_utf8_lossy(line);
        OutsideError::Garbage {
            program: self.name.clone(),
            line: self.lines,
            why: why.into(),
            text: begins.chars().take(80).collect(),
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Reads lines until there are no more, or one is too long, or nobody wants them.
fn lines(stdout: impl Read, to: &SyncSender<Came>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let bounded = (&mut stdout).take(LINE_LEN_MAX as u64 + 1);
        let read = { bounded }.read_until(b'\n', &mut line);
        let came = match read {
            Ok(_) if line.len() > LINE_LEN_MAX => Came::TooLong(line),
            // What is not ended by a line's end was not written to its end.
            Ok(_) if line.ends_with(b"\n") => Came::Line(line),
            _ => Came::End,
        };
        let goes_on = matches!(came, Came::Line(_));
        if to.send(came).is_err() || !goes_on {
            return;
        }
    }
}

/// The last that was said, when it ends.
fn last_of(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; SAID_LEN_MAX];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        let surplus = kept.len().saturating_sub(SAID_LEN_MAX);
        kept.drain(..surplus);
    }
    kept
}

impl Outside for Program {
    fn ask(&mut self, question: &Question) -> Result<bool, OutsideError> {
        let mut line = serde_json::to_vec(question)
            .map_err(|error| self.garbage(error.to_string(), question.text.as_bytes()))?;
        line.push(b'\n');
        let Some(questions) = &self.questions else {
            return Ok(false);
        };
        match questions.try_send(line) {
            Ok(()) => Ok(true),
            // If it has ended, the next poll says how.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Ok(false),
        }
    }

    fn poll(&mut self, _now: u64) -> Result<Vec<(u64, String)>, OutsideError> {
        let mut answers = Vec::new();
        while let Some(came) = self
            .waiting
            .pop_front()
            .or_else(|| self.came.try_recv().ok())
        {
            self.lines += 1;
            match came {
                Came::Line(line) => {
                    let answer: Answer = serde_json::from_slice(&line)
                        .map_err(|error| self.garbage(error.to_string(), &line))?;
                    answers.push((answer.number, answer.answer));
                }
                Came::TooLong(line) => {
                    return Err(
                        self.garbage(format!("it has more than {LINE_LEN_MAX} bytes"), &line)
                    );
                }
                // What it said before it ended is taken first.
                Came::End if !answers.is_empty() => {
                    self.waiting.push_front(Came::End);
                    return Ok(answers);
                }
                Came::End => return Err(self.ended()),
            }
        }
        Ok(answers)
    }

    fn wait(&mut self, at_most: Duration) -> bool {
        if self.waiting.is_empty() {
            self.waiting.extend(self.came.recv_timeout(at_most));
        }
        !self.waiting.is_empty()
    }
}

impl Drop for Program {
    /// Its stdin ends; then it is ended, and its process is waited for.
    fn drop(&mut self) {
        self.questions = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
