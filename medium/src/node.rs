//! A node: a runtime, its store and its HTTP API, started and stopped together.
//!
//! What is started first ends last: socket, data folder (with its lock), secret and token, runtime,
//! `node.json`, server. A node that is killed leaves only a stale `node.json`; the operating system
//! takes the lock back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::behaviour::Natives;
use actors::clock::{Clock, VirtualClock};
use actors::runtime::{Config, Runtime};
use actors::sandbox::Sandbox;
use actors::store::{Store, StoreError, Table};
use adapters::compute::{Launcher, Local};
use adapters::contents::{Contents, ContentsError};
use adapters::fleet::Fleet;
use adapters::outside::{Http, Llm, Outside as Speaker};
use adapters::parts;
use adapters::pods::{PodsError, WalletName};
use adapters::store::memory::MemoryStore;
use adapters::store::redb::{LastRun, RedbStore};
use adapters::wasm::{
    CacheFolder, Compiler, Engine, LARGE_MAX_DEFAULT, Options, SMALL_MAX_DEFAULT,
};
use genesis::id::{Digest, VcId};
use genesis::limits::CONTENTS_POLICY_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::compute::Clerk;
use crate::dormitory::PodBeds;
use crate::folder::{self, Announcement};
use crate::outside::Programs;
use crate::pod_store::NodePods;
use crate::server::bee::BeeServer;
use crate::server::{self, Api, ApiConfig};
use crate::spawn::{SpawnRequest, Spawned};
use crate::stop::Stop;
use crate::virtual_time::{Pace, keep_pace};
use crate::worlds::agent::Agent;
use crate::worlds::vc::World;
use crate::worlds::{Surroundings, Worlds};

/// How long a stopping node waits for requests under way, in milliseconds; then they are cut off.
pub const SHUTDOWN_MS_MAX: u64 = 5_000;
/// Bytes of states and mailboxes in memory, unless told otherwise; beyond it, idle VCs go to sleep.
pub const MEMORY_BYTES_DEFAULT: usize = 1 << 30;
/// By how much fewer instances of sandboxed parts a node does with that has little address space.
const FEWER: u32 = 32;
/// The folder in a data folder with the machine code of modules; may be removed when no node runs.
const CODE_FOLDER: &str = "code";
/// Where the API listens, unless told otherwise.
pub const API_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7700);

/// How to run a node. [`NodeConfig::default`] is ephemeral.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent options, each named where it is set"
)]
pub struct NodeConfig {
    /// Where what survives is kept; none for an ephemeral node, of which nothing does.
    pub data: Option<PathBuf>,
    /// Where the API listens; port 0 for any that is free.
    pub api: SocketAddr,
    /// Whether the API may be reached from other machines. Those need the token even to read.
    pub listen_anywhere: bool,
    /// Where Bee's API listens; none: nowhere. It knows no token.
    pub bee_api: Option<SocketAddr>,
    /// Whether Bee's API may be reached from other machines.
    pub bee_listen_anywhere: bool,
    /// One worker, order by seed, virtual time: the same requests give the same traces.
    pub deterministic: bool,
    /// Whether the time of day moves the virtual time of a deterministic node, instead of requests:
    /// then runs are not reproducible.
    pub paced: bool,
    /// The seed of all order and randomness.
    pub seed: u64,
    /// Threads that turn VCs; 0 for one per core.
    pub workers: usize,
    /// States and mailboxes above this many bytes: idle VCs go to sleep.
    pub memory_bytes_max: usize,
    /// Largest contents the node accepts, in bytes.
    pub contents_bytes_max: u64,
    /// Whether VCs keep the hash chains of their traces; deterministic nodes do anyway.
    pub trace: bool,
    /// Where modules of others are compiled: a program that knows how gives itself.
    pub compiler: Compiler,
    /// Who runs the jobs that VCs order: a program that knows how gives itself. Without one, and on a
    /// deterministic node, orders wait.
    pub jobs: Option<Launcher>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            data: None,
            api: API_DEFAULT,
            listen_anywhere: false,
            bee_api: None,
            bee_listen_anywhere: false,
            deterministic: false,
            paced: false,
            seed: 0,
            workers: 0,
            memory_bytes_max: MEMORY_BYTES_DEFAULT,
            contents_bytes_max: CONTENTS_POLICY_MAX,
            trace: false,
            compiler: Compiler::InProcess,
            jobs: None,
        }
    }
}

/// A running node. Call [`Node::stop`] when done: one that is only dropped goes on until it is asked to
/// stop, and then leaves `node.json` behind.
#[derive(Debug)]
pub struct Node {
    api: Api,
    bound: SocketAddr,
    folder: Option<PathBuf>,
    server: JoinHandle<()>,
    /// Where the contents of an ephemeral node are; removed with it.
    passing: Option<TempDir>,
    /// Its pods.
    pods: Arc<NodePods>,
    /// Bee's API, if it is served.
    bee: Option<BeeServer>,
    /// Who runs jobs.
    clerk: Option<Clerk>,
    /// The API only knows it weakly: when the runtime is gone and this is dropped, the folder is free.
    store: Arc<dyn Store>,
}

impl Node {
    /// Starts a node. When it returns, requests are answered.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the data folder or the address is in use, or the folder is of another
    /// kind; [`Code::Denied`] for an address that others can reach, unless `listen_anywhere`;
    /// [`Code::Corrupt`], [`Code::DiskFull`] or [`Code::Io`] if the folder cannot be used.
    pub async fn start(config: NodeConfig) -> Result<Self, Refusal> {
        if !config.api.ip().is_loopback() && !config.listen_anywhere {
            return Err(Refusal::new(
                Code::Denied,
                format!("{} can be reached from other machines", config.api.ip()),
            )
            .who(config.api)
            .hint("listen on 127.0.0.1, or allow it with `--listen-anywhere`"));
        }
        // First what leaves no trace: a folder is only made for a node that can listen.
        let (listener, bound) = bind(config.api, "--api").await?;
        let bee = match config.bee_api {
            Some(address) => Some(bind_bee(address, config.bee_listen_anywhere).await?),
            None => None,
        };
        let data = config.data.clone();
        let store = tokio::task::spawn_blocking(move || open_store(data.as_deref()))
            .await
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
        let folder = config.data.as_deref();
        let (contents, passing) = open_contents(folder, config.contents_bytes_max)?;
        let secret = match folder {
            _ if config.deterministic => {
                folder::seeded_secret(folder, config.seed, was_used(store.as_ref())?)?
            }
            Some(folder) => folder::secret(folder, was_used(store.as_ref())?)?,
            None => folder::fresh_secret()?,
        };
        let pods_folder = folder.or(passing.as_ref().map(TempDir::path));
        let pods = Arc::new(NodePods::new(
            pods_folder.unwrap_or(Path::new(".")).to_owned(),
        ));
        let beds = PodBeds::new(pods.clone());
        let token = folder::token(folder)?;
        let clock: Arc<dyn Clock> = if config.deterministic {
            Arc::new(VirtualClock::default())
        } else {
            Arc::new(SystemClock::default())
        };
        let sandbox = sandbox(&config, &secret).await?;
        let engine = sandbox.engine().to_owned();
        let launcher = config.jobs.filter(|_| !config.deterministic);
        let programs = Programs::new(
            pods_folder.unwrap_or(Path::new(".")),
            launcher
                .clone()
                .map(|launcher| match std::env::var("PATH") {
                    // Programs of languages are where the owner has them.
                    Ok(path) => Local::new(launcher).with_path(std::env::split_paths(&path)),
                    Err(_) => Local::new(launcher),
                }),
            !config.deterministic,
        );
        let runtime = Runtime::start(Config {
            sandbox: Some(sandbox),
            workers: if config.deterministic {
                1
            } else {
                config.workers
            },
            seed: config.seed,
            deterministic: config.deterministic,
            secret: secret.clone(),
            clock: clock.clone(),
            natives: native_behaviours(),
            store: Some(store.clone()),
            contents: Some(Arc::new(contents.clone())),
            dormitory: Some(Arc::new(beds.clone())),
            outside: Some(Arc::new(programs.clone())),
            memory_bytes_max: config.memory_bytes_max,
            trace: config.trace || config.deterministic,
        })
        .await?;
        let pace = match (config.deterministic, config.paced) {
            (false, _) => Pace::Real,
            (true, false) => Pace::Requests,
            (true, true) => Pace::Clock,
        };
        if pace == Pace::Clock {
            tokio::spawn(keep_pace(runtime.clone(), clock.clone()));
        }
        let worlds = Worlds::open(Surroundings {
            data: pods_folder.unwrap_or(Path::new(".")).to_owned(),
            durable: folder.is_some(),
            clock: clock.clone(),
            is_virtual: config.deterministic,
            runtime: runtime.clone(),
        });
        let worlds = match worlds.await {
            Ok(worlds) => worlds,
            Err(refusal) => {
                runtime.shutdown().await;
                return Err(refusal);
            }
        };
        let announcement = Announcement {
            api: folder::base_of(bound),
            token,
            pid: std::process::id(),
            id: runtime.owner().to_string(),
        };
        if let Some(folder) = folder
            && let Err(refusal) = announcement.write(folder)
        {
            worlds.close().await;
            runtime.shutdown().await;
            return Err(refusal);
        }
        programs.open(runtime.clone()).await;
        let api = Api::new(ApiConfig {
            runtime,
            programs,
            clock,
            store: Arc::downgrade(&store),
            data: config.data.clone(),
            announcement,
            bound,
            pace,
            secret,
            engine,
            contents_bytes_max: config.contents_bytes_max,
            contents,
            pods: pods.clone(),
            beds,
            worlds,
            stop: Stop::default(),
        });
        let bee = match bee {
            Some(listening) => Some(serve_bee(listening, &pods, &api).await?),
            None => None,
        };
        let clerk = launcher.map(|launcher| {
            let compute = Arc::new(Local::new(launcher));
            Clerk::start(api.runtime().clone(), pods.clone(), compute)
        });
        let server = tokio::spawn(server::serve(listener, api.clone()));
        tracing::info!(api = api.base(), owner = api.owner(), "the node is up");
        Ok(Self {
            api,
            bound,
            folder: config.data,
            server,
            passing,
            pods,
            bee,
            clerk,
            store,
        })
    }

    /// Where the API listens, with the port it was given.
    pub const fn address(&self) -> SocketAddr {
        self.bound
    }

    /// Where Bee's API listens, if it does.
    pub fn bee_address(&self) -> Option<SocketAddr> {
        self.bee.as_ref().map(BeeServer::address)
    }

    /// The base of the API for those on this machine: `http://127.0.0.1:7700`.
    pub fn base(&self) -> &str {
        self.api.base()
    }

    /// What a request must carry that changes something.
    pub fn token(&self) -> &str {
        self.api.token()
    }

    /// The runtime below the API, for those in the same process.
    pub fn runtime(&self) -> &Runtime {
        self.api.runtime()
    }

    /// Gives birth to a VC, as a request to the API does.
    ///
    /// # Errors
    /// As [`Code`] says: what is wrong with the request, or what the node refuses.
    pub async fn spawn(&self, request: SpawnRequest) -> Result<Spawned, Refusal> {
        server::vcs::made(&self.api, request).await
    }

    /// The signal that stops the node; whoever gives it need not wait.
    pub fn stopper(&self) -> Stop {
        self.api.stop().clone()
    }

    /// Waits until somebody asks the node to stop, by the API or by [`Node::stopper`]. Cancel-safe.
    pub async fn asked_to_stop(&self) {
        self.api.stop().given().await;
    }

    /// Stops the node cleanly: asks under way end as unreachable, event sockets are closed, everything
    /// accepted is committed, `node.json` is removed and the folder is free for another node.
    ///
    /// Requests have [`SHUTDOWN_MS_MAX`] to end.
    ///
    /// # Errors
    /// [`Code::Io`] if `node.json` could not be removed, [`Code::Internal`] if the server had failed;
    /// the node has stopped all the same.
    pub async fn stop(self) -> Result<(), Refusal> {
        let Self {
            api,
            bound: _,
            folder,
            mut server,
            passing,
            pods,
            bee,
            clerk,
            store,
        } = self;
        api.stop().give();
        if let Some(clerk) = clerk {
            clerk.stop().await;
        }
        let grace = Duration::from_millis(SHUTDOWN_MS_MAX);
        let served = if let Ok(ended) = tokio::time::timeout(grace, &mut server).await {
            ended.map_err(|error| {
                Refusal::new(Code::Internal, format!("the API had failed: {error}"))
            })
        } else {
            server.abort();
            tracing::warn!("requests were still under way after {SHUTDOWN_MS_MAX} ms");
            Ok(())
        };
        if !api.sockets_closed(grace).await {
            tracing::warn!("event sockets were still open after {SHUTDOWN_MS_MAX} ms");
        }
        if let Some(bee) = bee {
            bee.ended(grace).await;
        }
        api.programs().close().await;
        api.worlds().close().await;
        api.runtime().shutdown().await;
        let removed = folder.as_deref().map_or(Ok(()), Announcement::remove);
        api.abandon_edits();
        drop(api);
        if let Some(pods) = pods.close() {
            released(pods, grace, "pods").await;
        }
        released(store, grace, "VCs").await;
        if let Some(Err(error)) = passing.map(TempDir::close) {
            tracing::warn!(%error, "the contents of an ephemeral node could not be removed");
        }
        tracing::info!("the node has stopped");
        served.and(removed)
    }
}

/// Waits until nobody else uses the store and closes it, so that its folder can be opened again. Closed
/// here, and not by whoever lets go last: their end would not be seen.
async fn released<T: ?Sized>(store: Arc<T>, grace: Duration, of: &str) {
    let alone = async {
        while Arc::strong_count(&store) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(grace, alone).await.is_err() {
        tracing::warn!(
            "the store of {of} was still in use after {} ms",
            grace.as_millis()
        );
    }
    drop(store);
}

/// What runs sandboxed code; what it compiled is kept beside the store.
/// What a node knows how to host beside sandboxed code.
pub(crate) fn native_behaviours() -> Natives {
    Runtime::natives()
        .with::<World>()
        .with::<Agent>()
        .with::<Speaker>()
        .with::<Http>()
        .with::<Llm>()
        .with::<Fleet>()
}

pub(crate) async fn sandbox(
    config: &NodeConfig,
    secret: &NodeSecret,
) -> Result<Arc<dyn Sandbox>, Refusal> {
    // Code that is loaded again must be our own: its checksums take a secret.
    let key = secret.key_of(VcId::NOBODY).to_bytes();
    let cache = config.data.as_deref().map(|folder| CacheFolder {
        folder: folder.join(CODE_FOLDER),
        secret: Digest::of_fields(b"medium/1 compiled code", &[&key]).0,
    });
    let options = Options {
        compiler: config.compiler.clone(),
        cache,
        trusted: parts::trusted(),
        ..Options::default()
    };
    let engine = tokio::task::spawn_blocking(move || {
        Engine::new(options.clone()).or_else(|refusal| {
            tracing::warn!(%refusal, "too little address space: fewer sandboxed parts are possible");
            Engine::new(Options {
                small_max: SMALL_MAX_DEFAULT / FEWER,
                large_max: LARGE_MAX_DEFAULT / FEWER,
                ..options
            })
        })
    });
    let engine = engine.await;
    let engine = engine.map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
    Ok(Arc::new(engine))
}

pub(crate) fn open_store(data: Option<&Path>) -> Result<Arc<dyn Store>, Refusal> {
    let Some(folder) = data else {
        return Ok(Arc::new(MemoryStore::new()));
    };
    folder::prepare(folder)?;
    let (store, opened) = RedbStore::open(folder).map_err(|error| refused(folder, &error))?;
    if opened.last_run == LastRun::Unclean {
        tracing::warn!(folder = %folder.display(), "the last run was cut off; the store was verified");
    }
    if let Some(format) = opened.migrated_from {
        tracing::info!(folder = %folder.display(), format, "the store was migrated from an older format");
    }
    Ok(Arc::new(store))
}

/// The contents of a data folder; without one, in a folder of the system that goes when it is dropped.
pub(crate) fn open_contents(
    data: Option<&Path>,
    bytes_max: u64,
) -> Result<(Contents, Option<TempDir>), Refusal> {
    let refused = |folder: &Path, what: String, full: bool| {
        let code = if full { Code::DiskFull } else { Code::Io };
        Refusal::new(code, what)
            .who(folder.display())
            .hint("check that the folder is yours to read and write")
    };
    let passing = if data.is_none() {
        let made = tempfile::Builder::new()
            .prefix("medium-contents-")
            .tempdir();
        let folder = std::env::temp_dir();
        Some(made.map_err(|error| refused(&folder, error.to_string(), false))?)
    } else {
        None
    };
    let folder = data
        .or(passing.as_ref().map(TempDir::path))
        .unwrap_or(Path::new("."));
    let opened = Contents::open(folder, bytes_max).map_err(|error| {
        let full = matches!(error, ContentsError::Full { .. });
        refused(folder, error.to_string(), full)
    })?;
    Ok((opened, passing))
}

/// Whether a runtime has ever run on a store: the first thing it writes is the number of its run.
pub(crate) fn was_used(store: &dyn Store) -> Result<bool, Refusal> {
    let epoch = store.get(Table::Meta, b"epoch");
    epoch
        .map(|epoch| epoch.is_some())
        .map_err(|error| Refusal::new(Code::Corrupt, error.to_string()))
}

/// What the store of a folder said, as everyone else says it.
fn refused(folder: &Path, error: &StoreError) -> Refusal {
    let (code, hint) = match error {
        StoreError::Full { .. } => (Code::DiskFull, "free some space and start the node again"),
        StoreError::Corrupt { .. } => (
            Code::Corrupt,
            "restore the folder from a backup; nothing in it was changed",
        ),
        StoreError::InUse { .. } => (
            Code::Conflict,
            "talk to that node, stop it, or give another folder with `--data`",
        ),
        StoreError::Version { .. } => (
            Code::Conflict,
            "use the newer program, or another folder with `--data`",
        ),
        _ => (Code::Io, "check that the folder is yours to read and write"),
    };
    Refusal::new(code, error.to_string())
        .who(folder.display())
        .hint(hint)
}

/// Binds the socket of Bee's API, which others reach only if that was said: it knows no token.
async fn bind_bee(
    address: SocketAddr,
    listen_anywhere: bool,
) -> Result<(TcpListener, SocketAddr), Refusal> {
    if !address.ip().is_loopback() && !listen_anywhere {
        let what = format!(
            "{} can be reached from other machines, and Bee's API knows no token",
            address.ip()
        );
        return Err(Refusal::new(Code::Denied, what).who(address).hint(
            "listen on 127.0.0.1, or allow it with `--bee-listen-anywhere`: whoever reaches it writes with this \
             node's stamps",
        ));
    }
    bind(address, "--bee-api").await
}

/// Serves Bee's API over the pods' chunks, as their default wallet.
async fn serve_bee(
    (listener, bound): (TcpListener, SocketAddr),
    pods: &Arc<NodePods>,
    api: &Api,
) -> Result<BeeServer, Refusal> {
    let pods = pods.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let store = pods.store()?;
        let wallet = store.drives(&WalletName::default())?.wallet();
        Ok::<_, PodsError>((store.keeper(), wallet))
    });
    let opened = opened
        .await
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    let (keeper, wallet) = opened.map_err(|error| pods_refused(&error))?;
    Ok(BeeServer::start(listener, bound, keeper, wallet, api))
}

/// What pods said, as everyone else says it.
fn pods_refused(error: &PodsError) -> Refusal {
    let refusal = Refusal::new(error.code(), error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

async fn bind(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), Refusal> {
    let refused = |error: std::io::Error| {
        let code = match error.kind() {
            std::io::ErrorKind::AddrInUse => Code::Conflict,
            std::io::ErrorKind::PermissionDenied => Code::Denied,
            _ => Code::Io,
        };
        Refusal::new(code, format!("cannot listen on {address}: {error}"))
            .who(address)
            .hint(format!(
                "give another address with `{flag}`; `{flag} 127.0.0.1:0` takes any free port"
            ))
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}
