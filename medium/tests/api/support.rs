//! A served node and what the tests do with it.

use std::time::Duration;

use futures_util::StreamExt;
use genesis::refusal::Code;
use medium::node::{Node, NodeConfig};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node without a folder, on any free port.
pub(crate) fn ephemeral() -> NodeConfig {
    NodeConfig {
        api: "127.0.0.1:0".parse().expect("an address"),
        workers: 1,
        ..NodeConfig::default()
    }
}

/// A node and a client that talks to it.
pub(crate) struct Served {
    pub(crate) node: Node,
    client: Client,
}

impl Served {
    pub(crate) async fn start(config: NodeConfig) -> Self {
        let node = Node::start(config).await.expect("the node starts");
        let client = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self { node, client }
    }

    /// A request without the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.node.base()))
    }

    /// A request with the token.
    pub(crate) fn write(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(self.node.token())
    }

    /// The JSON at a path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        done(self.request(Method::GET, path)).await.1
    }

    /// The JSON at a path, as soon as it is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let value = self.get(path).await;
                if wanted(&value) {
                    return value;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("{path} never came true"))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        done(self.write(Method::POST, path).json(body)).await.1
    }

    pub(crate) async fn delete(&self, path: &str) -> Value {
        done(self.write(Method::DELETE, path)).await.1
    }

    pub(crate) async fn spawn(&self, request: &Value) -> (StatusCode, Value) {
        done(self.write(Method::POST, "/v1/vcs").json(request)).await
    }

    /// Asks with the token and without a body, and expects a refusal.
    pub(crate) async fn refuses(
        &self,
        method: Method,
        path: &str,
        status: StatusCode,
        code: Code,
    ) -> Value {
        let answer = self.write(method, path).send().await.expect("an answer");
        refused(answer, status, code).await
    }

    pub(crate) async fn events(&self, query: &str) -> Events {
        self.try_events(query).await.expect("the socket opens")
    }

    /// Opens an event socket, or gives the status that refused it.
    pub(crate) async fn try_events(&self, query: &str) -> Result<Events, StatusCode> {
        let url = format!("ws://{}/v1/events{query}", self.node.address());
        match connect_async(url).await {
            Ok((socket, _)) => Ok(Events(socket)),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn done(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.expect("an answer");
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await.expect("a body");
    assert!(status.is_success(), "{url}: {status} {body}");
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{url}: {error}: {body}")),
    )
}

/// Checks that an answer is this refusal, in JSON, and gives its body.
pub(crate) async fn refused(answer: Response, status: StatusCode, code: Code) -> Value {
    let url = answer.url().clone();
    assert_eq!(answer.status(), status, "{url}");
    let body: Value = answer.json().await.expect("every refusal is JSON");
    assert_eq!(body["code"], code.name(), "{url}: {body}");
    assert!(body["what"].is_string(), "{url}: {body}");
    body
}

/// The text of a value that is one.
pub(crate) fn is_text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not text"))
}

/// An event socket.
#[derive(Debug)]
pub(crate) struct Events(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Events {
    async fn frame(&mut self) -> Message {
        let frame = tokio::time::timeout(PATIENCE, self.0.next()).await;
        frame
            .expect("a frame in time")
            .expect("an open socket")
            .expect("a sound frame")
    }

    /// The next frame of JSON.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.frame().await {
                return serde_json::from_str(&text).expect("frames are JSON");
            }
        }
    }

    /// The next event of a kind of a VC.
    pub(crate) async fn next_of(&mut self, kind: &str, vc: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["kind"] == kind && event["vc"] == vc {
                return event;
            }
        }
    }

    /// Code and reason with which the node closes the socket.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(Some(close)) = self.frame().await {
                return (close.code.into(), close.reason.to_string());
            }
        }
    }
}
