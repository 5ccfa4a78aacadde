//! `send`: a message, and its reply.

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use reqwest::Body;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Context;
use crate::cli::Send;
use crate::client::seen::Reply;
use crate::client::{Client, Manner};
use crate::report::file_refused;

/// How much of a file is in memory at one time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Sends a message; prints the reply or, without waiting for one, the message's id.
pub(crate) async fn send(context: Context<'_>, options: Send) -> Result<()> {
    let client = context.client()?;
    let contents = contents(options.file.as_deref(), options.text).await?;
    let manner = Manner {
        channel: Some(options.channel.as_str()),
        wait_ms: options.wait,
        expires_ms: options.expires,
        key: options.key.as_deref(),
    };
    let sent = client.send(&options.vc, contents, manner).await?;
    if sent.duplicate {
        context
            .printer
            .note("this key was seen before: the first message counts, this one does not");
    }
    if context.printer.is_json() {
        context.printer.json(&sent)?;
    }
    match &sent.reply {
        Some(reply) => answered(context, reply),
        None if options.wait == 0 && context.printer.is_json() => Ok(()),
        None if options.wait == 0 => context.printer.text(&sent.message),
        None => Err(
            unanswered(&client, &options.vc, options.wait, &sent.message)
                .await
                .into(),
        ),
    }
}

fn answered(context: Context<'_>, reply: &Reply) -> Result<()> {
    let printer = context.printer;
    if reply.kind == "bounce" || reply.error.is_some() {
        let why = reply.error.clone().unwrap_or_else(|| {
            let text = reply.text.as_deref().unwrap_or("the message came back");
            Refusal::new(Code::Fault, text)
        });
        return Err(why.into());
    }
    if printer.is_json() {
        return Ok(());
    }
    match (&reply.text, reply.bytes()) {
        (Some(text), _) => printer.text(text),
        (None, Some(bytes)) if printer.is_terminal() => {
            printer.note(&format!(
                "the reply is {} bytes that are not text; `> FILE` keeps them, `--json` shows them",
                bytes.len()
            ));
            Ok(())
        }
        (None, bytes) => printer.bytes(&bytes.unwrap_or_default()),
    }
}

/// No reply in time: what became of the message, as far as the node knows.
async fn unanswered(client: &Client, vc: &str, wait_ms: u64, message: &str) -> Refusal {
    let seen: Result<Value, Refusal> = client.get(&["v1", "messages", message], &[]).await;
    let seen = seen.unwrap_or_default();
    let became = match seen["fate"]["fate"].as_str() {
        Some("consumed") => "was consumed, without a reply so far",
        Some("bounced") => "came back",
        Some("dead") => "ended without a reader",
        _ => "stays queued",
    };
    Refusal::new(
        Code::Timeout,
        format!("no reply from `{vc}` within {wait_ms} ms; the message {message} {became}"),
    )
    .who(message)
    .hint(format!(
        "`medium explain {message}` says more, `medium show {vc}` how {vc} is"
    ))
}

/// The contents: what was given, or a stream of a file or of stdin, which may be of any size.
async fn contents(file: Option<&Path>, text: Option<String>) -> Result<Body, Refusal> {
    match (file, text) {
        (Some(path), _) if path != Path::new("-") => {
            let refused = |error: std::io::Error| file_refused("read", path, &error);
            let file = tokio::fs::File::open(path).await.map_err(refused)?;
            let about = file.metadata().await.map_err(refused)?;
            if about.is_dir() {
                return Err(refused(std::io::ErrorKind::IsADirectory.into()));
            }
            // What is not a file may have a length of 0 and go on without end.
            fits(&format!("`{}`", path.display()), about.len())?;
            Ok(streamed(file))
        }
        (None, Some(text)) if text != "-" => {
            fits("the text", text.len() as u64)?;
            Ok(text.into())
        }
        _ => Ok(streamed(tokio::io::stdin())),
    }
}

/// Whether contents of this length can be sent, as far as is known before the node is asked.
fn fits(what: &str, bytes: u64) -> Result<(), Refusal> {
    let max = CONTENTS_INLINE_MAX as u64;
    if bytes <= max {
        return Ok(());
    }
    let what = format!("a message has at most {max} bytes, {what} has {bytes}");
    Err(Refusal::new(Code::TooLarge, what)
        .hint("longer contents are not streamed yet: send them in pieces"))
}

fn streamed<R: AsyncRead + Unpin + std::marker::Send + 'static>(reader: R) -> Body {
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = reader.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), reader)))
    });
    Body::wrap_stream(chunks)
}
