//! The event socket: what happens on the node, as it happens, resumable by number.
//!
//! Nothing is queued per client. A client's place is a number in the node's ring of events; it is sent
//! what comes after, a page at a time, and each frame is awaited. Who reads slowly falls behind in the
//! ring, and when the ring has moved past its place it gets a *lag frame* that counts what it missed;
//! who does not read at all is closed after [`SEND_MS_MAX`].
//!
//! | frame | when |
//! |---|---|
//! | `{"hello":"medium/events/1","last":n}` | first; `n` is the number of the last event so far |
//! | `{"lagged":n}` | `n` events after the client's place are no longer kept |
//! | `{"seq","at","kind","vc","data"}` | an event |

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::SinkExt;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use actors::events::{Event, EventKind};
use actors::runtime::{Runtime, TurnWatch};

use super::extract::{Params, flag};
use super::failure::{Answer, Failure, malformed};
use super::{Api, SOCKETS_MAX};
use crate::stop::Stop;

/// Events that are taken from the ring at a time.
pub const EVENTS_AT_ONCE: usize = 256;
/// How often a client is pinged, in milliseconds; one that says nothing for two of these is closed.
pub const PING_MS: u64 = 20_000;
/// How long a client may take to read one frame, in milliseconds; then it is closed.
pub const SEND_MS_MAX: u64 = 10_000;
/// Longest message from a client, in bytes; clients have nothing to say but pings and pongs.
const CLIENT_BYTES_MAX: usize = 1_024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventParams {
    after: Option<u64>,
    /// Whether there is an event for each turn that is recorded.
    #[serde(default, deserialize_with = "flag")]
    turns: bool,
}

/// Opens an event socket. Without `after` it begins now; with the number of an event, after that one.
/// A number that this node has not reached comes from before it was started: everything is sent.
pub(super) async fn socket(
    State(api): State<Api>,
    Params(params): Params<EventParams>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer<Response> {
    let upgrade = upgrade.map_err(|rejection| {
        Failure::from(
            malformed(format!("this is a WebSocket: {}", rejection.body_text()))
                .hint("`medium logs -f` reads it, and so does any WebSocket client"),
        )
        .status(StatusCode::UPGRADE_REQUIRED)
    })?;
    let place = api.0.sockets.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(
            Code::Busy,
            format!("{SOCKETS_MAX} event sockets are open, more are refused"),
        )
        .hint("close one; a socket that was cut off is noticed within a minute")
    })?;
    let last = api.runtime().events().last();
    let after = match params.after {
        None => last,
        Some(after) if after > last => 0,
        Some(after) => after,
    };
    let (runtime, stop) = (api.runtime().clone(), api.stop().clone());
    let turns = params.turns.then(|| runtime.watch_turns());
    Ok(upgrade
        .max_message_size(CLIENT_BYTES_MAX)
        .max_frame_size(CLIENT_BYTES_MAX)
        .on_upgrade(move |socket| {
            Session {
                runtime,
                stop,
                socket,
                after,
                turns,
                place,
            }
            .run(last)
        }))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Frame<'a> {
    Hello { hello: &'static str, last: u64 },
    Lag { lagged: u64 },
    Event(&'a Event),
}

/// Why a session ends.
enum End {
    /// The client has gone, or closed it.
    Gone,
    /// We close it, with a code and a reason.
    Close(u16, &'static str),
}

fn text_of(frame: &Frame<'_>) -> Result<Message, End> {
    serde_json::to_string(frame)
        .map(|text| Message::Text(text.into()))
        .map_err(|_| End::Close(close_code::ERROR, "an event could not be written"))
}

/// How a write ended: in time, or with the session.
async fn ended<E>(stop: &Stop, write: impl Future<Output = Result<(), E>>) -> Result<(), End> {
    tokio::select! {
        biased;
        written = timeout(Duration::from_millis(SEND_MS_MAX), write) => match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(close_code::POLICY, "reads too slowly; resume with `after`")),
        },
        () = stop.given() => Err(STOPPING),
    }
}

const STOPPING: End = End::Close(close_code::AWAY, "the node is shutting down");

/// One client.
struct Session {
    runtime: Runtime,
    stop: Stop,
    socket: WebSocket,
    /// The number of the last event it was sent.
    after: u64,
    /// If it wants to hear of each turn.
    turns: Option<TurnWatch>,
    /// Its place among [`SOCKETS_MAX`], given back when the session is dropped.
    #[expect(dead_code, reason = "held, not read")]
    place: OwnedSemaphorePermit,
}

impl Session {
    async fn run(mut self, last: u64) {
        let end = match self
            .send(&Frame::Hello {
                hello: "medium/events/1",
                last,
            })
            .await
        {
            Ok(()) => self.follow().await,
            Err(end) => end,
        };
        if let End::Close(code, reason) = end {
            let close = Message::Close(Some(CloseFrame {
                code,
                reason: reason.into(),
            }));
            // Whoever does not read this either learns it from the connection.
            let _ = timeout(
                Duration::from_millis(SEND_MS_MAX.min(1_000)),
                self.socket.send(close),
            )
            .await;
        }
    }

    /// Sends events until the session ends.
    async fn follow(&mut self) -> End {
        let (stop, runtime) = (self.stop.clone(), self.runtime.clone());
        let period = Duration::from_millis(PING_MS);
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = true;
        loop {
            tokio::select! {
                biased; // a flood of events delays neither the end nor the pings
                () = stop.given() => return STOPPING,
                frame = self.socket.recv() => match frame {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                    Some(Ok(_)) => heard = true,
                },
                _ = pings.tick() => {
                    if !heard {
                        return End::Close(close_code::POLICY, "no answer to a ping");
                    }
                    heard = false;
                    if let Err(end) = self.write(Message::Ping(bytes::Bytes::new())).await {
                        return end;
                    }
                }
                () = runtime.events().wait_after(self.after) => {
                    if let Err(end) = self.page().await {
                        return end;
                    }
                }
            }
        }
    }

    /// Sends what comes after the client's place, at most [`EVENTS_AT_ONCE`].
    async fn page(&mut self) -> Result<(), End> {
        let page = self.runtime.events().after(self.after, EVENTS_AT_ONCE);
        if page.lagged > 0 {
            self.send(&Frame::Lag {
                lagged: page.lagged,
            })
            .await?;
            self.after = self.after.saturating_add(page.lagged);
        }
        for event in &page.events {
            if event.kind == EventKind::Handled && self.turns.is_none() {
                self.after = event.seq;
                continue;
            }
            let text = text_of(&Frame::Event(event))?;
            let fed = self.socket.feed(text);
            ended(&self.stop, fed).await?;
            self.after = event.seq;
        }
        let flushed = SinkExt::flush(&mut self.socket);
        ended(&self.stop, flushed).await
    }

    async fn send(&mut self, frame: &Frame<'_>) -> Result<(), End> {
        self.write(text_of(frame)?).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let sent = self.socket.send(message);
        ended(&self.stop, sent).await
    }
}
