//! A node, and how a test talks to it.

use std::time::Duration;

use adapters::compute::Launcher;
use genesis::refusal::Code;
use medium::node::{Node, NodeConfig};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A node with a data folder, started as often as a test likes.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    pub(crate) node: Node,
    client: Client,
}

impl Home {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = up(&folder).await;
        let client = Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            folder,
            node,
            client,
        }
    }

    /// The same node, once more.
    pub(crate) async fn again(self) -> Self {
        self.node.stop().await.unwrap();
        let node = up(&self.folder).await;
        Self { node, ..self }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.node.base());
        let answer = self.client.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> Value {
        let url = format!("{}{path}", self.node.base());
        let request = self.client.post(url).bearer_auth(self.node.token());
        let request = request.header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Gives birth; gives what was said of it.
    pub(crate) async fn try_spawn(&self, request: &Value) -> Value {
        self.post("/v1/vcs", request.to_string()).await
    }

    pub(crate) async fn spawn(&self, request: &Value) -> Value {
        let born = self.try_spawn(request).await;
        assert!(born["id"].is_string(), "{born}");
        born
    }

    /// Asks; gives the reply.
    pub(crate) async fn ask(&self, vc: &str, text: &str) -> Value {
        let path = format!("/v1/vcs/{vc}/messages?wait=60000");
        let answered = self.post(&path, text.to_owned()).await;
        answered.get("reply").cloned().unwrap_or(answered)
    }

    /// Asks, and expects words.
    pub(crate) async fn says(&self, vc: &str, text: &str) -> String {
        let reply = self.ask(vc, text).await;
        let said = reply["text"].as_str().filter(|_| reply["error"].is_null());
        said.unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// Asks, and expects a refusal of this kind that names something.
    pub(crate) async fn refuses(&self, vc: &str, text: &str, code: Code, named: &str) -> Value {
        let reply = self.ask(vc, text).await;
        let why = reply.get("error").filter(|why| !why.is_null());
        let why = why.unwrap_or(&reply);
        assert_eq!(why["code"], code.name(), "{reply}");
        let what = why["what"].as_str().unwrap_or_default();
        assert!(what.contains(named), "{what}");
        why.clone()
    }

    /// Sends, and waits for nothing.
    pub(crate) async fn send(&self, vc: &str, text: &str) -> Value {
        self.post(&format!("/v1/vcs/{vc}/messages"), text.to_owned())
            .await
    }

    /// The log of a VC, in one text.
    pub(crate) async fn log(&self, vc: &str) -> String {
        self.get(&format!("/v1/vcs/{vc}/logs")).await.to_string()
    }
}

async fn up(folder: &TempDir) -> Node {
    let config = NodeConfig {
        data: Some(folder.path().to_owned()),
        api: "127.0.0.1:0".parse().unwrap(),
        workers: 2,
        jobs: Some(Launcher {
            program: env!("CARGO_BIN_EXE_medium").into(),
            args: vec!["confine".into()],
        }),
        ..NodeConfig::default()
    };
    Node::start(config).await.unwrap()
}

/// Whether a language is there; where it must be, it is.
pub(crate) fn has(language: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let has = std::env::split_paths(&path).any(|folder| folder.join(language).exists());
    assert!(
        has || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{language} is needed where CI=true"
    );
    has
}

/// The request that gives birth to `llm`, called so, with more in its argument.
pub(crate) fn llm(origin: &str, more: &Value) -> Value {
    let mut argument = json!({
        "base": format!("{origin}/v1"),
        "model": "tiny",
        "wait_ms": 1,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        argument[name] = value.clone();
    }
    json!({
        "pod": { "native": "llm", "argument": argument.to_string() },
        "name": "llm",
        "outside": { "origins": [origin] },
        "record": 1000,
    })
}

/// What the model was told last: role and content of each message.
pub(crate) fn told(asked: &Value) -> Vec<(String, String)> {
    let messages = asked["messages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages
        .iter()
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .collect()
}
