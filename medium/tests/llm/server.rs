//! A server on this machine, of which a test says what it answers.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What a server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method, path and version.
    pub(crate) line: String,
    /// All headers, in small letters.
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Head and pieces of the body, which ends with the connection.
    Says(String, Vec<Vec<u8>>),
    /// It says so much and goes away, though it promised more.
    Breaks(String, Vec<u8>),
    /// It never answers.
    Hangs,
    /// It answers once it is told to.
    Waits(Arc<Notify>, Box<Reply>),
}

impl Reply {
    pub(crate) fn new(status: &str, headers: &[&str], body: impl Into<Vec<u8>>) -> Self {
        Self::Says(head(status, headers), vec![body.into()])
    }

    /// A stream of events with these words, and what it cost.
    pub(crate) fn words(words: &[&str], usage: Option<(u64, u64)>) -> Self {
        let mut events: Vec<Value> = words
            .iter()
            .map(|word| json!({ "choices": [{ "index": 0, "delta": { "content": word } }] }))
            .collect();
        events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
        Self::events(events, usage)
    }

    /// A stream of events that calls tools: name and arguments of each.
    pub(crate) fn calls(calls: &[(&str, &str)]) -> Self {
        let mut events = Vec::new();
        for (at, (name, arguments)) in calls.iter().enumerate() {
            let (left, right) = arguments.split_at(arguments.len() / 2);
            let function = json!({ "name": name, "arguments": left });
            let first = json!({ "index": at, "id": format!("call-{at}"), "type": "function", "function": function });
            let second = json!({ "index": at, "function": { "arguments": right } });
            for call in [first, second] {
                let delta = json!({ "tool_calls": [call] });
                events.push(json!({ "choices": [{ "index": 0, "delta": delta }] }));
            }
        }
        let end = json!({ "index": 0, "delta": {}, "finish_reason": "tool_calls" });
        events.push(json!({ "choices": [end] }));
        Self::events(events, Some((10, 5)))
    }

    fn events(mut events: Vec<Value>, usage: Option<(u64, u64)>) -> Self {
        if let Some((read, wrote)) = usage {
            let usage = json!({ "prompt_tokens": read, "completion_tokens": wrote });
            events.push(json!({ "choices": [], "usage": usage }));
        }
        let mut pieces: Vec<_> = events
            .into_iter()
            .map(|event| format!("data: {event}\n\n").into_bytes())
            .collect();
        pieces.push(b"data: [DONE]\n\n".to_vec());
        Self::Says(head("200 OK", &["content-type: text/event-stream"]), pieces)
    }
}

pub(crate) fn head(status: &str, headers: &[&str]) -> String {
    let first = format!("HTTP/1.1 {status}");
    let lines = [&[first.as_str()], headers, &["connection: close", "", ""]];
    lines.concat().join("\r\n")
}

/// A server. It ends when it is dropped.
pub(crate) struct Server {
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    came: Arc<Notify>,
    left: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A server that answers the nth request, from 0, as told.
    pub(crate) async fn start(
        answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (asked, came) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let answer = Arc::new(answer);
        let left = Arc::new(Notify::new());
        let (noted, notify, gone) = (asked.clone(), came.clone(), left.clone());
        let task = tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, noted) = (answer.clone(), noted.clone());
                let (notify, gone) = (notify.clone(), gone.clone());
                all.spawn(async move {
                    let _ = serve(stream, &*answer, &noted, &notify, &gone).await;
                });
            }
        });
        Self {
            origin,
            asked,
            came,
            left,
            task,
        }
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    /// Waits until somebody who waited for an answer went away.
    pub(crate) async fn was_left(&self) {
        self.left.notified().await;
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: usize) {
        loop {
            let came = self.came.notified();
            tokio::pin!(came);
            came.as_mut().enable();
            if self.asked.lock().len() >= times {
                return;
            }
            came.await;
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(usize, &Asked) -> Reply + Send + Sync),
    noted: &Mutex<Vec<Asked>>,
    notify: &Notify,
    left: &Notify,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (line, headers) = text.split_once("\r\n").unwrap_or_default();
    let headers = headers.to_lowercase();
    let length = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while bytes.len() < end + length {
        stream.read_buf(&mut bytes).await?;
    }
    let asked = Asked {
        line: line.to_owned(),
        headers,
        body: String::from_utf8_lossy(&bytes[end..]).into_owned(),
    };
    let number = {
        let mut noted = noted.lock();
        noted.push(asked.clone());
        noted.len() - 1
    };
    notify.notify_waiters();
    let mut reply = answer(number, &asked);
    while let Reply::Waits(until, then) = reply {
        until.notified().await;
        reply = *then;
    }
    match reply {
        Reply::Says(head, pieces) => {
            stream.write_all(head.as_bytes()).await?;
            for piece in pieces {
                stream.write_all(&piece).await?;
                stream.flush().await?;
            }
            stream.shutdown().await
        }
        Reply::Breaks(head, bytes) => {
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Waits(..) => Ok(()),
        Reply::Hangs => {
            // Until who asked goes away.
            let _ = stream.read(&mut [0]).await;
            left.notify_one();
            Ok(())
        }
    }
}
