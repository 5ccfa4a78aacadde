//! Why a call over HTTP failed.

use std::io;

use crate::pods::PodsError;

/// Why a call over HTTP failed. No secret is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// What was given as an address is none, or none that can be called.
    #[error("{kind} cannot be called: {why}")]
    Address {
        /// What kind of server was meant.
        kind: String,
        /// What is wrong with the address.
        why: String,
    },
    /// The server said no.
    #[error("{server} answered {status} to `{what}`: {message}")]
    Refused {
        /// Which.
        server: String,
        /// Method and path.
        what: String,
        /// Its status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// The server could not be reached, did not answer in time, or broke off.
    #[error("{server} cannot be reached for `{what}`: {why}")]
    Unreachable {
        /// Which.
        server: String,
        /// Method and path.
        what: String,
        /// Why.
        why: String,
    },
    /// What the server answered makes no sense.
    #[error("{server} answered {status} to `{what}`, which cannot be read: {why}")]
    Answer {
        /// Which.
        server: String,
        /// Method and path.
        what: String,
        /// Its status.
        status: u16,
        /// Why.
        why: String,
    },
    /// What was to be sent cannot be read.
    #[error("what is sent cannot be read: {0}")]
    Input(#[source] io::Error),
    /// What was received cannot be written.
    #[error("what is received cannot be written: {0}")]
    Output(#[source] io::Error),
    /// The thread that moves the bytes did not start.
    #[error("no thread for HTTP: {0}")]
    Thread(String),
}

impl HttpError {
    /// The status, if the server answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl From<HttpError> for PodsError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused {
                server,
                what,
                status,
                message,
            } => Self::Server {
                hint: hint(status).to_owned(),
                server,
                what: format!("`{what}`"),
                status,
                message,
            },
            HttpError::Address { kind, why } => Self::Unreachable { server: kind, why },
            HttpError::Unreachable { server, what, why } => Self::Unreachable {
                server,
                why: format!("{why} (`{what}`)"),
            },
            HttpError::Answer {
                server,
                what,
                status,
                why,
            } => Self::Server {
                server,
                what: format!("`{what}`"),
                status,
                message: format!("its answer cannot be read: {why}"),
                hint: "check that the address is that of the right kind of server".to_owned(),
            },
            HttpError::Input(error) => Self::Io {
                what: "what is sent cannot be read".to_owned(),
                error,
            },
            HttpError::Output(error) => Self::Io {
                what: "what is received cannot be written".to_owned(),
                error,
            },
            HttpError::Thread(why) => Self::Io {
                what: "no thread for HTTP".to_owned(),
                error: io::Error::other(why),
            },
        }
    }
}

/// What to do about a status, for servers that do not say.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the credentials",
        408 | 429 | 502 | 503 | 504 => "the server is busy: try again later",
        404 => "check the name, the path or the reference",
        413 | 507 => "the server has no room for that",
        500..=599 => "the server's own log says more",
        _ => "check what was asked for",
    }
}

/// The innermost reason of an error: what the operating system said.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
