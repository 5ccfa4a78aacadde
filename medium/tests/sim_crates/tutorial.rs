//! The tutorial of worlds: its commands are run in their order, and what it shows is what they print.

use std::process::{Command, Stdio};

use crate::home::Home;

/// The tutorial.
const TUTORIAL: &str = include_str!("../../../docs/tutorial-worlds.md");
/// Stands in it for what is another text each time.
const ANYTHING: char = '…';

/// A command of the tutorial, and the lines below it.
struct Shown {
    command: String,
    output: Vec<&'static str>,
}

/// The commands of the tutorial, in their order.
fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in TUTORIAL.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, Some(command)) if inside => all.push(Shown {
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (line, _) if inside && !line.trim().is_empty() => {
                all.last_mut().unwrap().output.push(line);
            }
            _ => {}
        }
    }
    all
}

/// Whether a line is what the tutorial shows.
fn is_like(shown: &str, line: &str) -> bool {
    let mut rest = line;
    let mut pieces = shown.split(ANYTHING);
    let begin = pieces.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(begin) else {
        return false;
    };
    rest = after;
    let mut ends = begin == shown && rest.is_empty();
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
        ends = piece.is_empty() || rest.is_empty();
    }
    ends
}

#[test]
fn the_tutorial_is_true() {
    let home = Home::new();
    let all = shown();
    assert!(all.len() > 10, "{} commands", all.len());
    // One shell for all of them, as for who reads it: variables stay. After each, its exit code.
    let mark = "--- the command above ended with";
    let commands = all.iter().map(|shown| shown.command.as_str());
    let script: Vec<_> = commands
        .flat_map(|command| [command, "echo '--- the command above ended with' $?"])
        .collect();
    let script = script.join("\n");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{script}")]);
    home.settle(&mut command);
    let said = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let mut parts = said.split(mark);
    let mut before = parts.next().unwrap();
    for (shown, part) in all.iter().zip(parts) {
        let Shown { command, output } = shown;
        let (code, after) = part.split_once('\n').unwrap();
        let printed = before;
        before = after;
        if printed.contains("cannot be confined here") {
            let is_ci = std::env::var_os("CI").is_some();
            assert!(!is_ci, "strangers' crates must be confined here");
            eprintln!("skipped: `{command}`, for nothing here confines a native command");
            continue;
        }
        assert_eq!(code.trim(), "0", "`{command}` failed:\n{printed}");
        let mut lines = printed.lines();
        for wanted in output {
            assert!(
                lines.any(|line| is_like(wanted, line.trim_end())),
                "`{command}` does not print, or not in this order:\n{wanted}\nbut:\n{printed}"
            );
        }
    }
}

#[test]
fn a_line_may_have_gaps() {
    for (shown, line, like) in [
        ("a b", "a b", true),
        ("a b", "a bc", false),
        ("a … c", "a b c", true),
        ("a …", "a b c", true),
        ("a … c", "a b cd", false),
        ("…c", "abc", true),
        ("…c", "abd", false),
    ] {
        assert_eq!(is_like(shown, line), like, "{shown} {line}");
    }
}
