//! Programs that attach themselves: a WebSocket for each, with a token of its own.
//!
//! A text frame is a line of the protocol, or several. Who attaches needs the token of the one VC it speaks for and
//! can do nothing else with it; the node's own token opens no such socket.

use axum::Json as Answered;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::sync::OwnedSemaphorePermit;

use adapters::outside::LINE_BYTES_MAX;

use super::extract::{Params, Vc};
use super::failure::{Answer, Failure, malformed};
use super::{Api, SOCKETS_MAX};
use crate::outside::{Line, Programs};
use crate::stop::Stop;

/// Longest frame of a program, in bytes: one that is longer closes its socket.
const FRAME_BYTES_MAX: usize = 2 * LINE_BYTES_MAX;
/// Bytes under way between a socket and its driver.
const PIPE_BYTES: usize = 64 * 1024;

/// How a program attaches itself.
#[derive(Debug, Serialize)]
pub(super) struct Way {
    /// Where.
    url: String,
    /// What it must carry, as `Authorization: Bearer …` or in the address.
    token: String,
}

/// Tells whoever has the node's token how a program attaches itself to a VC.
pub(super) async fn way(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<Way>> {
    let program = Programs::program_of(api.runtime(), id).await?;
    if program.is_none_or(|program| !program.attaches()) {
        let what = format!("{id} does not speak for a program that attaches itself");
        return Err(Refusal::new(Code::Denied, what)
            .who(id)
            .hint(r#"its `vc.json` says `"outside": {}`, without a command"#)
            .into());
    }
    let token = Programs::token(&api.0.config.secret, id);
    let base = api.base().replacen("http", "ws", 1);
    Ok(Answered(Way {
        url: format!("{base}/v1/vcs/{id}/outside?token={token}"),
        token,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketParams {
    token: Option<String>,
}

/// Lets a program speak for a VC for as long as its socket is open.
pub(super) async fn socket(
    State(api): State<Api>,
    Vc(id): Vc,
    Params(params): Params<SocketParams>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|rejection| {
        Failure::from(
            malformed(format!("this is a WebSocket: {}", rejection.body_text()))
                .hint("`medium attach <vc>` says how a program opens it"),
        )
        .status(StatusCode::UPGRADE_REQUIRED)
    })?;
    let bearer = headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let given = params.token.as_deref().or(bearer).unwrap_or_default();
    let wanted = Programs::token(&api.0.config.secret, id);
    // Digests of both, so that how long it takes tells nothing.
    if blake(given) != blake(&wanted) {
        let what = format!("this is not the token of {id}");
        return Err(Refusal::new(Code::Denied, what)
            .who(id)
            .hint("`medium attach <vc>` prints it; the node's own token is another")
            .into());
    }
    let place = api.0.sockets.clone().try_acquire_owned().map_err(|_| {
        let what = format!("{SOCKETS_MAX} sockets are open, more are refused");
        Refusal::new(Code::Busy, what).hint("close one")
    })?;
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (from, to) = tokio::io::split(theirs);
    api.programs().attach(
        id,
        Line {
            from: Box::new(from),
            to: Box::new(to),
        },
    );
    let stop = api.stop().clone();
    Ok(upgrade
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| carry(socket, ours, stop, place)))
}

fn blake(text: &str) -> genesis::id::Digest {
    genesis::id::Digest::of(text.as_bytes())
}

/// Carries lines between a socket and a driver until one of them ends.
async fn carry(
    mut socket: WebSocket,
    ours: DuplexStream,
    stop: Stop,
    _place: OwnedSemaphorePermit,
) {
    let (from, mut to) = tokio::io::split(ours);
    let mut lines = BufReader::new(from).lines();
    let close = loop {
        tokio::select! {
            biased;
            () = stop.given() => break Some("the node is shutting down"),
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    if socket.send(Message::Text(line.into())).await.is_err() {
                        break None;
                    }
                }
                _ => break Some("somebody else speaks for this VC, or it was ended; its log says why"),
            },
            frame = socket.recv() => match frame {
                Some(Ok(Message::Text(text))) => {
                    let written = async {
                        to.write_all(text.as_bytes()).await?;
                        to.write_all(b"\n").await
                    };
                    if written.await.is_err() {
                        break Some("somebody else speaks for this VC, or it was ended; its log says why");
                    }
                }
                Some(Ok(Message::Binary(_))) => break Some("lines are text frames"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break None,
                Some(Ok(_)) => {}
            },
        }
    };
    if let Some(reason) = close {
        let frame = CloseFrame {
            code: close_code::POLICY,
            reason: reason.into(),
        };
        let _ = socket.send(Message::Close(Some(frame))).await;
    }
}
