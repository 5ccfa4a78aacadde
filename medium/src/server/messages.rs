//! Messages: sent, asked, shown and explained.

use std::collections::BTreeMap;

use axum::Json as Answered;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::BASE64;
use genesis::channel::Channel;
use genesis::id::{MessageId, VcId};
use genesis::limits::{EXPIRY_MAX_MS, METADATA_ENTRIES_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX};
use genesis::message::{Header, Kind, MessageRef};
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use serde::{Deserialize, Serialize};

use actors::letter::{Contents, Letter};
use actors::view::{Fate, Outgoing, Receipt, Seen};

use super::extract::{Msg, Params, Receiver, read};
use super::failure::{Answer, Failure, clip, malformed};
use super::{Api, contents, worlds};
use crate::stripped::{Stripped, whereabouts};

/// How long an ask may wait, in milliseconds: refuse.
pub const WAIT_MS_MAX: u64 = 600_000;
/// Longest idempotency key, in bytes: refuse.
pub const KEY_BYTES_MAX: usize = 256;
/// What the names of headers that become metadata begin with.
const METADATA_PREFIX: &str = "x-medium-meta-";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendParams {
    channel: Option<String>,
    #[serde(default)]
    wait: u64,
    expires: Option<u64>,
    kind: Option<String>,
}

/// Sends a message on behalf of the owner; with `wait`, gives its answer.
pub(super) async fn send(
    State(api): State<Api>,
    receiver: Receiver,
    Params(params): Params<SendParams>,
    request: Request,
) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let to = match receiver {
        Receiver::Vc(to) => to,
        Receiver::Within(within) => {
            let max = worlds::TOLD_BYTES_MAX;
            let (bytes, _room) = read(body, max, "what an agent is told", &api).await?;
            return worlds::send(&api, within, &bytes).await;
        }
    };
    let mut outgoing = Outgoing::new(to, Bytes::new());
    outgoing.channel = params
        .channel
        .as_deref()
        .map_or(Ok(Channel::MAIN), channel)?;
    outgoing.kind = params.kind.as_deref().map_or(Ok(Kind::Tell), kind)?;
    outgoing.expires_ms = bounded("expires", params.expires, EXPIRY_MAX_MS)?;
    let wait_ms = bounded("wait", Some(params.wait), WAIT_MS_MAX)?.unwrap_or_default();
    outgoing.key = key(&parts.headers)?;
    outgoing.metadata = metadata(&parts.headers)?;
    let (contents, _room) = contents::of_message(&api, &parts.headers, body).await?;
    outgoing.contents = contents;
    if wait_ms == 0 {
        let receipt = api.runtime().send(outgoing).await?;
        return Ok((StatusCode::ACCEPTED, Answered(receipt)).into_response());
    }
    let answer = api.until_stop(api.gate().ask(outgoing, wait_ms)).await?;
    let Some(letter) = answer.reply else {
        return Err(Failure::timeout(answer.receipt, wait_ms));
    };
    let reply = ReplyView::of(&letter, &api)?;
    Ok(Answered(Asked {
        receipt: answer.receipt,
        reply,
    })
    .into_response())
}

fn channel(text: &str) -> Result<Channel, Refusal> {
    text.parse()
        .map_err(|error| malformed(format!("`channel={}`: {error}", clip(text))))
}

/// The kinds that an owner may send; what comes back and what the medium says are not among them.
fn kind(text: &str) -> Result<Kind, Refusal> {
    Kind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, Kind::Bounce | Kind::Notice))
        .find(|kind| kind.name() == text)
        .ok_or_else(|| {
            malformed(format!("no message of kind `{}` can be sent", clip(text)))
                .hint("`tell` is for the VC's code; leave `kind` out")
        })
}

fn bounded(what: &str, value: Option<u64>, max: u64) -> Result<Option<u64>, Refusal> {
    match value {
        Some(value) if value > max => {
            let what = format!("`{what}` is at most {max} ms, not {value}");
            Err(Refusal::new(Code::TooLarge, what))
        }
        _ => Ok(value),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(Some(key.to_owned())),
        _ => Err(malformed(format!(
            "an `Idempotency-Key` has 1 to {KEY_BYTES_MAX} visible characters, this one has {} bytes",
            key.len()
        ))),
    }
}

fn metadata(headers: &HeaderMap) -> Result<BTreeMap<String, Bytes>, Refusal> {
    let mut metadata = BTreeMap::new();
    let bound = |what: &str, size: usize, max: usize| {
        let what = format!("{what}: {size}, at most {max} are allowed");
        if size > max {
            Err(Refusal::new(Code::TooLarge, what))
        } else {
            Ok(())
        }
    };
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(METADATA_PREFIX) else {
            continue;
        };
        if key.is_empty() {
            return Err(malformed(format!(
                "the header `{METADATA_PREFIX}` names no key"
            )));
        }
        bound("bytes of a metadata key", key.len(), METADATA_KEY_MAX)?;
        bound("bytes of a metadata value", value.len(), METADATA_VALUE_MAX)?;
        let value = Bytes::copy_from_slice(value.as_bytes());
        if metadata.insert(key.to_owned(), value).is_some() {
            return Err(malformed(format!("the header `{name}` is there twice")));
        }
        bound("metadata entries", metadata.len(), METADATA_ENTRIES_MAX)?;
    }
    Ok(metadata)
}

/// Bytes as they are shown: text where they are, else base64.
#[derive(Serialize)]
struct BytesView {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl BytesView {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self {
                text: Some(text.to_owned()),
                base64: None,
            },
            Err(_) => Self {
                text: None,
                base64: Some(BASE64.encode(bytes)),
            },
        }
    }
}

#[derive(Serialize)]
struct Asked {
    #[serde(flatten)]
    receipt: Receipt,
    reply: ReplyView,
}

/// Contents in place, or what they are found by.
#[derive(Serialize)]
#[serde(untagged)]
enum AnyBytesView {
    Here(BytesView),
    Far {
        #[serde(rename = "ref")]
        digest: String,
        bytes: u64,
    },
}

impl AnyBytesView {
    fn of(contents: &Contents) -> Self {
        match contents.reference() {
            Some(reference) => Self::Far {
                digest: reference.digest().to_string(),
                bytes: reference.len(),
            },
            None => Self::Here(BytesView::of(contents)),
        }
    }
}

#[derive(Serialize)]
struct ReplyView {
    /// None if the medium itself brings the question back.
    from: Option<String>,
    kind: &'static str,
    channel: Channel,
    message: String,
    #[serde(flatten)]
    contents: AnyBytesView,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

impl ReplyView {
    /// The view of a reply that is given out, and so can be shown from now on.
    fn of(letter: &Letter, api: &Api) -> Result<Self, Refusal> {
        let message = letter.to_message();
        let message = message.and_then(|message| Ok((message.id()?, message)));
        let (id, message) =
            message.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        api.0.replies.keep(id, message);
        Ok(Self {
            from: (letter.from != VcId::NOBODY).then(|| letter.from.to_string()),
            kind: letter.kind.name(),
            channel: letter.channel,
            message: id.to_string(),
            contents: AnyBytesView::of(&letter.contents),
            error: letter.refusal(),
        })
    }
}

/// A message, as it is shown.
#[derive(Serialize)]
pub(super) struct MessageView {
    id: String,
    contents: ContentsView,
    decoder: Option<String>,
    metadata: MetadataView,
    fate: Fate,
}

#[derive(Serialize)]
struct ContentsView {
    bytes: u64,
    digest: String,
    #[serde(flatten)]
    inline: Option<BytesView>,
}

#[derive(Serialize)]
struct MetadataView {
    sender: String,
    recipient: String,
    kind: &'static str,
    channel: Channel,
    sequence: u64,
    cause: Option<RefView>,
    answers: Option<RefView>,
    reply_to: Option<String>,
    sent_at: Time,
    expires_at: Time,
    postage: u64,
    extent: BTreeMap<String, [i64; 2]>,
    contacts: Vec<String>,
    facts: BTreeMap<String, BytesView>,
}

/// One message of one sender.
#[derive(Serialize)]
struct RefView {
    sender: String,
    sequence: u64,
}

impl RefView {
    fn of(reference: MessageRef) -> Self {
        Self {
            sender: reference.sender.to_string(),
            sequence: reference.sequence,
        }
    }
}

impl MetadataView {
    fn of(header: &Header) -> Self {
        let extent = header.extent.0.iter();
        Self {
            sender: header.sender.to_string(),
            recipient: header.recipient.to_string(),
            kind: header.kind.name(),
            channel: header.channel,
            sequence: header.sequence,
            cause: header.cause.map(RefView::of),
            answers: header.answers.map(RefView::of),
            reply_to: header.reply_to.as_ref().map(ToString::to_string),
            sent_at: header.sent_at,
            expires_at: header.expires_at,
            postage: header.postage,
            extent: extent
                .map(|(axis, range)| (axis.to_string(), [range.low, range.high]))
                .collect(),
            contacts: header.contacts.iter().map(ToString::to_string).collect(),
            facts: header
                .metadata
                .iter()
                .map(|(key, value)| (key.clone(), BytesView::of(value)))
                .collect(),
        }
    }
}

/// A message that the owner sent, was given as a reply, or had stripped; of the last kind, where the part
/// in it is, as far as the scavenger knows.
async fn seen(api: &Api, id: MessageId) -> Result<(Seen, Option<Stripped>), Refusal> {
    let replied = || {
        let message = api.0.replies.get(id)?;
        let fate = Fate::Consumed;
        Some(Seen { id, message, fate })
    };
    let unseen = || {
        Refusal::new(Code::Unknown, "this node has not seen this message lately")
            .who(id)
            .hint("only the last messages are kept; spawn a VC with `--record` to keep those it receives")
    };
    let mut seen = api
        .runtime()
        .message(id)
        .or_else(replied)
        .ok_or_else(unseen)?;
    if seen.message.header().kind != Kind::Stripped {
        return Ok((seen, None));
    }
    let part = whereabouts(api.runtime(), id).await?;
    match part {
        Some(Stripped::Adopted) => seen.fate = Fate::Consumed,
        Some(Stripped::Removed) => {
            let what = "nobody took the part in, and the scavenger removed it";
            seen.fate = Fate::Dead(Refusal::new(Code::Expired, what));
        }
        Some(Stripped::Held) | None => {}
    }
    Ok((seen, part))
}

/// A message that was seen lately.
pub(super) async fn show(State(api): State<Api>, Msg(id): Msg) -> Answer<Answered<MessageView>> {
    let Seen { id, message, fate } = seen(&api, id).await?.0;
    let header = message.header();
    Ok(Answered(MessageView {
        id: id.to_string(),
        contents: ContentsView {
            bytes: header.contents_bytes,
            digest: header.contents.to_string(),
            inline: message.contents().map(|bytes| BytesView::of(bytes)),
        },
        decoder: header.decoder.map(|digest| digest.to_string()),
        metadata: MetadataView::of(header),
        fate,
    }))
}

/// Why a message ended as it did.
#[derive(Serialize)]
pub(super) struct Explanation {
    id: String,
    fate: &'static str,
    why: String,
    checks: Vec<CheckView>,
}

/// One check a message went through.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct CheckView {
    check: &'static str,
    ok: bool,
    text: String,
}

/// What became of a message, and which checks it went through: cheap ones first, none after one that
/// failed.
pub(super) async fn explain(State(api): State<Api>, Msg(id): Msg) -> Answer<Answered<Explanation>> {
    let (Seen { id, message, fate }, part) = seen(&api, id).await?;
    let (name, why, refusal) = match &fate {
        Fate::Queued if part.is_some() => (
            "queued",
            "it is a part that was stripped, held by the scavenger until a body takes it in or its \
             time is over"
                .to_owned(),
            None,
        ),
        Fate::Consumed if part.is_some() => (
            "consumed",
            "it is a part that was stripped, and a body took it in".to_owned(),
            None,
        ),
        Fate::Consumed if message.header().kind != Kind::Stripped && message.header().sender.id != api.runtime().owner() => (
            "consumed",
            "it was handed to the owner, who had asked".to_owned(),
            None,
        ),
        Fate::Queued => ("queued", "it waits for its receiver".to_owned(), None),
        Fate::Consumed => (
            "consumed",
            "a turn of its receiver handled it".to_owned(),
            None,
        ),
        Fate::Bounced(refusal) => (
            "bounced",
            format!("it came back to its sender: {refusal}"),
            Some(refusal),
        ),
        Fate::Dead(refusal) => (
            "dead",
            format!("it ended without a reader: {refusal}"),
            Some(refusal),
        ),
    };
    Ok(Answered(Explanation {
        id: id.to_string(),
        fate: name,
        why,
        checks: checks(message.header(), refusal),
    }))
}

/// The checks in the order in which they are made, up to the one that refused.
fn checks(header: &Header, refusal: Option<&Refusal>) -> Vec<CheckView> {
    let reshapes = matches!(
        header.kind,
        Kind::Internalize | Kind::Deprecate | Kind::Upgrade
    );
    let steps: [(&str, bool, &[Code], String); 5] = [
        (
            "bounds",
            true,
            &[Code::TooLarge, Code::Malformed, Code::Expired],
            format!(
                "{} bytes of contents, expires at {}",
                header.contents_bytes, header.expires_at
            ),
        ),
        (
            "postage",
            true,
            &[Code::Postage, Code::Signature, Code::Budget],
            format!(
                "{} motes were paid; messages inside a node are free",
                header.postage
            ),
        ),
        (
            "pattern",
            true,
            &[Code::Pattern],
            "what the receiver accepts holds the message's extent".to_owned(),
        ),
        (
            "test",
            reshapes,
            &[Code::Untestable, Code::Fault],
            "the part passed its test".to_owned(),
        ),
        (
            "powers",
            reshapes,
            &[Code::Denied, Code::NotAContact],
            "the sender may reshape the receiver".to_owned(),
        ),
    ];
    let mut checks = Vec::new();
    for (check, made, codes, text) in steps {
        match refusal.filter(|refusal| codes.contains(&refusal.code)) {
            Some(refusal) => {
                checks.push(CheckView {
                    check,
                    ok: false,
                    text: refusal.what.clone(),
                });
                break;
            }
            None if made => checks.push(CheckView {
                check,
                ok: true,
                text,
            }),
            None => {}
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, code: Option<Code>) -> Vec<(&'static str, bool)> {
        let mut header = Header::new(VcId::NOBODY, 1, VcId::NOBODY, Time::ZERO);
        header.kind = kind;
        let refusal = code.map(|code| Refusal::new(code, "because"));
        checks(&header, refusal.as_ref())
            .into_iter()
            .map(|made| (made.check, made.ok))
            .collect()
    }

    #[test]
    fn checks_are_listed_up_to_the_one_that_refused() {
        let passed = [("bounds", true), ("postage", true), ("pattern", true)];
        assert_eq!(check(Kind::Tell, None), passed);
        assert_eq!(
            check(Kind::Tell, Some(Code::Pattern)),
            [passed[0], passed[1], ("pattern", false)]
        );
        assert_eq!(check(Kind::Tell, Some(Code::Expired)), [("bounds", false)]);
        // Stopped, busy and the like are no check: the message was fine.
        assert_eq!(check(Kind::Tell, Some(Code::Stopped)), passed);
        assert_eq!(
            check(Kind::Internalize, Some(Code::Denied))[3..],
            [("test", true), ("powers", false)],
        );
        assert_eq!(
            check(Kind::Internalize, Some(Code::Untestable)).last(),
            Some(&("test", false))
        );
    }

    #[test]
    fn owners_do_not_speak_for_the_medium() {
        assert_eq!(kind("tell"), Ok(Kind::Tell));
        for name in ["bounce", "notice", "Tell", ""] {
            assert_eq!(kind(name).unwrap_err().code, Code::Malformed, "{name}");
        }
    }

    #[test]
    fn metadata_comes_from_headers_and_is_bounded() {
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| {
                    (
                        name.parse::<axum::http::HeaderName>().unwrap(),
                        value.parse().unwrap(),
                    )
                })
                .fold(HeaderMap::new(), |mut headers, (name, value)| {
                    headers.append(name, value);
                    headers
                })
        };
        let of = |pairs: &[(&'static str, &str)]| metadata(&headers(pairs));
        let both = of(&[
            ("x-medium-meta-topic", "cats"),
            ("accept", "*/*"),
            ("X-Medium-Meta-A", "b"),
        ]);
        assert_eq!(
            both.unwrap().into_keys().collect::<Vec<_>>(),
            ["a", "topic"]
        );
        for (pairs, code) in [
            (&[("x-medium-meta-", "x")][..], Code::Malformed),
            (
                &[("x-medium-meta-a", "1"), ("x-medium-meta-a", "2")],
                Code::Malformed,
            ),
            (
                &[(
                    "x-medium-meta-a",
                    "x".repeat(METADATA_VALUE_MAX + 1).as_str(),
                )],
                Code::TooLarge,
            ),
        ] {
            assert_eq!(of(pairs).unwrap_err().code, code);
        }
        assert_eq!(
            key(&headers(&[("idempotency-key", "k1")])),
            Ok(Some("k1".to_owned()))
        );
        assert!(key(&headers(&[("idempotency-key", "")])).is_err());
    }
}
