//! An edit that a node holds.

use std::io::{self, Read};

use adapters::pods::{Edit, Entry, FileMeta, PodName, PodPath, PodsError, Progress, Snapshot};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::NodePods;

/// Bytes of a file that are sent at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait to be sent.
const PIECES: usize = 4;

/// An edit that a node holds. Dropped without a commit, it is abandoned there.
pub(super) struct NodeEdit<'p> {
    pods: &'p NodePods,
    id: String,
    is_over: bool,
}

impl<'p> NodeEdit<'p> {
    pub(super) fn begin(pods: &'p NodePods, pod: &PodName) -> Result<Self, PodsError> {
        #[derive(Deserialize)]
        struct Begun {
            edit: String,
        }
        let begun: Begun = pods.post(&["v1", "pods", pod.as_str(), "edits"], &json!({}))?;
        Ok(Self {
            pods,
            id: begun.edit,
            is_over: false,
        })
    }

    fn change(&self, change: &Value) -> Result<(), PodsError> {
        let path = ["v1", "edits", &self.id, "change"];
        self.pods.post::<Value>(&path, change).map(drop)
    }
}

impl Edit for NodeEdit<'_> {
    fn write(
        &mut self,
        path: &PodPath,
        meta: &FileMeta,
        input: &mut dyn Read,
        progress: &dyn Progress,
    ) -> Result<Entry, PodsError> {
        let mut query = vec![("path", path.to_string())];
        if !meta.content_type.is_empty() {
            query.push(("content_type", meta.content_type.clone()));
        }
        if meta.modified > 0 {
            query.push(("modified", meta.modified.to_string()));
        }
        if meta.executable {
            query.push(("executable", "true".to_owned()));
        }
        query.extend(meta.bytes.map(|bytes| ("bytes", bytes.to_string())));
        let request = self
            .pods
            .request(Method::PUT, &["v1", "edits", &self.id, "file"], &query)?
            .header("content-type", "application/octet-stream");
        let (sender, pieces) = mpsc::channel::<io::Result<Bytes>>(PIECES);
        let body = stream::unfold(pieces, |mut pieces| async move {
            let piece = pieces.recv().await?;
            Some((piece, pieces))
        });
        let client = self.pods.client.clone();
        let answer = self.pods.executor.spawn(async move {
            let request = request.body(Body::wrap_stream(body));
            client.read(client.answer(request).await?).await
        });
        if let Err(error) = pump(input, &sender, progress) {
            // The node is to see a body that was cut off, and not one that has ended.
            let _ = sender.blocking_send(Err(io::Error::other("cut off")));
            answer.abort();
            return Err(error);
        }
        drop(sender);
        let answered = self.pods.executor.block_on(answer);
        let answered = answered.map_err(|error| PodsError::Io {
            what: format!("sending `{path}`"),
            error: io::Error::other(error),
        })?;
        Ok(answered?)
    }

    fn make_directory(&mut self, path: &PodPath) -> Result<(), PodsError> {
        self.change(&json!({ "make-directory": { "path": path.as_str() } }))
    }

    fn remove(&mut self, path: &PodPath, recursive: bool) -> Result<(), PodsError> {
        let what = json!({ "path": path.as_str(), "recursive": recursive });
        self.change(&json!({ "remove": what }))
    }

    fn copy(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let what = json!({ "from": from.as_str(), "to": to.as_str() });
        self.change(&json!({ "copy": what }))
    }

    fn rename(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let what = json!({ "from": from.as_str(), "to": to.as_str() });
        self.change(&json!({ "rename": what }))
    }

    fn commit(mut self: Box<Self>, note: &str) -> Result<Snapshot, PodsError> {
        // Whatever becomes of it, the node does not hold it any more.
        self.is_over = true;
        let path = ["v1", "edits", &self.id, "commit"];
        self.pods.post(&path, &json!({ "note": note }))
    }
}

impl Drop for NodeEdit<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // One that is not told of expires by itself.
        let path = ["v1", "edits", self.id.as_str()];
        if let Ok(request) = self.pods.request(Method::DELETE, &path, &[]) {
            let _ = self.pods.ask::<Value>(request);
        }
    }
}

/// Passes on what is read, piece by piece, until nobody takes more: then the answer says why.
fn pump(
    input: &mut dyn Read,
    sender: &mpsc::Sender<io::Result<Bytes>>,
    progress: &dyn Progress,
) -> Result<(), PodsError> {
    let mut bytes = 0;
    loop {
        if progress.stopped() {
            return Err(PodsError::Stopped { bytes });
        }
        let mut piece = BytesMut::zeroed(PIECE_BYTES);
        let n = match input.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(PodsError::Io {
                    what: "reading what is to be written".to_owned(),
                    error,
                });
            }
        };
        piece.truncate(n);
        if sender.blocking_send(Ok(piece.freeze())).is_err() {
            return Ok(());
        }
        bytes += n as u64;
        progress.moved(n as u64);
    }
}
