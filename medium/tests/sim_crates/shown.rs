//! Texts whose commands are run: what they show is what is printed.

use std::process::{Command, Stdio};

/// Stands in a text for what is another text each time.
const ANYTHING: char = '…';

/// A command of a text, and the lines below it.
pub(crate) struct Shown {
    pub(crate) command: String,
    pub(crate) output: Vec<&'static str>,
}

/// The commands of a text, in their order.
pub(crate) fn shown(text: &'static str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line, line.strip_prefix("$ ")) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (_, Some(command)) if inside => all.push(Shown {
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (line, _) if inside && !line.trim().is_empty() => {
                let last = all.last_mut().unwrap();
                match line.strip_prefix("> ") {
                    Some(more) => last.command = format!("{}\n{more}", last.command),
                    None => last.output.push(line),
                }
            }
            _ => {}
        }
    }
    all
}

/// Whether a line is what a text shows.
pub(crate) fn is_like(shown: &str, line: &str) -> bool {
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

/// Runs the commands of a text in one shell, as for who reads it: variables stay. What each printed must have the
/// lines that stand below it, in their order. A command is passed over if `passes` says so of what it printed.
pub(crate) fn run(
    all: &[Shown],
    settle: impl FnOnce(&mut Command),
    passes: impl Fn(&str, &str) -> bool,
) {
    // After each, its exit code.
    let mark = "--- the command above ended with";
    let commands = all.iter().map(|shown| shown.command.as_str());
    let script: Vec<_> = commands
        .flat_map(|command| [command, "echo '--- the command above ended with' $?"])
        .collect();
    let script = script.join("\n");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{script}")]);
    settle(&mut command);
    let said = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let mut parts = said.split(mark);
    let mut before = parts.next().unwrap();
    for (shown, part) in all.iter().zip(parts) {
        let Shown { command, output } = shown;
        let (code, after) = part.split_once('\n').unwrap();
        let printed = before;
        before = after;
        if passes(command, printed) {
            continue;
        }
        let fails = output
            .first()
            .is_some_and(|line| line.starts_with("error: "));
        assert_eq!(
            code.trim(),
            if fails { "1" } else { "0" },
            "`{command}`:\n{printed}"
        );
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
