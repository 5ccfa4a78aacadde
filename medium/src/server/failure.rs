//! What is answered when something is refused: always a [`Refusal`] in JSON.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use genesis::refusal::{Code, Refusal};
use serde::Serialize;

use actors::view::Receipt;

/// A refusal on its way to whoever asked.
#[derive(Debug)]
pub(super) struct Failure {
    refusal: Refusal,
    /// If HTTP has a word of its own for it.
    status: Option<StatusCode>,
    /// The question that was accepted, but not answered in time.
    question: Option<Receipt>,
}

/// What a handler gives.
pub(super) type Answer<T> = Result<T, Failure>;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            status: None,
            question: None,
        }
    }
}

impl Failure {
    /// The same, under a status of HTTP's own.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// No answer came in time; the question stays queued.
    pub(super) fn timeout(question: Receipt, wait_ms: u64) -> Self {
        let refusal = Refusal::new(
            Code::Timeout,
            format!("no answer came within {wait_ms} ms; the message stays accepted"),
        )
        .who(question.message)
        .hint("wait longer, or look what the VC waits for with `medium show`");
        Self {
            refusal,
            status: None,
            question: Some(question),
        }
    }
}

/// What did not make sense in a request.
pub(super) fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, what)
}

/// The status that goes with a code.
pub(super) const fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unknown => StatusCode::NOT_FOUND,
        Code::Malformed
        | Code::Pattern
        | Code::Untestable
        | Code::Postage
        | Code::Signature
        | Code::Fault => StatusCode::UNPROCESSABLE_ENTITY,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Conflict | Code::Cancelled => StatusCode::CONFLICT,
        Code::Busy => StatusCode::TOO_MANY_REQUESTS,
        Code::Denied | Code::NotAContact | Code::Budget => StatusCode::FORBIDDEN,
        Code::Token => StatusCode::UNAUTHORIZED,
        Code::Stopped | Code::Expired => StatusCode::GONE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        // Corrupt, io, internal, and whatever is added later and not yet listed here.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    refusal: &'a Refusal,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self {
            refusal,
            status,
            question,
        } = self;
        let status = status.unwrap_or(status_of(refusal.code));
        if status.is_server_error() {
            tracing::warn!(code = %refusal.code, what = refusal.what, "a request failed");
        }
        let body = Body {
            refusal: &refusal,
            message: question.map(|question| question.message.to_string()),
            sequence: question.map(|question| question.sequence),
        };
        let mut response = (status, Json(body)).into_response();
        let extra = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::TOO_MANY_REQUESTS => Some((header::RETRY_AFTER, "1")),
            StatusCode::UPGRADE_REQUIRED => Some((header::UPGRADE, "websocket")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Answers requests for paths that there are not.
pub(super) async fn no_such_path(uri: Uri) -> Failure {
    Refusal::new(
        Code::Unknown,
        format!("there is nothing at `{}`", clip(uri.path())),
    )
    .hint("`/openapi.json` lists every endpoint; a `/` inside a VC's name is written `%2F`")
    .into()
}

/// Answers requests by a method that their path does not have.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Failure {
    Failure::from(
        malformed(format!(
            "`{}` does not take {}",
            clip(uri.path()),
            clip(method.as_str())
        ))
        .hint("the header `Allow` and `/openapi.json` say what it takes"),
    )
    .status(StatusCode::METHOD_NOT_ALLOWED)
}

/// The beginning of what somebody sent, to be shown in an error.
pub(super) fn clip(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_user_has_a_status_of_the_user() {
        for &code in Code::ALL {
            let status = status_of(code);
            let waits = matches!(code, Code::Timeout | Code::Unreachable | Code::DiskFull);
            assert_eq!(
                status.is_client_error(),
                code.user_can_fix() && !waits,
                "{code}: {status}"
            );
        }
    }
}
