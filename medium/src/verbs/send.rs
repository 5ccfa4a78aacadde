//! `send`: a message, and its reply.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use reqwest::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Context;
use super::stream::{Output, Progress};
use crate::cli::Send;
use crate::client::seen::Reply;
use crate::client::{Client, Manner};
use crate::report::file_refused;

/// How much of a file is in memory at one time, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Sends a message; prints the reply or, without waiting for one, the message's id.
pub(crate) async fn send(context: Context<'_>, options: Send) -> Result<()> {
    let client = context.client()?;
    let output = options.out.as_deref().map(Output::to_file).transpose()?;
    let contents = contents(options.file.as_deref(), options.text).await?;
    let manner = Manner {
        channel: Some(options.channel.as_str()),
        wait_ms: options.wait,
        expires_ms: options.expires,
        key: options.key.as_deref(),
        by_reference: matches!(contents, Given::Long { .. }),
    };
    let body = match contents {
        Given::Short(bytes) => Body::from(bytes),
        Given::Long { source, bytes } => {
            // Nothing is sent that nobody could receive.
            client.portrait(&options.vc).await?;
            let digest = store(context, &client, source, bytes).await?;
            Body::from(json!({ "ref": digest }).to_string())
        }
    };
    let sent = client.send(&options.vc, body, manner).await?;
    if sent.duplicate {
        context
            .printer
            .note("this key was seen before: the first message counts, this one does not");
    }
    if context.printer.is_json() {
        context.printer.json(&sent)?;
    }
    match &sent.reply {
        Some(reply) => answered(context, &client, reply, output).await,
        None if options.wait == 0 && context.printer.is_json() => Ok(()),
        None if options.wait == 0 => context.printer.text(&sent.message),
        None => Err(
            unanswered(&client, &options.vc, options.wait, &sent.message)
                .await
                .into(),
        ),
    }
}

/// Has the node store long contents, and says how far it is; gives their digest.
async fn store(
    context: Context<'_>,
    client: &Client,
    source: Source,
    bytes: Option<u64>,
) -> Result<String, Refusal> {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let counted = source.map(move |piece: std::io::Result<Bytes>| {
        let len = piece.as_ref().map_or(0, Bytes::len);
        counter.fetch_add(len as u64, Ordering::Relaxed);
        piece
    });
    let mut progress = Progress::new(context.printer, "sent", bytes);
    let storing = client.store(Body::wrap_stream(counted));
    tokio::pin!(storing);
    loop {
        tokio::select! {
            biased;
            stored = &mut storing => return stored.map(|stored| stored.digest),
            () = progress.pause() => progress.show(sent.load(Ordering::Relaxed)),
        }
    }
}

async fn answered(
    context: Context<'_>,
    client: &Client,
    reply: &Reply,
    output: Option<Output>,
) -> Result<()> {
    let printer = context.printer;
    if reply.kind == "bounce" || reply.error.is_some() {
        let why = reply.error.clone().unwrap_or_else(|| {
            let text = reply.text.as_deref().unwrap_or("the message came back");
            Refusal::new(Code::Fault, text)
        });
        return Err(why.into());
    }
    if let Some(digest) = &reply.reference {
        return fetched(context, client, digest, reply.len, output).await;
    }
    if let Some(mut output) = output {
        let bytes = reply.bytes().unwrap_or_default();
        output.write(reply.text.as_ref().map_or(&bytes, |text| text.as_bytes()))?;
        return Ok(output.finish()?);
    }
    if printer.is_json() {
        return Ok(());
    }
    match (&reply.text, reply.bytes()) {
        (Some(text), _) => printer.text(text),
        (None, Some(bytes)) if printer.is_terminal() => {
            printer.note(&format!(
                "the reply is {} bytes that are not text; `--out FILE` keeps them, `--json` shows them",
                bytes.len()
            ));
            Ok(())
        }
        (None, bytes) => printer.bytes(&bytes.unwrap_or_default()),
    }
}

/// A reply that is too long for a message: into a file, or to whoever reads stdout and is no person.
async fn fetched(
    context: Context<'_>,
    client: &Client,
    digest: &str,
    bytes: Option<u64>,
    mut output: Option<Output>,
) -> Result<()> {
    let printer = context.printer;
    if output.is_none() && printer.is_json() {
        return Ok(());
    }
    if output.is_none() && printer.is_terminal() {
        printer.note(&format!(
            "the reply is {} bytes with digest {digest}; `--out FILE` keeps them",
            bytes.unwrap_or_default()
        ));
        return Ok(());
    }
    let mut progress = Progress::new(printer, "received", bytes);
    let mut pieces = client.fetch(digest).await?;
    let mut received = 0;
    loop {
        let piece = tokio::select! {
            biased;
            () = progress.pause() => {
                progress.show(received);
                continue;
            }
            piece = pieces.next() => piece?,
        };
        let Some(piece) = piece else { break };
        received += piece.len() as u64;
        match &mut output {
            Some(output) => output.write(&piece)?,
            None => printer.bytes(&piece)?,
        }
    }
    Ok(output.map_or(Ok(()), Output::finish)?)
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

/// Bytes that come one piece after the other.
type Source = stream::BoxStream<'static, std::io::Result<Bytes>>;

/// What is to be sent.
enum Given {
    /// Contents that fit into a message.
    Short(Bytes),
    /// Longer ones, and how long they are, if that is known.
    Long { source: Source, bytes: Option<u64> },
}

/// The contents: what was given, or a file or stdin, which may be of any size.
async fn contents(file: Option<&Path>, text: Option<String>) -> Result<Given, Refusal> {
    match (file, text) {
        (Some(path), _) if path != Path::new("-") => {
            let refused = |error: std::io::Error| file_refused("read", path, &error);
            let file = tokio::fs::File::open(path).await.map_err(refused)?;
            let about = file.metadata().await.map_err(refused)?;
            if about.is_dir() {
                return Err(refused(std::io::ErrorKind::IsADirectory.into()));
            }
            // What is not a file may have a length of 0 and go on without end.
            let bytes = about.is_file().then_some(about.len());
            given(file, bytes, path).await
        }
        (None, Some(text)) if text != "-" => {
            let bytes = Bytes::from(text);
            if bytes.len() <= CONTENTS_INLINE_MAX {
                return Ok(Given::Short(bytes));
            }
            let len = bytes.len() as u64;
            let source = stream::once(async { Ok(bytes) }).boxed();
            let bytes = Some(len);
            Ok(Given::Long { source, bytes })
        }
        _ => given(tokio::io::stdin(), None, &PathBuf::from("-")).await,
    }
}

/// Reads as much as fits into a message, and whether there is more.
async fn given(
    mut reader: impl AsyncRead + Unpin + std::marker::Send + 'static,
    bytes: Option<u64>,
    path: &Path,
) -> Result<Given, Refusal> {
    let mut first = BytesMut::with_capacity(CONTENTS_INLINE_MAX + 1);
    while first.len() <= CONTENTS_INLINE_MAX {
        let read = reader.read_buf(&mut first).await;
        if read.map_err(|error| file_refused("read", path, &error))? == 0 {
            return Ok(Given::Short(first.freeze()));
        }
    }
    let first = first.freeze();
    let rest = stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = reader.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), reader)))
    });
    let source = stream::once(async { Ok(first) }).chain(rest).boxed();
    Ok(Given::Long { source, bytes })
}
