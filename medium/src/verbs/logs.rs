//! `logs`: what a VC wrote, and with `-f` what it goes on to write.
//!
//! Events only say *that* something was written; the lines themselves are always read from the log, by
//! number. So none is shown twice, none is missed without a word, and following goes on where it was
//! after the connection was lost.

use std::time::Duration;

use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::Value;

use super::Context;
use super::list::understood;
use crate::cli::Logs;
use crate::client::Client;
use crate::client::events::Frame;
use crate::client::seen::LogPage;
use crate::printer::Printer;

/// How often a lost node is looked for before it is given up.
const TRIES_MAX: u32 = 20;
/// How long to wait before it is looked for again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Shows a VC's log.
pub(crate) async fn logs(context: Context<'_>, options: &Logs) -> Result<()> {
    let client = context.client()?;
    let mut reader = Reader {
        client,
        printer: context.printer,
        vc: &options.vc,
        last: options.after,
        found: false,
    };
    if !options.follow {
        return reader.catch_up().await;
    }
    // Names may change hands; what is followed is one VC.
    let portrait = reader.client.portrait(&options.vc).await?;
    let id = portrait.summary.id.clone();
    reader.vc = &id;
    tokio::select! {
        ended = reader.follow(context) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// Reads one VC's log in order.
struct Reader<'a> {
    client: Client,
    printer: &'a Printer,
    vc: &'a str,
    /// The number of the last line that was shown.
    last: u64,
    /// Whether the node was ever there.
    found: bool,
}

/// Whether the node does not answer, or is shutting down: then it may be back soon.
fn is_unreachable(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refusal>()
        .is_some_and(|refusal| refusal.code == Code::Unreachable)
}

/// Why following stopped for now.
enum Pause {
    /// The VC writes no more.
    Ended,
    /// The connection was lost.
    Lost,
}

impl Reader<'_> {
    /// Shows everything there is after the last line: a log is a ring that fits one page.
    async fn catch_up(&mut self) -> Result<()> {
        let page = self.page(self.last).await?;
        let LogPage { lines } = understood(page.clone())?;
        let Some(first) = lines.first() else {
            return Ok(());
        };
        let dropped = first.seq.saturating_sub(self.last.saturating_add(1));
        if dropped > 0 {
            self.printer.note(&format!(
                "{dropped} lines were dropped before line {}",
                first.seq
            ));
        }
        let raw = page["lines"].as_array().cloned().unwrap_or_default();
        for (line, raw) in lines.iter().zip(raw) {
            if self.printer.is_json() {
                self.printer.json(&raw)?;
            } else {
                self.printer.text(&line.text)?;
            }
            self.last = self.last.max(line.seq);
        }
        Ok(())
    }

    async fn page(&self, after: u64) -> Result<Value, Refusal> {
        let query = [("after", after.to_string())];
        self.client
            .get(&["v1", "vcs", self.vc, "logs"], &query)
            .await
    }

    /// Goes on until the VC stops, or the node is gone for good.
    async fn follow(&mut self, context: Context<'_>) -> Result<()> {
        let mut tries = 0;
        loop {
            match self.follow_on(tries).await {
                Ok(Pause::Ended) => return Ok(()),
                Ok(Pause::Lost) => tries = 0,
                Err(error) if !is_unreachable(&error) => return Err(error),
                // Whoever never found the node has asked for the wrong one.
                Err(error) if tries >= TRIES_MAX || !self.found => return Err(error),
                Err(_) => {}
            }
            if tries == 0 {
                self.printer
                    .note("the connection to the node was lost; looking for it again");
            }
            tries += 1;
            tokio::time::sleep(TRY_AGAIN).await;
            // One that was started again may be at another address; until it says so, the old one holds.
            if let Ok(client) = context.client() {
                self.client = client;
            }
        }
    }

    /// Shows lines as they are written, until the VC stops or the connection is lost.
    async fn follow_on(&mut self, tries: u32) -> Result<Pause> {
        // First the socket, then the lines: what is written in between is not missed.
        let mut events = self.client.events().await?;
        if tries > 0 {
            self.begin_anew_if_numbers_did().await?;
            self.printer.note("the node answers again");
        }
        self.found = true;
        self.catch_up().await?;
        let about = self.client.portrait(self.vc).await?;
        if matches!(about.summary.life.as_str(), "stopped" | "removed") {
            events.close().await;
            return Ok(self.ended());
        }
        while let Some(frame) = events.next().await {
            match frame {
                Frame::Event { kind, vc, .. } if vc.as_deref() == Some(self.vc) => {
                    match kind.as_str() {
                        "output" => self.catch_up().await?,
                        "stopped" => {
                            self.catch_up().await?;
                            return Ok(self.ended());
                        }
                        "removed" => return Ok(self.ended()),
                        _ => {}
                    }
                }
                // Some of what was dropped may have been about this VC.
                Frame::Lagged { .. } => self.catch_up().await?,
                _ => {}
            }
        }
        Ok(Pause::Lost)
    }

    fn ended(&self) -> Pause {
        self.printer.note("it has stopped and writes no more");
        Pause::Ended
    }

    /// A node that was started again may number a log from 1: then the last number known here is ahead
    /// of all there is, and would hide what is new.
    async fn begin_anew_if_numbers_did(&mut self) -> Result<()> {
        let ahead = understood::<LogPage>(self.page(self.last.saturating_sub(1)).await?)?;
        if self.last > 0 && ahead.lines.is_empty() {
            self.last = 0;
        }
        Ok(())
    }
}
