//! `top`: the busiest VCs, as they are now and again and again.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Result;
use genesis::refusal::Refusal;
use genesis::time::Time;
use rustix::termios::tcgetwinsize;
use serde::Deserialize;
use serde_json::Value;

use super::Context;
use super::console::{Screen, keys};
use super::list::understood;
use super::up::Signals;
use crate::cli::{By, Top};
use crate::client::Client;
use crate::client::seen::{Summary, purse_brief, short};
use crate::printer::{clip, columns};

/// Rows where nothing says how many fit.
const ROWS_DEFAULT: usize = 20;
/// Lines above the rows: what all do, and the header.
const LINES_ABOVE: usize = 2;
/// Most characters of a name that are shown.
const NAME_CHARS_MAX: usize = 32;
/// How long to wait where nothing is measured: time is virtual there and rates are none.
const UNMEASURED: Duration = Duration::from_secs(1);
/// The columns.
const HEADER: [&str; 10] = [
    "ID", "NAME", "LIFE", "MAILBOX", "TURNS/S", "FUEL/S", "FUEL", "PURSE", "RESTARTS", "FAULTS",
];

/// What a node says of its busiest.
#[derive(Debug, Deserialize)]
struct Look {
    at: u64,
    over_ms: u64,
    seqs: Vec<u64>,
    live: u64,
    stopped: u64,
    queued: u64,
    rate: Option<u64>,
    rows: Vec<Row>,
}

/// One of them.
#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    summary: Summary,
    rate: Option<u64>,
    fuel: u64,
    fuel_rate: Option<u64>,
}

/// Shows the busiest VCs until it is told to end.
pub(crate) async fn top(context: Context<'_>, options: &Top) -> Result<()> {
    let client = context.client()?;
    let on_screen = context.printer.is_terminal() && io::stdin().is_terminal();
    if options.once || context.printer.is_json() || !on_screen {
        return lines(context, &client, options).await;
    }
    // First without touching the terminal: what fails is said on it as it is.
    let first = look(&client, options, options.by, 1).await?;
    let screen = Screen::open("a table that goes on", "`--once` prints it once", 20, 3)?;
    let ended = live(context, &client, options, understood(first)?).await;
    drop(screen);
    ended
}

/// Look after look, each printed below the one before: for scripts, files and `--once`.
async fn lines(context: Context<'_>, client: &Client, options: &Top) -> Result<()> {
    let mut signals = Signals::new()?;
    loop {
        let asked = look(client, options, options.by, options.every);
        let look = tokio::select! {
            look = asked => look?,
            () = signals.next() => return Ok(()),
        };
        let over_ms = look["over_ms"].as_u64();
        if context.printer.is_json() {
            context.printer.json(&look)?;
        } else {
            let look: Look = understood(look)?;
            context.printer.text(&headline(&look))?;
            let rows: Vec<_> = look.rows.iter().map(cells).collect();
            context.printer.table(&HEADER, &rows)?;
        }
        if options.once {
            return Ok(());
        }
        if over_ms == Some(0) {
            tokio::time::sleep(UNMEASURED).await;
        }
    }
}

/// A table that is drawn over and over, until a key or a signal ends it.
async fn live(context: Context<'_>, client: &Client, options: &Top, first: Look) -> Result<()> {
    let mut signals = Signals::new()?;
    let mut keys = keys();
    let mut by = options.by;
    let mut shown = first;
    loop {
        context.printer.bytes(drawn(&shown, by).as_bytes())?;
        let asked = async {
            if shown.over_ms == 0 && shown.at > 0 && options.every > 1 {
                // Nothing was measured, so nothing was waited for.
                let pause = Duration::from_millis(options.every.min(250));
                tokio::time::sleep(pause).await;
            }
            look(client, options, by, options.every).await
        };
        tokio::select! {
            biased; // first what ends it
            () = signals.next() => return Ok(()),
            key = keys.recv() => match key {
                Some(b'r') => by = By::Rate,
                Some(b'f') => by = By::Fuel,
                Some(b'm') => by = By::Mailbox,
                // Ctrl-C, Ctrl-D, Esc, q, or no more keys.
                Some(0x03 | 0x04 | 0x1b | b'q' | b'Q') | None => return Ok(()),
                Some(_) => {}
            },
            look = asked => shown = understood(look?)?,
        }
    }
}

/// Asks for the busiest, measured over so long.
async fn look(client: &Client, options: &Top, by: By, over_ms: u64) -> Result<Value, Refusal> {
    let (_, lines) = size();
    let fits = lines.map(|lines| lines.saturating_sub(LINES_ABOVE + 1).max(1));
    let limit = options.limit.or(fits.filter(|_| !options.once));
    let query = [
        ("by", by.name().to_owned()),
        ("limit", limit.unwrap_or(ROWS_DEFAULT).to_string()),
        ("over", over_ms.to_string()),
    ];
    client.get(&["v1", "top"], &query).await
}

/// Columns and lines of the terminal, if stdout is one that says so.
fn size() -> (Option<usize>, Option<usize>) {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return (None, None);
    }
    let Ok(size) = tcgetwinsize(stdout) else {
        return (None, None);
    };
    let some = |n: u16| (n > 0).then_some(usize::from(n));
    (some(size.ws_col), some(size.ws_row))
}

/// What all of them do, in one line.
fn headline(look: &Look) -> String {
    let rate = look
        .rate
        .map_or_else(String::new, |rate| format!(", {rate} turns/s"));
    let seq = look.seqs.iter().max().copied().unwrap_or_default();
    format!(
        "{}: {} live, {} stopped, {} messages wait{rate}; as of event {seq}",
        Time(look.at),
        look.live,
        look.stopped,
        look.queued
    )
}

fn cells(row: &Row) -> Vec<String> {
    let summary = &row.summary;
    let measured = |rate: Option<u64>| rate.map_or_else(|| "-".to_owned(), |n| n.to_string());
    vec![
        short(&summary.id).to_owned(),
        clip(summary.called(), NAME_CHARS_MAX),
        summary.life.clone(),
        summary.mailbox.to_string(),
        measured(row.rate),
        measured(row.fuel_rate),
        row.fuel.to_string(),
        purse_brief(&summary.purse, &summary.low),
        summary.restarts.to_string(),
        summary.faults.to_string(),
    ]
}

/// A look as it is drawn over the one before, no line wider than the terminal.
fn drawn(look: &Look, by: By) -> String {
    let (width, height) = size();
    let (width, height) = (width.unwrap_or(80), height.unwrap_or(24));
    let rows: Vec<_> = look.rows.iter().map(cells).collect();
    let (head, body) = columns(&HEADER, &rows);
    let above = format!("{}  (by {}; r f m, q ends)", headline(look), by.name());
    let mut text = String::from("\x1b[H");
    let lines = [above, head].into_iter().chain(body);
    for line in lines.take(height.saturating_sub(1)) {
        text.extend(line.chars().take(width));
        text.push_str("\x1b[K\r\n");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn a_look() -> Look {
        let row = json!({
            "id": "vc:abcdefghijk", "name": "storm", "life": "awake", "parts": 2, "mailbox": 7,
            "host": "vc:x", "nested": false, "durable": false, "low": ["messages"],
            "purse": {"fuel": null, "messages": 9, "children": null, "outside": null, "motes": 0},
            "faults": 1, "restarts": 2, "turns": 50, "rate": 40, "fuel": 9000, "fuel_rate": 800,
        });
        serde_json::from_value(json!({
            "at": 0, "over_ms": 1000, "seqs": [7, 9], "live": 3, "stopped": 1, "queued": 7,
            "rate": 41, "rows": [row],
        }))
        .unwrap()
    }

    #[test]
    fn a_look_is_one_line_for_each() {
        let look = a_look();
        assert_eq!(
            headline(&look),
            "1970-01-01T00:00:00.000Z: 3 live, 1 stopped, 7 messages wait, 41 turns/s; as of event 9"
        );
        assert_eq!(
            cells(&look.rows[0]).join("|"),
            "abcdefgh|storm|awake|7|40|800|9000|messages=9!|2|1"
        );
        let text = drawn(&look, By::Rate);
        assert_eq!(text.lines().count(), 4, "{text:?}");
        assert!(text.starts_with("\x1b[H") && text.ends_with("\x1b[J"));
    }
}
