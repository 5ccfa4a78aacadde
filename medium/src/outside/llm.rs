//! A call of a language model: its tools, its tries, its stream.

use std::time::Duration;

use actors::behaviour::Behaviour;
use adapters::outside::Llm;
use adapters::outside::call::{CHUNK, Came, Chat, Chunk, Said, Usage};
use adapters::outside::chat::{Answering, ChatError, EVENT_BYTES_MAX, Events, clipped};
use adapters::outside::llm::LlmSpec;
use genesis::refusal::{Code, Refusal};
use parking_lot::Mutex;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{Making, failed};
use super::http::{key_of, unreached};
use super::tools::{self, Offer};

/// Longest wait before a call is tried again, whatever the server says, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;
/// Most bytes of an answer, events and all.
const STREAM_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How much of what a server says about a failure is read, in bytes.
const COMPLAINT_BYTES_MAX: usize = 16 * 1024;
/// A piece of an answer goes on once it has so many bytes, or is so old.
const PIECE_BYTES: usize = 256;
const PIECE_AGE: Duration = Duration::from_millis(200);

/// Why a try failed.
enum Failed {
    /// It may be different next time; after so many milliseconds, if the server said.
    Again(Refusal, Option<u64>),
    /// It will not be.
    Never(Refusal),
}

/// Calls the model until it answers, or it makes no sense any more. What broken answers cost is counted in `wasted`.
pub(super) async fn chat(making: &Making, chat: Chat, wasted: &Mutex<Usage>) -> Came {
    let offers = match offers(making).await {
        Ok(offers) => offers,
        Err(why) => return failed(why),
    };
    let mut body = json!({
        "model": chat.model,
        "messages": chat.messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if let Some(max) = chat.max_tokens {
        body["max_tokens"] = max.into();
    }
    if !offers.is_empty() {
        body["tools"] = offers.iter().map(Offer::to_json).collect();
    }
    let url = format!("{}/chat/completions", chat.base);
    let asked = body.to_string().len();
    let mut wait_ms = chat.wait_ms;
    for number in 1.. {
        let outcome = attempt(making, &url, &body, chat.stream, asked, wasted).await;
        let (why, again_ms) = match outcome {
            Ok(mut said) => {
                tools::mean(&mut said.calls, &offers);
                said.usage = said.usage.plus(*wasted.lock());
                return Came::Chat(said);
            }
            Err(Failed::Never(why)) => (why, None),
            Err(Failed::Again(why, after_ms)) => {
                let after_ms = after_ms.unwrap_or(wait_ms).min(WAIT_MS_MAX);
                (why, Some(after_ms).filter(|_| number < chat.tries))
            }
        };
        let again = again_ms.map_or_else(String::new, |ms| format!("; again in {ms} ms"));
        let line = format!(
            "call {}, try {number} of {}: {}: {}{again}",
            making.number, chat.tries, why.code, why.what
        );
        let _ = making.mouth.runtime.note(making.vc, line).await;
        let Some(again_ms) = again_ms else {
            return Came::Failed {
                why,
                usage: *wasted.lock(),
            };
        };
        tokio::time::sleep(Duration::from_millis(again_ms)).await;
        wait_ms = wait_ms.saturating_mul(2).min(WAIT_MS_MAX);
    }
    failed(Refusal::new(Code::Internal, "it was never tried"))
}

/// What the model is offered as tools: the contacts of the VC that speaks for it.
async fn offers(making: &Making) -> Result<Vec<Offer>, Refusal> {
    let runtime = &making.mouth.runtime;
    let parts = runtime.native_parts(making.vc).await?;
    let argument = parts.iter().find(|(name, _)| name == Llm::NAME);
    let spec = argument.map(|(_, argument)| LlmSpec::read(argument));
    let spec = spec.transpose();
    let spec = spec.map_err(|why| Refusal::new(Code::Malformed, why).who(making.vc))?;
    let described = spec.map(|spec| spec.tools).unwrap_or_default();
    let (offers, left_out) = tools::of(runtime, making.vc, &described).await?;
    if left_out > 0 {
        let line = format!(
            "call {}: {left_out} tools more are not offered, {} are",
            making.number,
            offers.len()
        );
        let _ = runtime.note(making.vc, line).await;
    }
    Ok(offers)
}

async fn attempt(
    making: &Making,
    url: &str,
    body: &Value,
    stream: bool,
    asked: usize,
    wasted: &Mutex<Usage>,
) -> Result<Said, Failed> {
    let request = making.client.post(url).json(body);
    let request = request.header("idempotency-key", key_of(making));
    let request = request.header("accept", "text/event-stream, application/json");
    let response = making.secret.open(request).send().await;
    let response = response.map_err(|error| Failed::Again(unreached(making, &error), None))?;
    if !response.status().is_success() {
        return Err(complaint(making, response).await);
    }
    let mut answering = Answering::default();
    // While it comes it is counted as if it broke off: a call that is given up in the middle was paid for as well.
    let before = *wasted.lock();
    let counted = |answering: &Answering| *wasted.lock() = before.plus(answering.usage(asked));
    counted(&answering);
    let read = answer(making, response, stream, &mut answering, &counted).await;
    counted(&answering);
    read?;
    *wasted.lock() = before;
    let mut said = answering.said(asked);
    said.text = making.secret.hide(said.text);
    for call in &mut said.calls {
        for text in [&mut call.id, &mut call.name, &mut call.arguments] {
            *text = making.secret.hide(std::mem::take(text));
        }
    }
    Ok(said)
}

/// Reads an answer as it comes.
async fn answer(
    making: &Making,
    mut response: Response,
    stream: bool,
    answering: &mut Answering,
    counted: &(impl Fn(&Answering) + Sync),
) -> Result<(), Failed> {
    let kind = response.headers().get("content-type");
    let is_whole = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let never = |code: Code, what: String| {
        let hint = "see what the server at `base` speaks, and `answer_tokens_max`";
        Failed::Never(Refusal::new(code, making.secret.hide(what)).hint(hint))
    };
    let wrong = |error: &ChatError| match error {
        ChatError::TooLong | ChatError::TooManyCalls => never(Code::TooLarge, error.to_string()),
        ChatError::Form(_) => never(Code::Malformed, error.to_string()),
        // What fails in the middle of an answer is a server in trouble.
        ChatError::Server(_) => {
            let what = making.secret.hide(error.to_string());
            Failed::Again(Refusal::new(Code::Unreachable, what), None)
        }
    };
    let (mut events, mut whole, mut bytes) = (Events::default(), Vec::new(), 0_usize);
    let (mut told, mut told_at) = (0, Instant::now());
    loop {
        let piece = response.chunk().await;
        let piece = piece.map_err(|error| Failed::Again(unreached(making, &error), None))?;
        let Some(piece) = piece else { break };
        bytes += piece.len();
        if bytes > STREAM_BYTES_MAX || is_whole && bytes > EVENT_BYTES_MAX {
            return Err(never(
                Code::TooLarge,
                format!("the answer has more than {bytes} bytes"),
            ));
        }
        if is_whole {
            whole.extend_from_slice(&piece);
            continue;
        }
        let found = events.take(&piece);
        for data in found.map_err(|error| never(Code::TooLarge, error.to_string()))? {
            answering.take(&data).map_err(|error| wrong(&error))?;
        }
        counted(answering);
        let fresh = answering.text().len() - told;
        if stream && fresh > 0 && (fresh >= PIECE_BYTES || told_at.elapsed() >= PIECE_AGE) {
            told = tell(making, answering.text(), told, false).await;
            told_at = Instant::now();
        }
    }
    if is_whole {
        let text = String::from_utf8_lossy(&whole);
        answering.take(&text).map_err(|error| wrong(&error))?;
    }
    if !answering.is_finished() {
        let what = format!("the answer broke off after {bytes} bytes");
        return Err(Failed::Again(Refusal::new(Code::Unreachable, what), None));
    }
    if stream {
        tell(making, answering.text(), told, true).await;
    }
    Ok(())
}

/// Tells who asked what came since; gives how much they were told.
async fn tell(making: &Making, text: &str, told: usize, is_all: bool) -> usize {
    let until = if is_all {
        text.len()
    } else {
        text.floor_char_boundary(text.len() - making.secret.begun_in(text.as_bytes()))
    };
    // What may be the beginning of a secret waits until it is known to be one or not.
    if until <= told {
        return told;
    }
    let chunk = Chunk {
        number: making.number,
        at: told,
        text: making.secret.hide(text[told..until].to_owned()),
    };
    let bytes = serde_json::to_vec(&chunk).unwrap_or_default();
    // Whoever does not hear gets the whole answer, or is stopped.
    let _ = making.mouth.say(CHUNK, bytes, None).await;
    until
}

/// What a server that refuses says, and whether it makes sense to ask again.
async fn complaint(making: &Making, mut response: Response) -> Failed {
    let status = response.status();
    let after = response.headers().get("retry-after");
    let after = after.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let after_ms = after.map(|seconds| seconds.saturating_mul(1000));
    let mut said = Vec::new();
    while said.len() < COMPLAINT_BYTES_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        said.extend_from_slice(&piece[..piece.len().min(COMPLAINT_BYTES_MAX - said.len())]);
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    let message = serde_json::from_str::<Value>(&said).ok();
    let message = message.and_then(|json| Some(json["error"]["message"].as_str()?.to_owned()));
    // Hidden before it is cut, so that no half of it is left.
    let said = clipped(&making.secret.hide(message.unwrap_or(said)));
    let what = format!("the server answered {status}: {said}");
    let code = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::Denied,
        StatusCode::TOO_MANY_REQUESTS => Code::Busy,
        StatusCode::NOT_FOUND => Code::Unknown,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Code::Timeout,
        _ if status.is_server_error() => Code::Unreachable,
        _ => Code::Malformed,
    };
    let why = Refusal::new(code, what);
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Failed::Again(why, after_ms),
        _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
            Failed::Again(why, after_ms)
        }
        _ => Failed::Never(why),
    }
}
