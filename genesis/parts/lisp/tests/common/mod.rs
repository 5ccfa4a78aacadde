//! What the tests share: the table of programs and answers, and a medium that notes what it is asked.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test uses what it needs of it"
)]

use lisp::vc::{Contact, Context};
use lisp::world::World;

/// A medium of which everything is known.
#[derive(Debug, Default)]
pub struct Notes {
    /// What was asked of it, one line each.
    pub lines: Vec<String>,
    /// What `medium/context` answers.
    pub context: Vec<u8>,
    sequence: u64,
}

impl Notes {
    fn note(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

impl World for Notes {
    fn context(&mut self) -> Context {
        Context::new(&self.context)
    }
    fn named(&mut self, name: &[u8]) -> Option<Contact> {
        match name {
            b"peer" => Some(3),
            b"boss" => Some(4),
            _ => None,
        }
    }
    fn keep(&mut self, contact: Contact) -> Contact {
        self.note(format!("keep {contact:x}"));
        9
    }
    fn id(&mut self, contact: Contact) -> [u8; 32] {
        [contact as u8; 32]
    }
    fn random(&mut self) -> u64 {
        1234
    }
    fn send(&mut self, request: &[u8]) -> u64 {
        let number = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
        let len = usize::from(request[8]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (channel, contents) = (text(&request[9..9 + len]), text(&request[9 + len..]));
        self.note(format!(
            "send {:x} {} {channel}: {contents}",
            number(0),
            number(4)
        ));
        self.sequence += 1;
        self.sequence
    }
    fn forward(&mut self, contact: Contact) -> u64 {
        self.note(format!("forward {contact:x}"));
        77
    }
    fn hand(&mut self, sequence: u64, contact: Contact) {
        self.note(format!("hand {sequence} {contact:x}"));
    }
    fn emit(&mut self, text: &[u8]) {
        self.note(format!("emit {}", String::from_utf8_lossy(text)));
    }
    fn after(&mut self, delay_ms: u64, tag: u64) {
        self.note(format!("after {delay_ms} {tag}"));
    }
    fn spawn(&mut self, request: &[u8]) -> Contact {
        let len = usize::from(request[26]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fuel = u64::from_le_bytes(request[2..10].try_into().unwrap()) as i64;
        self.note(format!(
            "spawn {fuel} {}: {}",
            text(&request[27..27 + len]),
            text(&request[27 + len..])
        ));
        12
    }
    fn fork(&mut self) -> Contact {
        self.note("fork");
        13
    }
    fn stop(&mut self) {
        self.note("stop");
    }
    fn read(&mut self, offset: u64, into: &mut [u8]) -> usize {
        for (n, byte) in into.iter_mut().enumerate() {
            *byte = b'a' + ((offset + n as u64) % 26) as u8;
        }
        into.len()
    }
}

/// The rows of `tests/table.txt`: a program, and what it answers.
pub fn table() -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for row in include_str!("../table.txt").split("\n\n") {
        let row: Vec<&str> = row.lines().filter(|line| !line.starts_with(";;")).collect();
        let Some(at) = row
            .iter()
            .rposition(|line| line.starts_with("=> ") || *line == "=>")
        else {
            assert!(row.is_empty(), "a row without an answer: {row:?}");
            continue;
        };
        let mut answer = row[at][2..].trim_start().to_owned();
        for line in &row[at + 1..] {
            answer.push('\n');
            answer.push_str(line);
        }
        rows.push((row[..at].join("\n"), answer));
    }
    rows
}
