//! The HTTP client of a node: what every verb uses, and the only way the command line reaches one.

use std::time::Duration;

use bytes::Bytes;
use genesis::export;
use genesis::image::Image;
use genesis::refusal::{Code, Refusal};
use medium::name;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) mod contents;
pub(crate) mod events;
pub(crate) mod found;
pub(crate) mod pods;
pub(crate) mod seen;
pub(crate) mod worlds;

use seen::{Born, Module, Node, Portrait, Sent};

/// How long a connection may take to come about: a node is near.
const CONNECT: Duration = Duration::from_secs(3);
/// The type of a body that only names contents.
const REFERENCE_TYPE: &str = "application/vnd.medium.ref+json";
/// How long an answer may take, beside what the request itself waits for.
const ANSWER: Duration = Duration::from_secs(30);

/// A node, as its address and token reach it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

/// Never shows the token.
impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// A message to be sent, beside its contents.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner<'a> {
    /// By which channel; none for `main`.
    pub(crate) channel: Option<&'a str>,
    /// How long to wait for a reply, in milliseconds; 0 for not at all.
    pub(crate) wait_ms: u64,
    /// How long it lives, in milliseconds; none for the default.
    pub(crate) expires_ms: Option<u64>,
    /// Its idempotency key.
    pub(crate) key: Option<&'a str>,
    /// Whether what is sent only names contents that the node has: `{"ref": DIGEST}`.
    pub(crate) by_reference: bool,
}

impl Manner<'_> {
    /// A message that waits so long for its reply.
    pub(crate) fn wait(wait_ms: u64) -> Self {
        Self {
            wait_ms,
            ..Self::default()
        }
    }
}

/// What a page of a list is followed by.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    /// The page.
    pub(crate) rows: T,
    /// Where the next one begins; none if this was the last.
    pub(crate) next: Option<String>,
    /// Whether there is more, as far as the node knows.
    pub(crate) more: bool,
}

impl Client {
    /// A client for the node at an address: `http://HOST:PORT` or `HOST:PORT`.
    ///
    /// # Errors
    /// `malformed` if it is not an address.
    pub(crate) fn new(api: &str, token: Option<String>) -> Result<Self, Refusal> {
        let base = found::base_url(api)?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A node is reached directly: a proxy of the environment could not see loopback.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("medium/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Refusal::new(Code::Internal, format!("no HTTP client: {error}")))?;
        Ok(Self { http, base, token })
    }

    /// The address, as it was understood.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether there is a token to show.
    pub(crate) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The address of something: each step is one, whatever characters it holds.
    ///
    /// # Errors
    /// `malformed` for a step that would make it the address of something else.
    fn url(&self, path: &[&str]) -> Result<Url, Refusal> {
        path.iter().try_for_each(|step| name::asked(step))?;
        let mut url = self.base.clone();
        // `base_url` let only http through, which can always be a base.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<RequestBuilder, Refusal> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url).timeout(ANSWER);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Sends a request; anything but a success becomes the refusal the node gave.
    async fn answer(&self, request: RequestBuilder) -> Result<Response, Refusal> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        self.refused(response).await
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, Refusal> {
        let body = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            let what = format!(
                "cannot make sense of what `{}` answered: {error}",
                self.base()
            );
            Refusal::new(Code::Internal, what)
                .hint("`medium doctor` compares the versions of node and command line")
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Refusal {
        let base = self.base();
        if error.is_timeout() && !error.is_connect() {
            return Refusal::new(
                Code::Timeout,
                format!("the node at {base} did not answer in time"),
            )
            .hint("it may be busy: try again, or look at `medium doctor`");
        }
        // The innermost cause says what the operating system said.
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        if error.is_connect() {
            let what = format!("no node answers at {base} ({cause})");
            return Refusal::new(Code::Unreachable, what).hint("start one: `medium up`");
        }
        // It was there, and has read some of the request.
        Refusal::new(
            Code::Unreachable,
            format!("the node at {base} broke off the request ({cause})"),
        )
        .hint("it may have ended, or not have wanted what was sent: `medium doctor` looks at it")
    }

    /// Reads something.
    ///
    /// # Errors
    /// What the node refused, or `unreachable`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Refusal> {
        let response = self.answer(self.request(Method::GET, path, query)?).await?;
        self.read(response).await
    }

    /// Reads a page of a list, and where the next one begins.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Paged<T>, Refusal> {
        let response = self.answer(self.request(Method::GET, path, query)?).await?;
        let next = text_header(response.headers(), "x-medium-next");
        let more = next.is_some() || response.headers().contains_key("x-medium-more");
        Ok(Paged {
            rows: self.read(response).await?,
            next,
            more,
        })
    }

    /// Changes something.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let response = self
            .answer(self.request(Method::POST, path, &[])?.json(body))
            .await?;
        self.read(response).await
    }

    /// Removes a VC, stopping it first if asked to.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn remove(&self, vc: &str, stop: bool) -> Result<Value, Refusal> {
        let query: &[_] = if stop {
            &[("stop", "true".to_owned())]
        } else {
            &[]
        };
        let request = self.request(Method::DELETE, &["v1", "vcs", vc], query)?;
        self.read(self.answer(request).await?).await
    }

    /// Sends a message. No reply in time is no error here: the message stays queued.
    ///
    /// # Errors
    /// As [`Client::get`]; a bounce is a reply.
    pub(crate) async fn send(
        &self,
        vc: &str,
        contents: impl Into<reqwest::Body>,
        manner: Manner<'_>,
    ) -> Result<Sent, Refusal> {
        let mut query = Vec::new();
        query.extend(
            manner
                .channel
                .map(|channel| ("channel", channel.to_owned())),
        );
        query.extend((manner.wait_ms > 0).then(|| ("wait", manner.wait_ms.to_string())));
        query.extend(
            manner
                .expires_ms
                .map(|expires| ("expires", expires.to_string())),
        );
        let of_type = if manner.by_reference {
            REFERENCE_TYPE
        } else {
            "application/octet-stream"
        };
        let mut request = self
            .request(Method::POST, &["v1", "vcs", vc, "messages"], &query)?
            .timeout(ANSWER.saturating_add(Duration::from_millis(manner.wait_ms)))
            .header("content-type", of_type)
            .body(contents);
        if let Some(key) = manner.key {
            request = request.header("idempotency-key", key);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status() != reqwest::StatusCode::GATEWAY_TIMEOUT {
            return if response.status().is_success() {
                self.read(response).await
            } else {
                self.refused(response).await
            };
        }
        let body: Value = self.read(response).await?;
        match body.get("message").and_then(Value::as_str) {
            Some(message) => Ok(Sent {
                message: message.to_owned(),
                sequence: body.get("sequence").and_then(Value::as_u64),
                ..Sent::default()
            }),
            None => Err(serde_json::from_value(body).unwrap_or_else(|_| {
                Refusal::new(Code::Timeout, format!("no answer from `{vc}` in time"))
            })),
        }
    }

    async fn refused<T>(&self, response: Response) -> Result<T, Refusal> {
        let status = response.status();
        let body = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            let what = format!(
                "`{}` answered {status}, but not as a node does",
                self.base()
            );
            Refusal::new(Code::Unreachable, what).hint("check `--api`: is it a node of the medium?")
        }))
    }

    /// Gives a module, or the text of one, to the node.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn bring(&self, module: Bytes) -> Result<Module, Refusal> {
        let request = self
            .request(Method::POST, &["v1", "modules"], &[])?
            .header("content-type", "application/octet-stream")
            .body(module);
        self.read(self.answer(request).await?).await
    }

    /// Gives birth to a VC; `birth` is as the API takes it.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn spawn(&self, birth: &Value) -> Result<Born, Refusal> {
        self.post(&["v1", "vcs"], birth).await
    }

    /// Makes a copy of a VC.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn fork(&self, vc: &str, name: Option<&str>) -> Result<Born, Refusal> {
        let body = name.map_or_else(|| json!({}), |name| json!({ "name": name }));
        self.post(&["v1", "vcs", vc, "fork"], &body).await
    }

    /// Puts a VC to sleep, wakes it or stops it: `verb` is the API's word.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn signal(&self, vc: &str, verb: &str) -> Result<Value, Refusal> {
        self.post(&["v1", "vcs", vc, verb], &json!({})).await
    }

    /// How a program attaches itself to a VC.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn attach(&self, vc: &str) -> Result<Value, Refusal> {
        self.post(&["v1", "vcs", vc, "outside"], &json!({})).await
    }

    /// Leaves a VC to the pod that has its image.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn lay_down(
        &self,
        vc: &str,
        place: &str,
        image: &str,
    ) -> Result<Value, Refusal> {
        let body = json!({ "place": place, "image": image });
        self.post(&["v1", "vcs", vc, "bed"], &body).await
    }

    /// A VC on one screen.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn portrait(&self, vc: &str) -> Result<Portrait, Refusal> {
        self.get(&["v1", "vcs", vc], &[]).await
    }

    /// The node itself.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn node(&self) -> Result<Node, Refusal> {
        self.get(&["v1", "node"], &[]).await
    }

    /// A VC's image as a file, which is whole and signed, and the same read.
    ///
    /// # Errors
    /// As [`Client::get`]; `corrupt` if what came is not as it was signed.
    pub(crate) async fn image(&self, vc: &str) -> Result<(Bytes, Image), Refusal> {
        let response = self
            .answer(self.request(Method::GET, &["v1", "vcs", vc, "image"], &[])?)
            .await?;
        let bytes = response
            .bytes()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (image, _, _) = export::read(&bytes).map_err(|error| {
            let what = format!(
                "the frozen VC that `{}` sent is damaged: {error}",
                self.base()
            );
            Refusal::new(Code::Corrupt, what).hint("try again")
        })?;
        Ok((bytes, image))
    }
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_into_a_body_is_one_step_of_the_address() {
        let client = Client::new("127.0.0.1:7700", None).unwrap();
        let url = client.url(&["v1", "vcs", "ring/1 ?", "sleep"]).unwrap();
        assert_eq!(
            url.as_str(),
            "http://127.0.0.1:7700/v1/vcs/ring%2F1%20%3F/sleep"
        );
    }

    /// Regression: `medium stop ..` was a request for `/v1/vcs/stop`, and `medium show ''` one for the list.
    #[test]
    fn no_name_makes_another_address() {
        let client = Client::new("127.0.0.1:7700", None).unwrap();
        for name in ["", ".", "..", "a\nb"] {
            let refused = client.url(&["v1", "vcs", name, "stop"]).unwrap_err();
            assert_eq!(refused.code, Code::Malformed, "{name}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let client = Client::new("127.0.0.1:1", Some("sesame".to_owned())).unwrap();
        assert!(!format!("{client:?}").contains("sesame"));
    }
}
