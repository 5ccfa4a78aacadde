//! Contents of any size: sent to a node, and taken from it, piece by piece.

use std::time::Duration;

use bytes::Bytes;
use genesis::id::{Digest, Digester};
use genesis::refusal::{Code, Refusal};
use reqwest::{Body, Method, Response};
use serde::Deserialize;

use super::{ANSWER, Client};

/// How long contents may take on their way in: as long as their pieces keep coming, which the node
/// watches over.
const STORE: Duration = Duration::from_hours(7 * 24);

/// Contents that a node has stored.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Stored {
    /// Their digest.
    pub(crate) digest: String,
}

/// Contents on their way from a node, verified.
#[derive(Debug)]
pub(crate) struct Fetched {
    client: Client,
    response: Response,
    digest: Digest,
    digester: Digester,
}

impl Client {
    /// Has a node store contents.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn store(&self, contents: impl Into<Body>) -> Result<Stored, Refusal> {
        let request = self
            .request(Method::POST, &["v1", "contents"], &[])?
            .timeout(STORE)
            .header("content-type", "application/octet-stream")
            .body(contents);
        self.read(self.answer(request).await?).await
    }

    /// Begins to take contents from a node.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn fetch(&self, digest: &str) -> Result<Fetched, Refusal> {
        let odd = |error| Refusal::new(Code::Internal, format!("`{digest}` is no digest: {error}"));
        let expected: Digest = digest.parse().map_err(odd)?;
        let request = self
            .request(Method::GET, &["v1", "contents", digest], &[])?
            .timeout(STORE);
        Ok(Fetched {
            response: self.answer(request).await?,
            client: self.clone(),
            digest: expected,
            digester: Digester::default(),
        })
    }
}

impl Fetched {
    /// The next piece; none at the end, and then all of them were what was asked for.
    ///
    /// # Errors
    /// `unreachable` or `timeout`; `corrupt` at the end, if they were others.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let paused = |_| Refusal::new(Code::Timeout, "the node stopped sending the contents");
        let piece = tokio::time::timeout(ANSWER, self.response.chunk());
        let piece = piece.await.map_err(paused)?;
        let piece = piece.map_err(|error| self.client.unreachable(&error))?;
        if let Some(piece) = piece {
            self.digester.update(&piece);
            return Ok(Some(piece));
        }
        if self.digester.digest() == self.digest {
            return Ok(None);
        }
        let what = format!("what came are not the contents {}", self.digest);
        Err(Refusal::new(Code::Corrupt, what).hint("try again"))
    }
}
