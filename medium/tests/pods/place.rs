//! Where the verbs are run, and how what they say is compared.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Node, Process, Run, medium};

/// A home with a data folder, with or without a node on it.
pub(crate) struct Place {
    pub(crate) home: TempDir,
    pub(crate) node: Option<Process>,
}

impl Place {
    pub(crate) fn in_process() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            node: None,
        }
    }

    pub(crate) fn on_a_node() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (process, _) = Node::on(home.path());
        Self {
            home,
            node: Some(process),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = medium(self.path());
        command
            .args(arguments)
            .env("MEDIUM_DATA", self.path().join("data"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(arguments, self.command(arguments).output().unwrap())
    }

    /// The stdout of a run that succeeds.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    pub(crate) fn write(&self, path: &str, contents: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path().join(path)).unwrap()
    }
}

/// Runs a script, one command line a line, and writes down what is said. `KEY = pod share x` remembers what is
/// printed, `{KEY}` stands for it.
///
/// What differs from run to run is replaced: digests and keys by the number under which each was seen first,
/// times by `TIME`.
pub(crate) fn transcript(place: &Place, script: &str) -> String {
    let mut said = String::new();
    let mut remembered: HashMap<String, String> = HashMap::new();
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, line) = match line.split_once(" = ") {
            Some((name, line)) => (Some(name), line),
            None => (None, line),
        };
        let mut asked = line.to_owned();
        for (name, value) in &remembered {
            asked = asked.replace(&format!("{{{name}}}"), value);
        }
        let arguments: Vec<_> = asked.split(' ').collect();
        let run = place.run(&arguments);
        if let Some(name) = name {
            remembered.insert(name.to_owned(), run.stdout.trim().to_owned());
        }
        writeln!(said, "$ medium {asked}").unwrap();
        said.push_str(&run.stdout);
        said.push_str(&run.stderr);
        if run.code != Some(0) {
            writeln!(said, "exit code {:?}", run.code.unwrap()).unwrap();
        }
    }
    settled(&said)
}

/// Without what differs from run to run.
fn settled(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut word = String::new();
    let mut end = |word: &mut String, out: &mut String| {
        let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if word.len() >= 32 && is_hex {
            let at = seen.iter().position(|known| known == word);
            let at = at.unwrap_or_else(|| {
                seen.push(word.clone());
                seen.len() - 1
            });
            write!(out, "#{at}").unwrap();
        } else if is_date(word) || is_time(word) {
            out.push_str("TIME");
        } else {
            out.push_str(word);
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '-' || c == ':' {
            word.push(c);
        } else {
            end(&mut word, &mut out);
            out.push(c);
        }
    }
    end(&mut word, &mut out);
    out
}

fn is_date(word: &str) -> bool {
    word.len() == 10 && word.starts_with("20") && word.split('-').count() == 3
}

fn is_time(word: &str) -> bool {
    word.len() == 8
        && word.split(':').count() == 3
        && word
            .bytes()
            .all(|byte| byte == b':' || byte.is_ascii_digit())
}
