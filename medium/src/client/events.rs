//! The client's end of the event socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use genesis::refusal::{Code, Refusal};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::Client;

/// How long the socket may take to open.
const OPEN: Duration = Duration::from_secs(5);

/// What the event socket says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Frame {
    /// The first frame: which protocol.
    Hello {
        /// Its name and version.
        hello: String,
    },
    /// Events were dropped before they could be sent.
    Lagged {
        /// How many.
        lagged: u64,
    },
    /// Something happened.
    Event {
        /// What: `output`, `stopped`, …
        kind: String,
        /// To whom, if to somebody.
        vc: Option<String>,
    },
}

/// An open event socket.
#[derive(Debug)]
pub(crate) struct Events {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Opens the event socket; what happens after the node said hello is not missed.
    ///
    /// # Errors
    /// `unreachable`, or `malformed` if what answers is not an event socket.
    pub(crate) async fn events(&self) -> Result<Events, Refusal> {
        let base = self.base();
        let refused = |why: String| {
            Refusal::new(
                Code::Unreachable,
                format!("no events from the node at {base} ({why})"),
            )
            .hint("start one: `medium up`")
        };
        let mut url = self.url(&["v1", "events"])?;
        // From http to ws is always allowed.
        let _ = url.set_scheme("ws");
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| refused(error.to_string()))?;
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                Refusal::new(Code::Token, "the token holds characters it cannot have")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert("authorization", value);
        }
        let open = tokio::time::timeout(OPEN, tokio_tungstenite::connect_async(request));
        let (socket, _) = open
            .await
            .map_err(|_| refused("it did not answer in time".to_owned()))?
            .map_err(|error| refused(error.to_string()))?;
        let mut events = Events { socket };
        match tokio::time::timeout(OPEN, events.next()).await {
            Ok(Some(Frame::Hello { hello })) if hello == "medium/events/1" => Ok(events),
            Ok(Some(Frame::Hello { hello })) => Err(Refusal::new(
                Code::Malformed,
                format!("the node's events are `{hello}`"),
            )
            .hint("`medium doctor` compares the versions of node and command line")),
            _ => Err(refused("it did not say hello".to_owned())),
        }
    }
}

impl Events {
    /// The next frame; none once the node is gone. Frames of kinds unknown here are passed over.
    ///
    /// Cancel-safe: a frame is taken whole or not at all.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    if let Ok(frame) = serde_json::from_str(&text) {
                        return Some(frame);
                    }
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                // Pings are answered by the library when it is next polled.
                Ok(_) => {}
            }
        }
    }

    /// Ends the socket as its protocol asks; whether the node hears it makes no difference.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.send(Message::Close(None)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_by_their_fields() {
        let frame = |text| serde_json::from_str::<Frame>(text).unwrap();
        let hello = frame(r#"{"hello":"medium/events/1","last":7}"#);
        assert_eq!(
            hello,
            Frame::Hello {
                hello: "medium/events/1".to_owned()
            }
        );
        assert_eq!(frame(r#"{"lagged":3}"#), Frame::Lagged { lagged: 3 });
        let event = frame(r#"{"seq":1,"at":2,"kind":"store-stalled","vc":null,"data":"full"}"#);
        assert_eq!(
            event,
            Frame::Event {
                kind: "store-stalled".to_owned(),
                vc: None
            }
        );
    }
}
