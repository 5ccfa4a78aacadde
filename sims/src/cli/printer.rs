//! The only place of the command line of worlds that prints.

use std::io::{self, IsTerminal, Write};

use genesis::refusal::{Code, Refusal};
use serde::Serialize;

/// The exit code of a run that did what it was asked.
pub(crate) const DONE: u8 = 0;
/// The exit code of an error that whoever asked can do something about.
pub(crate) const USER: u8 = 1;
/// The exit code of an error of ours.
pub(crate) const OURS: u8 = 2;

/// Why a verb did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Whoever read stdout has closed it: nothing is left to do, and nothing is wrong.
    Closed,
    /// Something was found wrong and all of it was said already: exit code 1.
    Said,
    /// With something to say.
    Refused(Box<Refusal>),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// How something is set off on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// What a person looks for first.
    Bold,
    /// What can be skipped.
    Dim,
    /// What did not go well.
    Red,
    /// What should be done.
    Cyan,
}

/// What is printed, and how.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub struct Flags {
    /// JSON on stdout, and errors as JSON on stderr.
    pub json: bool,
    /// No notes.
    pub quiet: bool,
    /// No colour.
    pub no_color: bool,
    /// No bar.
    pub no_progress: bool,
}

/// Prints, as the flags and the terminal ask for.
#[derive(Debug)]
pub struct Printer {
    flags: Flags,
    stdout: io::Stdout,
    /// Whether each stream is read by a person, and in colour.
    out_colour: bool,
    err_terminal: bool,
    err_colour: bool,
}

impl Printer {
    /// A printer for this process.
    pub fn new(flags: Flags) -> Self {
        // https://no-color.org: present and not empty.
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let colour = !(flags.no_color || dumb || set("NO_COLOR"));
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            flags,
            stdout: io::stdout(),
            out_colour: out && colour,
            err_terminal: err && !dumb,
            err_colour: err && colour,
        }
    }

    /// Whether `--json` was given.
    pub const fn is_json(&self) -> bool {
        self.flags.json
    }

    /// Whether stderr is in colour.
    pub(crate) const fn err_colour(&self) -> bool {
        self.err_colour
    }

    /// Whether a bar can be drawn on stderr.
    pub(crate) const fn draws(&self) -> bool {
        self.err_terminal && !self.flags.quiet && !self.flags.json && !self.flags.no_progress
    }

    /// Lines that were put together by us, colour included.
    pub(crate) fn screen(&self, text: &str) -> Result<(), Failure> {
        self.write(format!("{text}\n").as_bytes())
    }

    /// One line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(value)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Labels and what they stand for, one below the other.
    pub(crate) fn fields(&self, fields: &[(String, String)]) -> Result<(), Failure> {
        let width = fields.iter().map(|(label, _)| label.chars().count()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for (label, value) in fields {
            let label = self.paint(Style::Bold, &format!("{:<width$}", harmless(label)));
            text.push_str(format!("{label}  {}", harmless(value)).trim_end());
            text.push('\n');
        }
        self.write(text.as_bytes())
    }

    /// Rows under a header, in columns.
    pub(crate) fn table(&self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| cell.chars().count());
            cells
                .chain([header[column].chars().count()])
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells
                .zip(&widths)
                .map(|(text, &width)| format!("{text:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = self.paint(Style::Bold, &line(&mut header.iter().copied()));
        for row in rows {
            text.push('\n');
            text.push_str(&harmless(&line(&mut row.iter().map(String::as_str))));
        }
        text.push('\n');
        self.write(text.as_bytes())
    }

    /// Text for stdout that comes ready-made, such as clap's.
    pub(crate) fn help(&self, text: &clap::builder::StyledStr) -> Result<(), Failure> {
        let text = if self.out_colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        self.write(text.as_bytes())
    }

    /// Text for stderr that comes ready-made, such as clap's.
    pub(crate) fn usage(&self, text: &clap::builder::StyledStr) {
        let text = if self.err_colour {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        complain(text.trim_end());
    }

    /// Something worth knowing that is not data; silent with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if self.flags.quiet {
            return;
        }
        if self.flags.json {
            complain(&serde_json::json!({ "note": text }).to_string());
        } else {
            let mark = paint(self.err_colour, Style::Dim, "note:");
            complain(&format!("{mark} {}", harmless(text)));
        }
    }

    /// Says what is left to say, and gives the exit code.
    pub(crate) fn finish(&self, outcome: Result<(), Failure>) -> u8 {
        match outcome {
            Ok(()) | Err(Failure::Closed) => DONE,
            Err(Failure::Said) => USER,
            Err(Failure::Refused(refusal)) => {
                complain(&self.render(&refusal));
                if refusal.code.user_can_fix() {
                    USER
                } else {
                    OURS
                }
            }
        }
    }

    fn render(&self, refusal: &Refusal) -> String {
        if self.flags.json {
            // Strings and an enum of unit variants have a JSON form.
            return serde_json::to_string(refusal).unwrap_or_default();
        }
        let mark = paint(self.err_colour, Style::Red, "error:");
        let mut text = format!("{mark} {}", harmless(&refusal.what));
        if let Some(hint) = &refusal.hint {
            let mark = paint(self.err_colour, Style::Cyan, "hint:");
            text.push('\n');
            text.push_str(&mark);
            text.push(' ');
            text.push_str(&harmless(hint));
        }
        text
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = self.stdout.lock();
        let error = match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::Closed),
            Err(error) => error,
        };
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
            _ => Code::Io,
        };
        Err(Refusal::new(code, format!("cannot write to stdout: {error}")).into())
    }

    /// Sets text off, where stdout is in colour.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        paint(self.out_colour, style, text)
    }
}

/// Writes a line to stderr. If even that fails there is nobody left to tell.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Text without what could steer a terminal: the texts of models and files are somebody else's.
fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn paint(colour: bool, style: Style, text: &str) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match style {
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Red => "1;31",
        Style::Cyan => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\tc\nd"), "a\\u{1b}[2Jb\tc\nd");
    }
}
