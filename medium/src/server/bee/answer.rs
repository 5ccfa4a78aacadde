//! What Bee's API answers when it does not do what was asked: `{"code", "message", "reasons"}`.

use adapters::pods::PodsError;
use adapters::swarm::SwarmError;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::super::failure::clip;

/// What a handler gives.
pub(super) type Answer<T> = Result<T, Refused>;

/// Why a request was not done, in the words and numbers of Bee.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    message: String,
    reasons: Vec<Reason>,
}

/// What was wrong with one part of a request.
#[derive(Debug, Serialize)]
struct Reason {
    /// The header, the part of the path, or the parameter.
    field: &'static str,
    error: String,
}

#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    reasons: &'a [Reason],
}

impl Refused {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            reasons: Vec::new(),
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Something failed here, and not because of the request. What exactly goes to the log.
    pub(super) fn failed(message: &'static str, why: &dyn std::fmt::Display) -> Self {
        tracing::error!(%why, "{message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// A header that cannot be understood, as Bee says it.
    pub(super) fn header(field: &'static str, error: impl Into<String>) -> Self {
        Self::bad("invalid header params").because(field, error)
    }

    /// A part of the path that cannot be understood.
    pub(super) fn path(field: &'static str, error: impl Into<String>) -> Self {
        Self::bad("invalid path params").because(field, error)
    }

    /// A parameter that cannot be understood.
    pub(super) fn query(field: &'static str, error: impl Into<String>) -> Self {
        Self::bad("invalid query params").because(field, error)
    }

    /// What this node does not do, and Bee does.
    pub(super) fn unsupported(what: &str) -> Self {
        let message = format!("{what} is not supported by this node");
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// Adds what was wrong with one part of the request.
    pub(super) fn because(mut self, field: &'static str, error: impl Into<String>) -> Self {
        let error = error.into();
        self.reasons.push(Reason { field, error });
        self
    }
}

impl From<SwarmError> for Refused {
    /// Of contents that were to be read or written: whoever reads a reference finds 404 behind it where
    /// anything is missing.
    fn from(error: SwarmError) -> Self {
        match error {
            SwarmError::Missing { .. } => {
                Self::not_found("Not Found").because("reference", error.to_string())
            }
            SwarmError::Redundancy { .. } => Self::unsupported("redundancy above level 0")
                .because("reference", error.to_string()),
            SwarmError::Store(fault) => Self::failed("the chunk store failed", &fault),
            SwarmError::Io(error) => {
                Self::bad("the body was cut off").because("body", error.to_string())
            }
            SwarmError::Key { what } => Self::failed("no key could be made", &what),
            // Malformed, corrupt or contradictory chunks: of whoever wrote them, or of the disk.
            error => Self::failed("joiner failed", &error).because("reference", error.to_string()),
        }
    }
}

impl From<PodsError> for Refused {
    fn from(error: PodsError) -> Self {
        let hint = error.hint();
        let said = match &hint {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        };
        match error {
            PodsError::Batch { .. } => {
                Self::new(StatusCode::PAYMENT_REQUIRED, "batch is overissued")
                    .because("swarm-postage-batch-id", said)
            }
            PodsError::Funds { .. } => Self::bad("out of funds").because("wallet", said),
            PodsError::Reference { .. } | PodsError::NoSuchPath { .. } => {
                Self::not_found("Not Found").because("reference", said)
            }
            PodsError::Swarm(error) => error.into(),
            error => Self::failed("the chunk store failed", &error),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.status.as_u16(),
            message: &self.message,
            reasons: &self.reasons,
        };
        let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        let mut answer = (self.status, kind, Json(body)).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

/// JSON with the type that Bee gives it.
#[derive(Debug)]
pub(super) struct Said<T>(pub(super) StatusCode, pub(super) T);

impl<T: Serialize> IntoResponse for Said<T> {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
        (self.0, kind, Json(self.1)).into_response()
    }
}

/// `{"code", "message"}` of what was done and has no answer of its own.
pub(super) fn done(status: StatusCode) -> Response {
    let message = status.canonical_reason().unwrap_or_default();
    let body = Body {
        code: status.as_u16(),
        message,
        reasons: &[],
    };
    Said(status, body).into_response()
}

/// Sets a header whose value may be of somebody else's making; one that HTTP cannot carry is left out.
pub(super) fn set(answer: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// Answers requests for paths that there are not.
pub(super) async fn no_such_path() -> Refused {
    Refused::not_found("Not Found")
}

/// Answers requests by a method that their path does not have.
pub(super) async fn no_such_method() -> Refused {
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// The beginning of what somebody sent, as an error shows it.
pub(super) fn shown(text: &str) -> String {
    clip(&text.escape_debug().to_string())
}
