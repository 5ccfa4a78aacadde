//! One request and its answer.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::body::{fits, pipe, read_piece};
use super::error::cause;
use super::{Answer, Http, HttpError, Secret, spawn, wait};

/// What is asked of a server: built up, then sent once by one of the `send…` methods.
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'h> {
    http: &'h Http,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    repeatable: bool,
    answer_within: Duration,
    /// What must not be shown, though the server may say it.
    secrets: Vec<Secret>,
    /// What was wrong with a header, told when it is sent.
    flaw: Option<String>,
}

/// Shows neither headers nor queries, which may hold secrets.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.what()).finish()
    }
}

/// A file that is sent as one part of a form.
pub struct File<'i> {
    /// The name of the field.
    pub field: &'static str,
    /// The name of the file.
    pub name: String,
    /// Its media type; empty: `application/octet-stream`.
    pub content_type: String,
    /// Its length, if it is known; a source that is shorter or longer fails.
    pub bytes: Option<u64>,
    /// Where its bytes come from.
    pub input: &'i mut dyn Read,
}

impl fmt::Debug for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("name", &self.name)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl<'h> Request<'h> {
    pub(super) fn new(http: &'h Http, method: Method, url: Url) -> Self {
        Self {
            http,
            repeatable: matches!(method, Method::GET | Method::HEAD | Method::PUT),
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_within: http.patience.answer,
            secrets: Vec::new(),
            flaw: None,
        }
    }

    /// Adds to the query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Sets a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.set_header(name, value, false);
        self
    }

    /// Sets a header to a secret.
    pub fn secret_header(mut self, name: &'static str, value: &Secret) -> Self {
        self.set_header(name, value.reveal(), true);
        self.secrets.push(value.clone());
        self
    }

    /// Shows a token.
    pub fn bearer(mut self, token: &Secret) -> Self {
        self.set_header(
            AUTHORIZATION.as_str(),
            &format!("Bearer {}", token.reveal()),
            true,
        );
        self.secrets.push(token.clone());
        self
    }

    /// Sends something as JSON.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body.into(),
            Err(error) => self.flaw = Some(error.to_string()),
        }
        // Without a `charset`: FairOS-DFS compares the whole of it.
        self.header(CONTENT_TYPE.as_str(), "application/json")
    }

    /// Sends bytes of a media type.
    pub fn bytes(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// What is not to be shown, should the server say it.
    pub fn hiding(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Doing this twice does no more than doing it once: it may be repeated after a failure.
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// It is tried once only.
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// How long the answer may take to begin, where it is not the server's usual time.
    pub fn answer_within(mut self, bound: Duration) -> Self {
        self.answer_within = bound;
        self
    }

    fn set_header(&mut self, name: &'static str, value: &str, secret: bool) {
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(secret);
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => {
                self.flaw = Some(format!("the header `{name}` has characters that it cannot"));
            }
        }
    }

    /// Method and path, for messages; the query stays out, since references are keys.
    fn what(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }

    /// Sends it, again if that is safe and it failed for a reason that may pass.
    ///
    /// # Errors
    /// [`HttpError`]: anything but a success (2xx) is one.
    pub fn send(self) -> Result<Answer, HttpError> {
        self.check()?;
        let number = self.http.number();
        let mut attempt = 1;
        loop {
            let request = self.builder().body(self.body.clone());
            let (error, pause) = match self.attempt(request) {
                Ok(answer) => return Ok(answer),
                Err(failure) if self.may_repeat(&failure) => {
                    let asked_s = failure.asked_s;
                    let pause = self.http.patience.wait(number, attempt + 1, asked_s);
                    (failure.error, pause)
                }
                Err(failure) => (failure.error, None),
            };
            match pause {
                Some(pause) => wait(async { tokio::time::sleep(pause).await })?,
                None => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Sends what `input` has as the body; once, since `input` cannot be read again.
    ///
    /// # Errors
    /// [`HttpError`]: anything but a success (2xx) is one, and so is an `input` of another length.
    pub fn send_reading(
        mut self,
        content_type: &str,
        bytes: Option<u64>,
        input: &mut dyn Read,
    ) -> Result<Answer, HttpError> {
        self.set_header(CONTENT_TYPE.as_str(), content_type, false);
        if let Some(bytes) = bytes {
            self.set_header(CONTENT_LENGTH.as_str(), &bytes.to_string(), false);
        }
        self.check()?;
        let (pieces, body) = pipe();
        let request = self.builder().body(body);
        self.stream(request, bytes, input, pieces)
    }

    /// Sends a form whose last part is a file; once, since the file's source cannot be read again.
    ///
    /// # Errors
    /// As [`Request::send_reading`].
    pub fn send_form(
        self,
        fields: &[(&'static str, &str)],
        file: File<'_>,
    ) -> Result<Answer, HttpError> {
        self.check()?;
        let (pieces, body) = pipe();
        let part = match file.bytes {
            Some(bytes) => Part::stream_with_length(body, bytes),
            None => Part::stream(body),
        };
        let content_type = match file.content_type.as_str() {
            "" => "application/octet-stream",
            known => known,
        };
        let part = part
            .file_name(file.name)
            .mime_str(content_type)
            .map_err(|_| {
                self.flawed(&format!(
                    "`{}` is no media type",
                    content_type.escape_debug()
                ))
            })?;
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text(*name, (*value).to_owned());
        }
        let request = self.builder().multipart(form.part(file.field, part));
        self.stream(request, file.bytes, file.input, pieces)
    }

    fn builder(&self) -> reqwest::RequestBuilder {
        let request = self
            .http
            .client
            .request(self.method.clone(), self.url.clone());
        request.headers(self.headers.clone())
    }

    fn check(&self) -> Result<(), HttpError> {
        match &self.flaw {
            Some(flaw) => Err(self.flawed(flaw)),
            None => Ok(()),
        }
    }

    fn flawed(&self, why: &str) -> HttpError {
        HttpError::Input(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{}: {why}", self.what()),
        ))
    }

    fn may_repeat(&self, failure: &Failure) -> bool {
        match failure.reached {
            // Nothing was asked of it, or it says that it did nothing.
            Reached::No | Reached::TurnedAway => true,
            Reached::Maybe => self.repeatable,
            Reached::Refused => false,
        }
    }

    /// One attempt with a body that is there.
    fn attempt(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let within = self.answer_within;
        let answered = wait(async { tokio::time::timeout(within, request.send()).await });
        match answered {
            Ok(Ok(Ok(response))) => self.judge(response),
            Ok(Ok(Err(error))) => Err(self.failed(&error)),
            // Not again: it took its time already, and may still be at it.
            Ok(Err(_)) => Err(Failure::refused(self.late(within))),
            Err(error) => Err(Failure::refused(error)),
        }
    }

    /// One attempt with a body that is read as it is sent.
    ///
    /// The caller's thread reads, since what it reads from need not be sendable; a task sends.
    fn stream(
        &self,
        request: reqwest::RequestBuilder,
        bytes: Option<u64>,
        input: &mut dyn Read,
        pieces: mpsc::Sender<io::Result<Bytes>>,
    ) -> Result<Answer, HttpError> {
        let mut sending = Sending(spawn(request.send())?);
        let early = self.feed(bytes, input, pieces, &mut sending)?;
        let is_early = early.is_some();
        let within = self.answer_within;
        let answered = match early {
            Some(answered) => answered,
            None => wait(async { tokio::time::timeout(within, &mut sending.0).await })?
                .map_err(|_| self.late(within))?,
        };
        match answered {
            Ok(Ok(response)) => {
                let answer = self.judge(response).map_err(|failure| failure.error)?;
                if is_early {
                    return Err(self.unreachable("it took only a part of what was sent".to_owned()));
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.failed(&error).error),
            Err(error) => Err(self.unreachable(error.to_string())),
        }
    }

    /// Reads `input` to its end and hands it on, no faster than it is taken. Answers what the server said, if
    /// it did before the end.
    fn feed(
        &self,
        bytes: Option<u64>,
        input: &mut dyn Read,
        pieces: mpsc::Sender<io::Result<Bytes>>,
        sending: &mut Sending,
    ) -> Result<Option<Answered>, HttpError> {
        let stall = self.http.patience.stall;
        let mut left = bytes;
        loop {
            let piece = match read_piece(input).and_then(|piece| fits(piece, &mut left)) {
                Ok(piece) if piece.is_empty() => {
                    drop(pieces); // which ends the body
                    return Ok(None);
                }
                Ok(piece) => piece,
                Err(error) => {
                    // The body must break off: without this it could look complete.
                    let told = io::Error::new(error.kind(), "the source broke off");
                    let _ = pieces.try_send(Err(told));
                    return Err(HttpError::Input(error));
                }
            };
            let taken = wait(async {
                tokio::select! {
                    biased; // an answer before the end is a refusal, most likely
                    answered = &mut sending.0 => Taken::Answered(answered),
                    taken = tokio::time::timeout(stall, pieces.send(Ok(piece))) => match taken {
                        Ok(Ok(())) => Taken::Yes,
                        Ok(Err(_)) => Taken::Closed,
                        Err(_) => Taken::Stalled,
                    },
                }
            })?;
            match taken {
                Taken::Yes => {}
                Taken::Answered(answered) => return Ok(Some(answered)),
                // The body was dropped: the answer says why.
                Taken::Closed => {
                    let answered =
                        wait(async { tokio::time::timeout(stall, &mut sending.0).await })?;
                    return answered.map(Some).map_err(|_| self.late(stall));
                }
                Taken::Stalled => {
                    let why = format!("it took nothing for {} s", stall.as_secs());
                    return Err(self.unreachable(why));
                }
            }
        }
    }

    /// A success, or what the server said instead.
    fn judge(&self, response: Response) -> Result<Answer, Failure> {
        let status = response.status();
        let asked_s = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let answer = Answer {
            server: self.http.server.to_string(),
            what: self.what(),
            stall: self.http.patience.stall,
            response,
        };
        if status.is_success() {
            return Ok(answer);
        }
        let reached = match status {
            StatusCode::TOO_MANY_REQUESTS => Reached::TurnedAway,
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Reached::Maybe,
            _ => Reached::Refused,
        };
        let error = HttpError::Refused {
            server: answer.server.clone(),
            what: answer.what.clone(),
            status: status.as_u16(),
            message: self.without_secrets(&answer.message()),
        };
        Err(Failure {
            error,
            reached,
            asked_s,
        })
    }

    fn without_secrets(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for secret in self
            .secrets
            .iter()
            .filter(|secret| !secret.reveal().is_empty())
        {
            message = message.replace(secret.reveal(), "(a secret)");
        }
        message
    }

    fn failed(&self, error: &reqwest::Error) -> Failure {
        Failure {
            error: self.unreachable(cause(error)),
            reached: if error.is_connect() {
                Reached::No
            } else {
                Reached::Maybe
            },
            asked_s: None,
        }
    }

    fn late(&self, within: Duration) -> HttpError {
        self.unreachable(format!("it did not answer within {} s", within.as_secs()))
    }

    fn unreachable(&self, why: String) -> HttpError {
        HttpError::Unreachable {
            server: self.http.server.to_string(),
            what: self.what(),
            why,
        }
    }
}

/// What a task that sent a request ended with.
type Answered = Result<reqwest::Result<Response>, JoinError>;

/// A request on its way; it is abandoned with this.
struct Sending(JoinHandle<reqwest::Result<Response>>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of a piece of a body.
enum Taken {
    /// It is on its way.
    Yes,
    /// The request ended before it.
    Answered(Answered),
    /// Nobody takes any more.
    Closed,
    /// Nobody took it for too long.
    Stalled,
}

/// A failed attempt.
struct Failure {
    error: HttpError,
    reached: Reached,
    /// For how long the server wants to be left alone, in seconds.
    asked_s: Option<u64>,
}

impl Failure {
    fn refused(error: HttpError) -> Self {
        Self {
            error,
            reached: Reached::Refused,
            asked_s: None,
        }
    }
}

/// Whether a failed request was carried out.
#[derive(Clone, Copy)]
enum Reached {
    /// It was not: there was no connection.
    No,
    /// It was not: the server has too much to do.
    TurnedAway,
    /// Nobody knows.
    Maybe,
    /// It was judged or took too long, and would be again.
    Refused,
}
