//! What a server says, read as it comes.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::CONTENT_LENGTH;
use serde::de::DeserializeOwned;

use super::error::cause;
use super::{HttpError, JSON_BYTES_MAX, MESSAGE_BYTES_MAX, wait};

/// What a server said: a success, with a body that has not been read yet.
pub struct Answer {
    pub(super) server: String,
    pub(super) what: String,
    pub(super) stall: Duration,
    pub(super) response: Response,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("what", &self.what)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Its status, from 200 to 299.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// One of its headers, without blanks around it.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.response.headers().get(name)?;
        Some(value.to_str().ok()?.trim())
    }

    /// How long its body is, if it says so.
    pub fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// Reads its body as JSON, whatever type it says it has: FairOS-DFS puts a blank in front of it.
    ///
    /// # Errors
    /// [`HttpError::Answer`] for what is no JSON or none of the kind, or over [`JSON_BYTES_MAX`] bytes.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let (server, what, status) = (self.server.clone(), self.what.clone(), self.status());
        let body = self.bytes(JSON_BYTES_MAX)?;
        serde_json::from_slice(&body).map_err(|error| HttpError::Answer {
            server,
            what,
            status,
            why: error.to_string(),
        })
    }

    /// Reads its body into memory.
    ///
    /// # Errors
    /// [`HttpError::Answer`] if it has more than `max` bytes.
    pub fn bytes(mut self, max: usize) -> Result<Bytes, HttpError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece()? {
            if body.len() + piece.len() > max {
                return Err(self.senseless(format!("it has more than {max} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.into())
    }

    /// Writes its body to `out` as it comes, and says how many bytes there were.
    ///
    /// # Errors
    /// [`HttpError::Output`], or [`HttpError::Unreachable`] if it breaks off.
    pub fn copy_to(mut self, out: &mut dyn Write) -> Result<u64, HttpError> {
        let mut copied = 0;
        while let Some(piece) = self.piece()? {
            out.write_all(&piece).map_err(HttpError::Output)?;
            copied += piece.len() as u64;
        }
        Ok(copied)
    }

    /// The next piece of its body, as it came; none at its end.
    ///
    /// # Errors
    /// [`HttpError::Unreachable`] if it breaks off, or nothing comes for too long.
    pub fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        let (stall, response) = (self.stall, &mut self.response);
        let why = match wait(async { tokio::time::timeout(stall, response.chunk()).await })? {
            Ok(Ok(piece)) => return Ok(piece),
            Ok(Err(error)) => cause(&error),
            Err(_) => format!("nothing came for {} s", stall.as_secs()),
        };
        Err(HttpError::Unreachable {
            server: self.server.clone(),
            what: self.what.clone(),
            why,
        })
    }

    fn senseless(&self, why: String) -> HttpError {
        HttpError::Answer {
            server: self.server.clone(),
            what: self.what.clone(),
            status: self.status(),
            why,
        }
    }

    /// What a refusal says: the `message` of its JSON, or else its text; never more than a few lines.
    pub(super) fn message(mut self) -> String {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = self.piece() {
            let room = MESSAGE_BYTES_MAX - body.len();
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if body.len() == MESSAGE_BYTES_MAX {
                break;
            }
        }
        message(&body).unwrap_or_else(|| match self.response.status().canonical_reason() {
            Some(reason) => reason.to_lowercase(),
            None => "nothing".to_owned(),
        })
    }
}

/// What the body of a refusal says, on one line; none if it says nothing.
pub(super) fn message(body: &[u8]) -> Option<String> {
    /// Longest message that is shown, in characters.
    const SHOWN_MAX: usize = 500;
    #[derive(serde::Deserialize)]
    struct Told {
        message: String,
    }
    let text = match serde_json::from_slice::<Told>(body) {
        Ok(told) => told.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let blank = |c: char| c.is_whitespace() || c.is_control();
    let words: Vec<_> = text.split(blank).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(SHOWN_MAX).collect();
    (!line.is_empty()).then_some(line)
}
