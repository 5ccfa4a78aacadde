//! The pods that a node keeps, as every other keeper's are reached: by the port [`Pods`].
//!
//! Calls block, as the port wants it: on a thread that may, with the executor that the client was made in.

use std::io::Write;
use std::ops::Range;
use std::time::Duration;

use adapters::pods::{
    Batch, Bought, BuyBatch, Edit, Entry, Found, Freed, Offer, PodInfo, PodName, PodPath, Pods,
    PodsError, Progress, Snapshot, Source, Verified, WalletName,
};
use bytes::{Bytes, BytesMut};
use genesis::refusal::{Code, Refusal};
use medium::server::WALLET_HEADER;
use reqwest::header::{HeaderValue, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{ANSWER, Client};

mod edit;

use edit::NodeEdit;

/// How long an answer may take that needs as much work as a pod is large: a commit, a fork, a collection.
const WORK: Duration = Duration::from_hours(24);
/// Longest line of an answer that comes line by line, in bytes; the last one lists what is damaged.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The pods of one wallet, kept by a node.
#[derive(Debug)]
pub(crate) struct NodePods {
    client: Client,
    wallet: WalletName,
    executor: Handle,
}

impl NodePods {
    /// Those of a wallet. Made inside the executor that its requests run on.
    pub(crate) fn new(client: Client, wallet: WalletName) -> Self {
        Self {
            client,
            wallet,
            executor: Handle::current(),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<RequestBuilder, Refusal> {
        let name = HeaderValue::from_bytes(self.wallet.as_str().as_bytes()).map_err(|error| {
            Refusal::new(Code::Malformed, format!("the wallet's name: {error}"))
        })?;
        let request = self.client.request(method, path, query)?;
        Ok(request.timeout(WORK).header(WALLET_HEADER, name))
    }

    /// Sends a request and reads the JSON it is answered with.
    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, PodsError> {
        let asked = async { self.client.read(self.client.answer(request).await?).await };
        Ok(self.executor.block_on(asked)?)
    }

    fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, PodsError> {
        self.ask(self.request(Method::GET, path, query)?)
    }

    fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, PodsError> {
        self.ask(self.request(Method::POST, path, &[])?.json(body))
    }

    /// Begins an answer that comes piece by piece.
    fn begin(&self, request: RequestBuilder) -> Result<Response, PodsError> {
        Ok(self.executor.block_on(self.client.answer(request))?)
    }

    /// The next piece of such an answer; none at its end.
    fn next(&self, response: &mut Response) -> Result<Option<Bytes>, PodsError> {
        let piece = async {
            match tokio::time::timeout(ANSWER, response.chunk()).await {
                Ok(piece) => piece.map_err(|error| self.client.unreachable(&error)),
                Err(_) => Err(Refusal::new(Code::Timeout, "the node stopped sending")
                    .hint("try again; what came is kept where it can be")),
            }
        };
        Ok(self.executor.block_on(piece)?)
    }
}

/// A source and a path in it, as parameters.
fn place(from: &Source, path: &PodPath) -> Vec<(&'static str, String)> {
    let mut query = match from {
        Source::Pod { name, at } => {
            let mut query = vec![("pod", name.clone())];
            query.extend(at.map(|at| ("at", at.to_string())));
            query
        }
        Source::Reference(reference) => vec![("reference", reference.clone())],
    };
    if !path.is_root() {
        query.push(("path", path.to_string()));
    }
    query
}

impl Pods for NodePods {
    fn keeper(&self) -> String {
        format!("the node at {}", self.client.base())
    }

    fn create(&self, name: &PodName, public: bool) -> Result<PodInfo, PodsError> {
        let new = json!({ "name": name.as_str(), "public": public });
        self.post(&["v1", "pods"], &new)
    }

    fn set_open(&self, name: &PodName, open: bool) -> Result<PodInfo, PodsError> {
        let verb = if open { "open" } else { "close" };
        self.post(&["v1", "pods", name.as_str(), verb], &json!({}))
    }

    fn pods(&self) -> Result<Vec<PodInfo>, PodsError> {
        self.get(&["v1", "pods"], &[])
    }

    fn pod(&self, name: &PodName) -> Result<PodInfo, PodsError> {
        self.get(&["v1", "pods", name.as_str()], &[])
    }

    fn remove_pod(&self, name: &PodName) -> Result<(), PodsError> {
        let request = self.request(Method::DELETE, &["v1", "pods", name.as_str()], &[])?;
        self.ask::<Value>(request).map(drop)
    }

    fn list(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.get(&["v1", "dfs", "list"], &place(from, path))
    }

    fn stat(&self, from: &Source, path: &PodPath) -> Result<Entry, PodsError> {
        self.get(&["v1", "dfs", "stat"], &place(from, path))
    }

    fn walk(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.get(&["v1", "dfs", "walk"], &place(from, path))
    }

    fn read(
        &self,
        from: &Source,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        let mut request = self.request(Method::GET, &["v1", "dfs", "file"], &place(from, path))?;
        let is_part = range.is_some();
        if let Some(range) = range {
            if range.is_empty() {
                return Ok(0);
            }
            request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        }
        let mut response = self.begin(request)?;
        if is_part && response.status() != StatusCode::PARTIAL_CONTENT {
            let what = "the node does not answer with a range of a file";
            return Err(Refusal::new(Code::Internal, what).into());
        }
        let expected = response.content_length();
        let mut bytes = 0;
        while let Some(piece) = self.next(&mut response)? {
            if progress.stopped() {
                return Err(PodsError::Stopped { bytes });
            }
            out.write_all(&piece).map_err(|error| PodsError::Io {
                what: format!("writing `{path}`"),
                error,
            })?;
            bytes += piece.len() as u64;
            progress.moved(piece.len() as u64);
        }
        if expected.is_some_and(|expected| expected != bytes) {
            let what = format!("`{path}` was cut off after {bytes} bytes");
            return Err(Refusal::new(Code::Unreachable, what)
                .hint("try again")
                .into());
        }
        Ok(bytes)
    }

    fn edit<'p>(&'p self, pod: &PodName) -> Result<Box<dyn Edit + 'p>, PodsError> {
        Ok(Box::new(NodeEdit::begin(self, pod)?))
    }

    fn history(&self, pod: &PodName) -> Result<Vec<Snapshot>, PodsError> {
        self.get(&["v1", "pods", pod.as_str(), "history"], &[])
    }

    fn share(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError> {
        #[derive(Deserialize)]
        struct Shared {
            key: String,
        }
        let what = json!({ "path": path.as_str() });
        let shared: Shared = self.post(&["v1", "pods", pod.as_str(), "share"], &what)?;
        Ok(shared.key)
    }

    fn find(&self, reference: &str) -> Result<Found, PodsError> {
        self.get(
            &["v1", "dfs", "find"],
            &[("reference", reference.to_owned())],
        )
    }

    fn fork(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError> {
        let new = json!({ "name": name.as_str(), "from": from });
        self.post(&["v1", "pods"], &new)
    }

    fn offer(&self, fork: &PodName) -> Result<Offer, PodsError> {
        self.post(&["v1", "pods", fork.as_str(), "offer"], &json!({}))
    }

    fn offers(&self, pod: &PodName) -> Result<Vec<Offer>, PodsError> {
        self.get(&["v1", "pods", pod.as_str(), "offers"], &[])
    }

    fn settle(
        &self,
        pod: &PodName,
        offer: &str,
        take: bool,
    ) -> Result<Option<Snapshot>, PodsError> {
        let how = json!({ "offer": offer, "take": take });
        self.post(&["v1", "pods", pod.as_str(), "settle"], &how)
    }

    fn accept(&self, pod: &PodName, offer: &Offer) -> Result<Snapshot, PodsError> {
        let path = ["v1", "pods", pod.as_str(), "accept"];
        self.ask(self.request(Method::POST, &path, &[])?.json(offer))
    }

    fn bought_unasked(&self) -> Vec<Batch> {
        // Whoever cannot be told of it still finds it among the batches.
        self.post(&["v1", "dfs", "bought"], &json!({}))
            .unwrap_or_default()
    }

    fn verify(&self, from: &Source, progress: &dyn Progress) -> Result<Verified, PodsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Line {
            Moved(u64),
            Verified(Verified),
            Refused(Refusal),
        }
        let query = place(from, &PodPath::root());
        let mut response =
            self.begin(self.request(Method::POST, &["v1", "dfs", "verify"], &query)?)?;
        let odd = |what: String| PodsError::from(Refusal::new(Code::Internal, what));
        let mut lines = BytesMut::new();
        let mut bytes = 0;
        while let Some(piece) = self.next(&mut response)? {
            if progress.stopped() {
                return Err(PodsError::Stopped { bytes });
            }
            lines.extend_from_slice(&piece);
            while let Some(end) = lines.iter().position(|&byte| byte == b'\n') {
                let line = lines.split_to(end + 1);
                match serde_json::from_slice(&line) {
                    Ok(Line::Moved(moved)) => {
                        bytes += moved;
                        progress.moved(moved);
                    }
                    Ok(Line::Verified(verified)) => return Ok(verified),
                    Ok(Line::Refused(refusal)) => return Err(refusal.into()),
                    Err(error) => return Err(odd(format!("cannot make sense of a line: {error}"))),
                }
            }
            if lines.len() > LINE_BYTES_MAX {
                return Err(odd(format!("a line has more than {LINE_BYTES_MAX} bytes")));
            }
        }
        let what = "the node broke off the verification";
        Err(Refusal::new(Code::Unreachable, what)
            .hint("try again")
            .into())
    }

    fn batches(&self) -> Result<Vec<Batch>, PodsError> {
        self.get(&["v1", "dfs", "batches"], &[])
    }

    fn buy(&self, what: &BuyBatch) -> Result<Bought, PodsError> {
        let request = self.request(Method::POST, &["v1", "dfs", "batches"], &[])?;
        self.ask(request.json(what))
    }

    fn set_pinned(&self, reference: &str, pinned: bool) -> Result<(), PodsError> {
        let pin = json!({ "reference": reference, "pinned": pinned });
        self.post::<Value>(&["v1", "dfs", "pins"], &pin).map(drop)
    }

    fn pins(&self) -> Result<Vec<String>, PodsError> {
        self.get(&["v1", "dfs", "pins"], &[])
    }

    fn collect(&self) -> Result<Freed, PodsError> {
        self.post(&["v1", "dfs", "collect"], &json!({}))
    }
}
