//! How adapters speak HTTP: blocking calls to one server, with a bound on everything.
//!
//! [`Http`] is a server by its address, [`Request`] what is asked of it, [`Answer`] what it said.
//! [`Credentials`] is how secrets come in, and [`Secret`] why they do not come out again.
//!
//! * Bodies are streamed both ways; a transfer holds [`PIECE_BYTES`] × [`PIECES_MAX`] bytes at most.
//! * Whatever can be repeated safely is repeated, [`Patience::attempts`] times, with waits that grow and are
//!   drawn from their whole range ([`Patience::wait`]); a server that says when to come back is obeyed.
//! * Redirections are not followed and proxies are not asked for loopback.
//! * Only `http` is spoken. A server elsewhere is reached through a tunnel, which also authenticates it.

mod answer;
mod backoff;
mod body;
mod credentials;
mod error;
mod origin;
mod request;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use reqwest::{Method, Url};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

pub use answer::Answer;
pub use backoff::Patience;
pub use credentials::{Credentials, CredentialsError, Login, Secret};
pub use error::HttpError;
pub use origin::{Target, URL_BYTES_MAX, origin};
pub use request::{File, Request};

/// Largest piece of a body that is handed on at once, in bytes.
pub const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces of a body wait at most until the server takes them; then its source is not read on.
pub const PIECES_MAX: usize = 4;
/// Largest answer that is read into memory, in bytes: refuse.
pub const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How much of what a server says about a failure is read, in bytes; the rest is left out.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// The one thread that moves the bytes of every connection of this process.
static MOVER: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("http")
        .enable_io()
        .enable_time()
        .build()
});

/// A server that is called over HTTP. Cheap to clone; clones share connections.
///
/// Calls block: whoever is asynchronous calls from a thread that may (`spawn_blocking`).
#[derive(Clone)]
pub struct Http {
    server: Arc<str>,
    base: Url,
    client: reqwest::Client,
    patience: Patience,
    /// Numbers requests, so that the waits of no two are drawn alike.
    requests: Arc<AtomicU64>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("server", &self.server)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// The server of a kind (`Bee`, `FairOS-DFS`) at an address: `http://HOST:PORT`, or `HOST:PORT`.
    ///
    /// Nothing is called yet.
    ///
    /// # Errors
    /// [`HttpError::Address`]: it is not an address, is not `http`, or has a user, a query or a fragment.
    pub fn new(kind: &str, address: &str, patience: Patience) -> Result<Self, HttpError> {
        let base = base(address).map_err(|why| HttpError::Address {
            kind: kind.to_owned(),
            why,
        })?;
        let server: Arc<str> = format!("{kind} at {}", base.as_str().trim_end_matches('/')).into();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never()) // it is done here, where it is counted
            .user_agent(concat!("medium/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            builder = builder.no_proxy(); // a proxy could not see this machine's own loopback
        }
        let client = builder.build().map_err(|error| HttpError::Unreachable {
            server: server.to_string(),
            what: "anything".to_owned(),
            why: error::cause(&error),
        })?;
        Ok(Self {
            server,
            base,
            client,
            patience,
            requests: Arc::default(),
        })
    }

    /// Its kind and address, for messages: `Bee at http://127.0.0.1:1633`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Asks for what is at a path; may be repeated. Each step is one, whatever characters it holds.
    pub fn get(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// Asks what is known of what is at a path; may be repeated.
    pub fn head(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::HEAD, path)
    }

    /// Has something done. It is repeated only if [`Request::repeatable`] says that this does no harm.
    pub fn post(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// Puts something at a path; may be repeated.
    pub fn put(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// Changes what is at a path. It is repeated only if [`Request::repeatable`] says that this does no harm.
    pub fn patch(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::PATCH, path)
    }

    /// Removes what is at a path. It is repeated only if [`Request::repeatable`] says that this does no harm:
    /// a second time may find nothing.
    pub fn delete(&self, path: &[&str]) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    fn request(&self, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base.clone();
        if let Ok(mut steps) = url.path_segments_mut() {
            steps.pop_if_empty().extend(path);
        }
        Request::new(self, method, url)
    }

    /// The number of a request, for the draw of its waits.
    fn number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// Reads an address that paths can be appended to.
fn base(address: &str) -> Result<Url, String> {
    let shown = address.escape_debug();
    let spelled = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let url = Url::parse(&spelled).map_err(|error| format!("`{shown}` is no address: {error}"))?;
    // From here on it may hold a password, so it is not shown.
    match url.scheme() {
        "http" => {}
        "https" => {
            return Err(
                "`https` is not spoken here; make a tunnel, and give the address of its near end"
                    .to_owned(),
            );
        }
        other => return Err(format!("`{other}` is not spoken here, only `http`")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user and a password do not belong in an address".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{shown}` has more than a host, a port and a path"));
    }
    Ok(url)
}

fn is_loopback(base: &Url) -> bool {
    base.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

/// Waits for something.
fn wait<T>(future: impl Future<Output = T>) -> Result<T, HttpError> {
    Ok(mover()?.block_on(future))
}

/// Has something done while the caller does something else.
fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<JoinHandle<T>, HttpError> {
    Ok(mover()?.spawn(future))
}

fn mover() -> Result<&'static Runtime, HttpError> {
    let mover = MOVER.as_ref();
    mover.map_err(|error| HttpError::Thread(error.to_string()))
}
