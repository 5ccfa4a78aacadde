//! A call of a server.

use std::collections::BTreeMap;

use adapters::outside::call::{Came, Fetch, Fetched};
use data_encoding::BASE64;
use genesis::refusal::{Code, Refusal};
use reqwest::{Method, Response};

use super::call::{Making, failed};

/// Headers of an answer that are handed on.
const HEADERS: [&str; 7] = [
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "retry-after",
];
/// Longest value of one, in bytes; longer ones are left out.
const HEADER_BYTES_MAX: usize = 512;
/// Most bytes of a text in JSON, where some bytes take six; a longer one travels as base64.
const TEXT_BYTES_MAX: usize = 60_000;

/// Makes the call, once: whether it may be made again is known to who asked.
pub(super) async fn fetch(making: &Making, fetch: Fetch) -> Came {
    let method = match Method::from_bytes(fetch.method.as_bytes()) {
        Ok(method) => method,
        Err(error) => return failed(Refusal::new(Code::Malformed, error.to_string())),
    };
    let mut request = making.client.request(method, &fetch.url);
    for (name, value) in &fetch.headers {
        request = request.header(name, value);
    }
    if let Some(body) = fetch.body {
        request = request.body(body);
    }
    let request = request.header("idempotency-key", key_of(making));
    let response = match making.secret.open(request).send().await {
        Ok(response) => response,
        Err(error) => return failed(unreached(making, &error)),
    };
    match read(making, response, fetch.bytes_max).await {
        Ok(fetched) => Came::Http(fetched),
        Err(why) => failed(why),
    }
}

async fn read(
    making: &Making,
    mut response: Response,
    bytes_max: usize,
) -> Result<Fetched, Refusal> {
    let status = response.status().as_u16();
    let mut headers = BTreeMap::new();
    for name in HEADERS {
        let value = response.headers().get(name);
        if let Some(Ok(value)) = value.map(|value| value.to_str())
            && value.len() <= HEADER_BYTES_MAX
        {
            headers.insert(name.to_owned(), making.secret.hide(value.to_owned()));
        }
    }
    let mut body = Vec::new();
    let mut truncated = false;
    while !truncated
        && let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| unreached(making, &error))?
    {
        let room = bytes_max - body.len();
        truncated = piece.len() > room;
        body.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    let mut body = making.secret.hide_bytes(body);
    if truncated {
        // A secret may have been cut off in the middle, and so may a character.
        body.truncate(body.len() - making.secret.begun_in(&body));
        if let Err(error) = std::str::from_utf8(&body)
            && error.error_len().is_none()
        {
            body.truncate(error.valid_up_to());
        }
    }
    let fits = |text: &str| serde_json::to_string(text).is_ok_and(|t| t.len() <= TEXT_BYTES_MAX);
    let (text, base64) = match String::from_utf8(body) {
        Ok(text) if fits(&text) => (Some(text), None),
        Ok(text) => (None, Some(BASE64.encode(text.as_bytes()))),
        Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
    };
    Ok(Fetched {
        status,
        headers,
        text,
        base64,
        truncated,
    })
}

/// The name by which a server knows a call that comes a second time.
pub(super) fn key_of(making: &Making) -> String {
    format!("{}-{}", making.vc, making.number)
}

/// That a server was not reached, or went away.
pub(super) fn unreached(making: &Making, error: &reqwest::Error) -> Refusal {
    let mut what = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        what = format!("{what}: {inner}");
        cause = inner.source();
    }
    let code = if error.is_timeout() {
        Code::Timeout
    } else {
        Code::Unreachable
    };
    Refusal::new(code, making.secret.hide(what)).hint("see whether the server runs, and where")
}
