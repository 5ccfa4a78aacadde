//! The only place that prints: data to stdout, everything else to stderr.
//!
//! Both are written with `write`, never with `println!`, so that a reader who has seen enough
//! (`medium ps | head`) is an ordinary error, [`Closed`], and not a panic.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde::Serialize;

/// Whoever read stdout has closed it: nothing is left to do, and nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
pub(crate) struct Closed;

/// How something is set off on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// What a person looks for first.
    Bold,
    /// What can be skipped.
    Dim,
    /// What went well.
    Green,
    /// What did not.
    Red,
    /// What should be done.
    Cyan,
}

/// What reads a stream, as far as one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A program or a file: it gets every byte as it is.
    Program,
    /// A person who wants no colour.
    Person,
    /// A person.
    PersonInColour,
}

impl Reader {
    fn of(stream: &impl IsTerminal, plain: bool) -> Self {
        match (stream.is_terminal(), plain) {
            (false, _) => Self::Program,
            (true, true) => Self::Person,
            (true, false) => Self::PersonInColour,
        }
    }
}

/// Prints, as the flags and the terminal ask for.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
    stdout: io::Stdout,
    stderr: io::Stderr,
    out: Reader,
    err: Reader,
}

impl Printer {
    /// A printer for this process.
    pub(crate) fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        // https://no-color.org: present and not empty.
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let plain = no_color || dumb || set("NO_COLOR");
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let (out, err) = (Reader::of(&stdout, plain), Reader::of(&stderr, plain));
        Self {
            json,
            quiet,
            stdout,
            stderr,
            out,
            err,
        }
    }

    /// Whether `--json` was given.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether `--quiet` was given.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person looks at stdout, as far as one can tell.
    pub(crate) const fn is_terminal(&self) -> bool {
        !matches!(self.out, Reader::Program)
    }

    /// Sets text off, where stdout is in colour.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        paint(self.out, style, text)
    }

    /// One line of data, from a VC or from us; on a terminal, without what could steer the terminal.
    pub(crate) fn text(&self, text: &str) -> Result<()> {
        let mut line = for_reader(self.out, text).into_owned();
        line.push('\n');
        self.write(line.as_bytes())
    }

    /// Lines that were put together by us, colour included: every foreign text in them must have gone
    /// through [`harmless`].
    pub(crate) fn screen(&self, text: &str) -> Result<()> {
        let mut screen = text.to_owned();
        screen.push('\n');
        self.write(screen.as_bytes())
    }

    /// Bytes as they are: an image, a reply that is not text, a page of the manual.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        self.write(bytes)
    }

    /// One line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Rows under a header, in columns; nothing at all for no rows but the header.
    pub(crate) fn table(&self, header: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let (head, body) = columns(header, rows);
        let mut text = self.paint(Style::Bold, &head);
        for line in body {
            text.push('\n');
            text.push_str(&line);
        }
        self.screen(&text)
    }

    /// Labels and what they stand for, one below the other; values may have several lines.
    pub(crate) fn fields(&self, fields: &[(&str, String)]) -> Result<()> {
        let width = fields
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or_default();
        let mut lines = Vec::new();
        for (label, value) in fields {
            let value = harmless(value);
            let mut rest = value.lines();
            let first = rest.next().unwrap_or_default();
            let label = self.paint(Style::Bold, &format!("{label:<width$}"));
            lines.push(format!("{label}  {first}").trim_end().to_owned());
            lines.extend(rest.map(|line| format!("{:width$}  {line}", "")));
        }
        self.screen(&lines.join("\n"))
    }

    /// Something worth knowing that is not data; silent with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if self.quiet {
            return;
        }
        let line = if self.json {
            serde_json::json!({ "note": text }).to_string()
        } else {
            let mark = paint(self.err, Style::Dim, "note:");
            format!("{mark} {}", for_reader(self.err, text))
        };
        self.complain(&line);
    }

    /// How far something is: a line of its own on a terminal, over the one before.
    pub(crate) fn progress(&self, text: &str) {
        if !self.draws() {
            return;
        }
        // If nobody sees it nothing is lost.
        let _ = write!(self.stderr.lock(), "\r{text:<78}\r");
    }

    /// Whether a bar can be drawn on stderr.
    pub(crate) fn draws(&self) -> bool {
        !self.quiet && !self.json && self.err != Reader::Program
    }

    /// How far something is, for a log: one line after the other.
    pub(crate) fn far(&self, line: &str) {
        if !self.quiet && !self.json {
            self.complain(line);
        }
    }

    /// Stdout itself, for bytes that a thread of its own writes there.
    pub(crate) fn raw() -> io::Stdout {
        // A handle, and every one writes to the same buffer.
        io::stdout()
    }

    /// Asks something on stderr and reads the answer from stdin; none where no person is there to answer.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        if self.json || self.err == Reader::Program || !io::stdin().is_terminal() {
            return None;
        }
        let _ = write!(self.stderr.lock(), "{} ", for_reader(self.err, question));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }

    /// What somebody else's program says beside its data: as it comes, on stderr.
    pub(crate) fn aside(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let _ = write!(self.stderr.lock(), "{}", for_reader(self.err, &text));
    }

    /// What failed, and the way out.
    pub(crate) fn error(&self, refusal: &Refusal) {
        self.complain(&self.render(refusal));
    }

    /// Text for stderr that comes ready-made, such as clap's.
    pub(crate) fn usage(&self, text: &clap::builder::StyledStr) {
        self.complain(styled(self.err, text).trim_end());
    }

    /// Text for stdout that comes ready-made, such as clap's.
    pub(crate) fn help(&self, text: &clap::builder::StyledStr) -> Result<()> {
        self.write(styled(self.out, text).as_bytes())
    }

    fn render(&self, refusal: &Refusal) -> String {
        if self.json {
            // Strings and an enum of unit variants have a JSON form.
            return serde_json::to_string(refusal).unwrap_or_default();
        }
        let mark = paint(self.err, Style::Red, "error:");
        let mut text = format!("{mark} {}", for_reader(self.err, &refusal.what));
        if let Some(hint) = &refusal.hint {
            let mark = paint(self.err, Style::Cyan, "hint:");
            text.push('\n');
            text.push_str(&mark);
            text.push(' ');
            text.push_str(&for_reader(self.err, hint));
        }
        text
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut out = self.stdout.lock();
        let error = match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Closed.into()),
            Err(error) => error,
        };
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        let code = if full { Code::DiskFull } else { Code::Io };
        Err(Refusal::new(code, format!("cannot write to stdout: {error}")).into())
    }

    /// Writes a line to stderr. If even that fails there is nobody left to tell.
    fn complain(&self, line: &str) {
        let _ = writeln!(self.stderr.lock(), "{line}");
    }
}

/// Foreign text as this reader should have it.
fn for_reader(reader: Reader, text: &str) -> Cow<'_, str> {
    match reader {
        Reader::Program => Cow::Borrowed(text),
        Reader::Person | Reader::PersonInColour => harmless(text),
    }
}

fn styled(reader: Reader, text: &clap::builder::StyledStr) -> String {
    match reader {
        Reader::PersonInColour => text.ansi().to_string(),
        Reader::Program | Reader::Person => text.to_string(),
    }
}

/// Foreign text without what could steer a terminal: control characters, but for line ends and tabs,
/// are shown as escapes.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The first line of a text, at most so many characters of it, with a mark where something is missing.
pub(crate) fn clip(text: &str, chars_max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut clipped: String = line.chars().take(chars_max).collect();
    if clipped.len() < text.trim_end_matches('\n').len() {
        clipped.push('…');
    }
    clipped
}

/// A header and rows with every column as wide as its widest cell.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> (String, Vec<String>) {
    // A cell is one line, whatever its text is.
    let cell = |text: &str| harmless(text).replace(['\n', '\t'], " ");
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|text| cell(text)).collect())
        .collect();
    let width = |column: usize| {
        let of = |text: &str| text.chars().count();
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|text| of(text));
        cells
            .chain(header.get(column).map(|text| of(text)))
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
    let head = line(&mut header.iter().copied());
    let body = rows
        .iter()
        .map(|row| line(&mut row.iter().map(String::as_str)))
        .collect();
    (head, body)
}

fn paint(reader: Reader, style: Style, text: &str) -> String {
    if reader != Reader::PersonInColour {
        return text.to_owned();
    }
    let code = match style {
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Green => "32",
        Style::Red => "1;31",
        Style::Cyan => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(json: bool) -> Printer {
        let (out, err) = (Reader::Program, Reader::Program);
        Printer {
            json,
            quiet: false,
            stdout: io::stdout(),
            stderr: io::stderr(),
            out,
            err,
        }
    }

    #[test]
    fn an_error_says_what_failed_and_the_way_out() {
        let refusal = Refusal::new(Code::Busy, "mailbox of vc:7 is full (1024 messages)")
            .who("vc:7")
            .hint("`medium show vc:7` shows what it waits for");
        insta::assert_snapshot!(plain(false).render(&refusal), @r"
        error: mailbox of vc:7 is full (1024 messages)
        hint: `medium show vc:7` shows what it waits for
        ");
        let json = plain(true).render(&refusal);
        assert_eq!(serde_json::from_str::<Refusal>(&json).unwrap(), refusal);
    }

    #[test]
    fn foreign_text_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\tc\nd"), "a\\u{1b}[2Jb\tc\nd");
        assert_eq!(harmless("Grüße ∞"), "Grüße ∞");
    }

    #[test]
    fn columns_line_up_by_characters() {
        let rows = [
            vec!["ünï".to_owned(), "1\n2".to_owned()],
            vec!["b".to_owned(), String::new()],
        ];
        let (head, body) = columns(&["NAME", "N"], &rows);
        assert_eq!(
            (head.as_str(), body),
            ("NAME  N", vec!["ünï   1 2".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn clipping_marks_what_is_missing() {
        assert_eq!(clip("one\ntwo", 10), "one…");
        assert_eq!(clip("abcdef", 3), "abc…");
        assert_eq!(clip("abc\n", 3), "abc");
    }
}
