//! The core of Bee's HTTP API over the node's own chunks, so that programs made for a Bee work with this node.
//!
//! It listens on a socket of its own, and only where `medium up --bee-api` says. `routes` lists what there is,
//! once plain and once below `/v1`; what is answered has the headers, numbers and JSON of Bee 2.8 (API 8.1.0).
//!
//! Bee's API knows no token, so this one does not either: whoever reaches it may read what they can name, write
//! with the wallet's batches and buy batches with its motes. Hence loopback, unless asked otherwise, and no
//! requests of web pages: none from another site ([`super::guard`]), and none that changes anything, not even
//! from a page that was served here.
//!
//! What differs from Bee, on purpose: levels of redundancy above 0 are refused, and none is asked for by
//! default; what is encrypted is encrypted by keys that follow from the contents and a secret of the node, so
//! that equal contents are stored once; another chunk at a single-owner chunk's address stays (409); no access
//! control, no messages, no peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use adapters::pods::keeper::Keeper;
use adapters::swarm::encrypt::{Convergent, Keys};
use adapters::swarm::keccak::Hash;
use adapters::swarm::sign::Owner;
use adapters::swarm::store::ChunkStore;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use bytes::BytesMut;
use futures_util::StreamExt;
use genesis::id::{Digest, VcId};
use genesis::time::Time;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use self::answer::{Answer, Refused};
use self::tags::Tags;
use super::{Api, extract, guard, listener};
use crate::stop::Stop;

mod about;
mod answer;
mod ask;
mod bzz;
mod chunks;
mod collection;
mod contents;
mod deposit;
mod feeds;
mod form;
mod incoming;
mod outgoing;
mod pins;
mod stamps;
mod tags;

/// Most connections at one time; more wait in the operating system's queue.
const CONNECTIONS_MAX: usize = 512;
/// Most requests under way at one time: refuse with 429.
const REQUESTS_MAX: usize = 256;
/// Most contents that are taken in at one time: refuse with 429.
const UPLOADS_MAX: usize = 16;
/// Most contents that are given out at one time: refuse with 429.
const DOWNLOADS_MAX: usize = 64;
/// Threads that hash one upload.
const THREADS: usize = 2;

const _: () = assert!(
    REQUESTS_MAX + DOWNLOADS_MAX <= CONNECTIONS_MAX,
    "who is refused must be able to connect"
);

/// What the API is given to work with.
struct BeeConfig {
    /// Where chunks are.
    keeper: Arc<dyn Keeper>,
    /// Whose batches pay.
    wallet: Owner,
    /// What tells the time.
    clock: Arc<dyn Clock>,
    /// Where the socket listens.
    bound: SocketAddr,
    /// The signal that ends it.
    stop: Stop,
}

/// The API while it is served.
#[derive(Debug)]
pub(crate) struct BeeServer {
    api: BeeApi,
    served: JoinHandle<()>,
}

impl BeeServer {
    /// Serves chunks as one wallet, until the node is told to stop.
    pub(crate) fn start(
        listener: TcpListener,
        bound: SocketAddr,
        keeper: Arc<dyn Keeper>,
        wallet: Owner,
        node: &Api,
    ) -> Self {
        let config = BeeConfig {
            keeper,
            wallet,
            clock: node.0.config.clock.clone(),
            bound,
            stop: node.stop().clone(),
        };
        let secret = node.0.config.secret.key_of(VcId::NOBODY).to_bytes();
        let secret = Digest::of_fields(b"medium/1 encryption by Bee's API", &[&secret]);
        let api = BeeApi::new(config, secret.0);
        tracing::info!(%bound, "Bee's API is up");
        Self {
            api: api.clone(),
            served: tokio::spawn(serve(listener, api)),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.api.0.config.bound
    }

    /// Waits until it has ended, which it does when the node is told to stop; cut off after `grace`. What was
    /// deferred is then on the disk.
    pub(crate) async fn ended(mut self, grace: Duration) {
        if tokio::time::timeout(grace, &mut self.served).await.is_err() {
            self.served.abort();
            tracing::warn!(
                "requests of Bee's API were still under way after {} ms",
                grace.as_millis()
            );
        }
        let api = self.api.clone();
        let synced = blocking(&self.api, move |_| match api.tags().any_unsynced() {
            Some(uid) => tags::sync(&api, uid),
            None => Ok(()),
        });
        if let Err(refused) = synced.await {
            tracing::warn!(?refused, "chunks of unfinished uploads were not kept");
        }
    }
}

/// What every request shares. Clones are the same.
#[derive(Clone)]
struct BeeApi(Arc<Shared>);

impl std::fmt::Debug for BeeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BeeApi")
            .field("bound", &self.0.config.bound)
            .finish_non_exhaustive()
    }
}

struct Shared {
    config: BeeConfig,
    keys: Convergent,
    tags: Tags,
    requests: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

impl BeeApi {
    /// `secret` is what the keys of encrypted contents follow from.
    fn new(config: BeeConfig, secret: Hash) -> Self {
        Self(Arc::new(Shared {
            keys: Convergent::new(secret),
            tags: Tags::default(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            config,
        }))
    }

    fn keeper(&self) -> &dyn Keeper {
        &*self.0.config.keeper
    }

    fn wallet(&self) -> Owner {
        self.0.config.wallet
    }

    fn keys(&self) -> &dyn Keys {
        &self.0.keys
    }

    fn tags(&self) -> &Tags {
        &self.0.tags
    }

    fn now(&self) -> Time {
        self.0.config.clock.now()
    }

    fn is_stopping(&self) -> bool {
        self.0.config.stop.is_given()
    }

    /// A place among the contents that are taken in.
    fn upload(&self) -> Answer<OwnedSemaphorePermit> {
        place(&self.0.uploads, "uploads", UPLOADS_MAX)
    }

    /// A place among the contents that are given out.
    fn download(&self) -> Answer<OwnedSemaphorePermit> {
        place(&self.0.downloads, "downloads", DOWNLOADS_MAX)
    }
}

fn place(places: &Arc<Semaphore>, what: &str, max: usize) -> Answer<OwnedSemaphorePermit> {
    places.clone().try_acquire_owned().map_err(|_| {
        let why = format!("{max} {what} are under way, more are refused");
        Refused::new(StatusCode::TOO_MANY_REQUESTS, why)
    })
}

/// Serves the API until the node is told to stop, and then until the requests under way have ended.
async fn serve(listener: TcpListener, api: BeeApi) {
    let stop = api.0.config.stop.clone();
    let service = router(api).into_make_service_with_connect_info::<listener::Peer>();
    let served = axum::serve(listener::Bounded::new(listener, CONNECTIONS_MAX), service)
        .with_graceful_shutdown(async move { stop.given().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "Bee's API ended");
    }
}

/// Every endpoint there is. `GET` answers `HEAD` too.
fn routes() -> Vec<(&'static str, MethodRouter<BeeApi>)> {
    vec![
        ("/health", get(about::health)),
        ("/readiness", get(about::readiness)),
        ("/node", get(about::node)),
        ("/chainstate", get(about::chainstate)),
        ("/bytes", post(contents::upload)),
        ("/bytes/{reference}", get(contents::download)),
        ("/bzz", post(bzz::upload)),
        ("/bzz/{reference}", get(bzz::redirect)),
        ("/bzz/{reference}/", get(bzz::download_root)),
        ("/bzz/{reference}/{*path}", get(bzz::download)),
        ("/chunks", post(chunks::upload)),
        ("/chunks/{address}", get(chunks::download)),
        (
            "/soc/{owner}/{id}",
            get(chunks::download_single_owner).post(chunks::upload_single_owner),
        ),
        (
            "/feeds/{owner}/{topic}",
            get(feeds::download).post(feeds::upload),
        ),
        ("/stamps", get(stamps::list)),
        ("/stamps/{batch}", get(stamps::show)),
        ("/stamps/{amount}/{depth}", post(stamps::buy)),
        ("/tags", get(tags::list).post(tags::create)),
        (
            "/tags/{id}",
            get(tags::show).delete(tags::delete).patch(tags::patch),
        ),
        ("/pins", get(pins::list)),
        (
            "/pins/{reference}",
            get(pins::show).post(pins::pin).delete(pins::unpin),
        ),
        ("/stewardship/{reference}", get(pins::is_retrievable)),
    ]
}

fn router(api: BeeApi) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, endpoint)| {
            router
                .route(&format!("/v1{path}"), endpoint.clone())
                .route(path, endpoint)
        })
        .route("/", get(about::root))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        // Bodies are bounded where they are read: most of them are not held in memory.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(api.clone(), admit))
        .with_state(api)
}

/// Lets a request through to its handler, or refuses it.
async fn admit(State(api): State<BeeApi>, request: Request, next: Next) -> Answer<Response> {
    if api.is_stopping() {
        let what = "the node is shutting down";
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, what));
    }
    let headers = request.headers();
    let denied =
        |refusal: genesis::refusal::Refusal| Refused::new(StatusCode::FORBIDDEN, refusal.what);
    let host = guard::host(headers, api.0.config.bound).map_err(denied)?;
    guard::same_origin(headers, &host).map_err(denied)?;
    // Contents are anybody's, pages among them. They are shown, but they change nothing.
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && headers.contains_key(header::ORIGIN) {
        let what = "a web page may not change anything here";
        return Err(Refused::new(StatusCode::FORBIDDEN, what));
    }
    let _place = place(&api.0.requests, "requests", REQUESTS_MAX)?;
    Ok(next.run(request).await)
}

/// Does work that blocks on the node's chunks.
async fn blocking<T: Send + 'static>(
    api: &BeeApi,
    work: impl FnOnce(&dyn ChunkStore) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let keeper = api.0.config.keeper.clone();
    let done = tokio::task::spawn_blocking(move || {
        let store: &dyn ChunkStore = &*keeper;
        work(store)
    });
    done.await
        .map_err(|error| Refused::failed("the request was not finished", &error))?
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// 413 as soon as it is longer, 400 if it breaks off or pauses for too long.
async fn short_body(body: Body, bytes_max: usize, what: &str) -> Answer<Bytes> {
    let announced = body.size_hint().lower();
    let mut frames = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let pause = Duration::from_millis(extract::BODY_MS_MAX);
    let mut is_long = announced > bytes_max as u64;
    while !is_long {
        match tokio::time::timeout(pause, frames.next()).await {
            Ok(None) => return Ok(bytes.freeze()),
            Ok(Some(Ok(frame))) => {
                is_long = bytes.len() + frame.len() > bytes_max;
                if !is_long {
                    bytes.extend_from_slice(&frame);
                }
            }
            Ok(Some(Err(error))) => {
                return Err(Refused::bad("the body was cut off").because("body", error.to_string()));
            }
            Err(_) => {
                let why = format!("it paused for {} ms", extract::BODY_MS_MAX);
                return Err(Refused::bad("the body was cut off").because("body", why));
            }
        }
    }
    extract::drain(frames).await;
    let why = format!("{what} has at most {bytes_max} bytes");
    Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "payload too large").because("body", why))
}
