//! The HTTP API of a node: JSON over HTTP/1.1, on loopback unless asked otherwise.
//!
//! `routes` lists every endpoint once: the router is built from it and the test of the
//! [OpenAPI document](crate::openapi) compares with it. A request passes, in this order: the bound on
//! connections (`listener`), the `guard` (host, origin, token, bound on requests), its handler.
//!
//! Invariants: a body is bounded before it is read; every answer that is not a success is a
//! [`Refusal`] in JSON; nothing here reads a clock or a file of its own accord; no task outlives
//! `Api::sockets_closed` but those cut off.
//!
//! # Known limits
//! Headers may arrive as slowly as a client likes, so a hostile one on the same machine can hold all of
//! [`CONNECTIONS_MAX`] and so keep others out; it cannot make the node grow.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actors::clock::Clock;
use actors::runtime::Runtime;
use actors::store::Store;
use adapters::contents::Contents;
use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post, put};
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use genesis::time::Time;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::dormitory::PodBeds;
use crate::folder::Announcement;
use crate::outside::Programs;
use crate::pod_store::NodePods;
use crate::stop::Stop;
use crate::virtual_time::{Gate, Pace};
use crate::worlds::Worlds;

mod about;
pub(crate) mod bee;
mod contents;
mod events;
mod extract;
mod failure;
mod guard;
mod life;
mod listener;
mod messages;
mod modules;
mod outside;
mod pods;
mod replay;
mod replies;
mod reshape;
mod top;
mod trace;
pub(crate) mod vcs;
mod worlds;

pub use contents::{DISK_RESERVE_BYTES, DOWNLOADS_MAX, REFERENCE_TYPE, UPLOADS_MAX};
pub use events::{EVENTS_AT_ONCE, PING_MS, SEND_MS_MAX};
pub use extract::{BODY_MS_MAX, JSON_BYTES_MAX, SPAWN_BYTES_MAX};
#[cfg(test)]
pub(crate) use guard::is_private;
use replies::Replies;

pub use messages::{KEY_BYTES_MAX, WAIT_MS_MAX};
pub use modules::MODULE_BODY_BYTES_MAX;
pub use pods::WALLET_HEADER;
pub use pods::edit::{EDIT_IDLE_MS, EDITS_MAX};
pub use worlds::TOLD_BYTES_MAX;

/// Most connections at one time; more wait in the operating system's queue.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Most requests under way at one time, asks that wait included: refuse with `busy`.
pub const REQUESTS_MAX: usize = 512;
/// Most event sockets open at one time: refuse with `busy`.
pub const SOCKETS_MAX: usize = 64;
/// Most bytes of request bodies in memory at one time, in KiB: refuse with `busy`.
pub const BODIES_KIB_MAX: usize = 256 * 1024;

const _: () = {
    assert!(
        REQUESTS_MAX + SOCKETS_MAX <= CONNECTIONS_MAX,
        "who is refused must be able to connect"
    );
    assert!(
        SPAWN_BYTES_MAX <= BODIES_KIB_MAX * 1024,
        "the largest body fits when nothing else is read"
    );
};

/// What the API is given to work with.
#[derive(Debug)]
pub(crate) struct ApiConfig {
    /// What it is the API of.
    pub(crate) runtime: Runtime,
    /// What tells the time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The store, for its numbers only: weak, so that a connection cannot keep a folder locked.
    pub(crate) store: Weak<dyn Store>,
    /// The data folder.
    pub(crate) data: Option<PathBuf>,
    /// Address, token and owner.
    pub(crate) announcement: Announcement,
    /// Where the socket listens.
    pub(crate) bound: SocketAddr,
    /// What moves time.
    pub(crate) pace: Pace,
    /// What the keys of its VCs follow from.
    pub(crate) secret: NodeSecret,
    /// What runs sandboxed code: its name and version.
    pub(crate) engine: String,
    /// Largest contents that are accepted.
    pub(crate) contents_bytes_max: u64,
    /// Where contents are that do not fit into a message.
    pub(crate) contents: Contents,
    /// Its pods.
    pub(crate) pods: Arc<NodePods>,
    /// The VCs that sleep in pods.
    pub(crate) beds: PodBeds,
    /// Its worlds.
    pub(crate) worlds: Worlds,
    /// The programs outside that its VCs speak for.
    pub(crate) programs: Programs,
    /// The signal that ends it.
    pub(crate) stop: Stop,
}

/// What every request shares. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: ApiConfig,
    started_at: Time,
    requests: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
    bodies_kib: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    edits: pods::edit::Edits,
    gate: Gate,
    replies: Replies,
}

impl Api {
    pub(crate) fn new(config: ApiConfig) -> Self {
        Self(Arc::new(Shared {
            started_at: config.clock.now(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            bodies_kib: Arc::new(Semaphore::new(BODIES_KIB_MAX)),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            edits: pods::edit::Edits::default(),
            gate: Gate::new(
                config.runtime.clone(),
                config.clock.clone(),
                config.pace,
                config.data.is_some(),
            ),
            replies: Replies::default(),
            config,
        }))
    }

    /// What it is the API of.
    pub fn runtime(&self) -> &Runtime {
        &self.0.config.runtime
    }

    /// Its base, for those on the same machine.
    pub fn base(&self) -> &str {
        &self.0.config.announcement.api
    }

    /// What writes must carry.
    pub(crate) fn token(&self) -> &str {
        &self.0.config.announcement.token
    }

    /// The VC of the node's owner.
    pub(crate) fn owner(&self) -> &str {
        &self.0.config.announcement.id
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.0.config.stop
    }

    /// The VCs that sleep in pods.
    pub(crate) fn beds(&self) -> &PodBeds {
        &self.0.config.beds
    }

    /// Its worlds.
    pub(crate) fn worlds(&self) -> &Worlds {
        &self.0.config.worlds
    }

    /// The programs outside that its VCs speak for.
    pub(crate) fn programs(&self) -> &Programs {
        &self.0.config.programs
    }

    /// Its pods.
    pub(crate) fn pods(&self) -> &NodePods {
        &self.0.config.pods
    }

    /// Abandons what was begun of pods and not committed.
    pub(crate) fn abandon_edits(&self) {
        self.0.edits.abandon();
    }

    fn now(&self) -> Time {
        self.0.config.clock.now()
    }

    /// The gate that requests pass, and that moves virtual time.
    fn gate(&self) -> &Gate {
        &self.0.gate
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        self.0.config.store.upgrade()
    }

    fn data(&self) -> Option<&Path> {
        self.0.config.data.as_deref()
    }

    /// The work's outcome, or `unreachable` if the node is told to stop before it has one.
    async fn until_stop<T>(
        &self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        tokio::select! {
            biased; // what is already there is given out
            outcome = work => outcome,
            () = self.stop().given() => Err(stopping()),
        }
    }

    /// Waits until all event sockets are closed, and lets no new ones open; false if that takes longer
    /// than `grace`.
    pub(crate) async fn sockets_closed(&self, grace: Duration) -> bool {
        let all = u32::try_from(SOCKETS_MAX).unwrap_or(u32::MAX);
        tokio::time::timeout(grace, self.0.sockets.acquire_many(all))
            .await
            .is_ok()
    }
}

fn stopping() -> Refusal {
    Refusal::new(Code::Unreachable, "the node is shutting down")
        .hint("start it again with `medium up`; a message it accepted is not lost if its receiver is durable")
}

/// Serves the API until the node is told to stop, and then until the requests under way have ended.
pub(crate) async fn serve(listener: TcpListener, api: Api) {
    let stop = api.stop().clone();
    let service = router(api).into_make_service_with_connect_info::<listener::Peer>();
    let served = axum::serve(listener::Bounded::new(listener, CONNECTIONS_MAX), service)
        .with_graceful_shutdown(async move { stop.given().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the API ended");
    }
}

/// One endpoint.
pub(crate) struct Route {
    /// Its method, in capitals.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for the test of the OpenAPI document")
    )]
    pub(crate) method: &'static str,
    /// Its path, with `{names}` for what varies; the same as in the OpenAPI document.
    pub(crate) path: &'static str,
    endpoint: MethodRouter<Api>,
}

impl Route {
    fn get<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            method: "GET",
            path,
            endpoint: get(handler),
        }
    }

    fn post<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            method: "POST",
            path,
            endpoint: post(handler),
        }
    }

    fn put<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            method: "PUT",
            path,
            endpoint: put(handler),
        }
    }

    fn delete<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Self {
        Self {
            method: "DELETE",
            path,
            endpoint: delete(handler),
        }
    }
}

/// Every endpoint there is.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/", about::page),
        Route::get("/openapi.json", about::openapi),
        Route::get("/v1/events.schema.json", about::events_schema),
        Route::get("/v1/node", about::node),
        Route::get("/v1/stats", about::stats),
        Route::post("/v1/run", about::run),
        Route::post("/v1/stop", about::stop),
        Route::get("/v1/events", events::socket),
        Route::get("/v1/find", vcs::find),
        Route::get("/v1/top", top::top),
        Route::post("/v1/brake", top::brake),
        Route::get("/v1/vcs", vcs::list),
        Route::post("/v1/vcs", vcs::spawn),
        Route::get("/v1/vcs/{vc}", vcs::show),
        Route::get("/v1/vcs/{vc}/shape", vcs::shape),
        Route::get("/v1/vcs/{vc}/logs", vcs::logs),
        Route::get("/v1/vcs/{vc}/lineage", vcs::lineage),
        Route::get("/v1/vcs/{vc}/image", vcs::image),
        Route::delete("/v1/vcs/{vc}", life::remove),
        Route::post("/v1/vcs/{vc}/sleep", life::sleep),
        Route::post("/v1/vcs/{vc}/bed", life::lay_down),
        Route::post("/v1/vcs/{vc}/wake", life::wake),
        Route::post("/v1/vcs/{vc}/stop", life::stop),
        Route::post("/v1/vcs/{vc}/purse", top::fill),
        Route::post("/v1/vcs/{vc}/fork", life::fork),
        Route::post("/v1/vcs/{vc}/give", life::give),
        Route::post("/v1/vcs/{vc}/strip", reshape::strip),
        Route::post("/v1/modules", modules::bring),
        Route::post("/v1/vcs/{vc}/try", reshape::attempt),
        Route::post("/v1/vcs/{vc}/replay", replay::replay),
        Route::get("/v1/vcs/{vc}/trace", trace::of_vc),
        Route::post("/v1/vcs/{vc}/internalize", reshape::internalize),
        Route::post("/v1/vcs/{vc}/upgrade", reshape::upgrade),
        Route::post("/v1/vcs/{vc}/messages", messages::send),
        Route::get("/v1/vcs/{vc}/outside", outside::socket),
        Route::post("/v1/vcs/{vc}/outside", outside::way),
        Route::post("/v1/contents", contents::store),
        Route::put("/v1/contents", contents::store),
        Route::post("/v1/contents/sweep", contents::sweep),
        Route::get("/v1/contents/{digest}", contents::give),
        Route::post("/v1/contents/{digest}/pin", contents::pin),
        Route::delete("/v1/contents/{digest}/pin", contents::unpin),
        Route::get("/v1/worlds", worlds::list),
        Route::post("/v1/worlds", worlds::begin),
        Route::get("/v1/worlds/{vc}", worlds::look),
        Route::post("/v1/worlds/{vc}/step", worlds::step),
        Route::post("/v1/worlds/{vc}/pause", worlds::pause),
        Route::post("/v1/worlds/{vc}/go", worlds::go),
        Route::post("/v1/worlds/{vc}/set", worlds::set),
        Route::post("/v1/worlds/{vc}/take", worlds::take),
        Route::post("/v1/worlds/{vc}/put", worlds::put),
        Route::post("/v1/worlds/{vc}/verify", worlds::recompute),
        Route::get("/v1/wallets", pods::wallets),
        Route::get("/v1/pods", pods::list),
        Route::post("/v1/pods", pods::create),
        Route::get("/v1/pods/{pod}", pods::show),
        Route::delete("/v1/pods/{pod}", pods::remove),
        Route::post("/v1/pods/{pod}/open", pods::open),
        Route::post("/v1/pods/{pod}/close", pods::close),
        Route::get("/v1/pods/{pod}/history", pods::history),
        Route::post("/v1/pods/{pod}/share", pods::share),
        Route::post("/v1/pods/{pod}/offer", pods::offer),
        Route::get("/v1/pods/{pod}/offers", pods::offers),
        Route::post("/v1/pods/{pod}/settle", pods::settle),
        Route::post("/v1/pods/{pod}/accept", pods::accept),
        Route::post("/v1/pods/{pod}/edits", pods::edit::begin),
        Route::put("/v1/edits/{edit}/file", pods::edit::write),
        Route::post("/v1/edits/{edit}/change", pods::edit::change),
        Route::post("/v1/edits/{edit}/commit", pods::edit::commit),
        Route::delete("/v1/edits/{edit}", pods::edit::abandon),
        Route::get("/v1/dfs/find", pods::find),
        Route::get("/v1/dfs/list", pods::read::list),
        Route::get("/v1/dfs/walk", pods::read::walk),
        Route::get("/v1/dfs/stat", pods::read::stat),
        Route::get("/v1/dfs/file", pods::read::file),
        Route::post("/v1/dfs/verify", pods::read::verify),
        Route::get("/v1/dfs/batches", pods::batches),
        Route::post("/v1/dfs/batches", pods::buy),
        Route::post("/v1/dfs/bought", pods::bought),
        Route::get("/v1/dfs/pins", pods::pins),
        Route::post("/v1/dfs/pins", pods::pin),
        Route::post("/v1/dfs/collect", pods::collect),
        Route::get("/v1/messages/{message}", messages::show),
        Route::get("/v1/messages/{message}/explain", messages::explain),
        Route::get("/v1/messages/{message}/trace", trace::of_message),
    ]
}

fn router(api: Api) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| {
            router.route(route.path, route.endpoint)
        })
        .fallback(failure::no_such_path)
        .method_not_allowed_fallback(failure::no_such_method)
        .layer(from_fn_with_state(api.clone(), guard::admit))
        .with_state(api)
}
