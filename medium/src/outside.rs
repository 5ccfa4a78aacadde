//! Who listens outside for a node: the programs that VCs speak for, run, fed and watched.
//!
//! Every VC that speaks for somebody outside has a *driver*, a ractor actor that lives as long as there is something
//! to drive. It hears what the VC says ([`actors::outside::Outside::told`]), once that is on disk, and brings back
//! what the outside says as messages. It knows nothing that matters: all that is promised is in the VC's state and
//! journal, so a driver that is gone, with its process or its node, is begun again and the VC tells it where it
//! stands.
//!
//! Read in this order: `granted` (what a program was granted on this node), `process` (a program that runs: its
//! pipes, its silence), `driver` (the actor); for VCs that call servers `call` (their calls, and secrets), `http`,
//! `llm`, `tools` (whom a language model may ask). `speaks` tells the two kinds apart.

mod call;
mod driver;
mod granted;
mod http;
mod llm;
mod process;
mod speaks;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::behaviour::Behaviour;
use actors::outside::{Outside, Told};
use actors::runtime::Runtime;
use actors::view::Fate;
use adapters::compute::{Allowed, ComputeError, Job, Limits, Local, Plan};
use adapters::outside::call::Caller;
use adapters::outside::{Outside as Speaker, Program};
use dashmap::DashMap;
use genesis::id::{Digest, VcId};
use genesis::refusal::{Code, Refusal};
use parking_lot::RwLock;
use ractor::ActorRef;
use serde::Serialize;
use tokio::sync::Semaphore;

pub use granted::Granted;
pub(crate) use process::Line;
pub(crate) use speaks::Speaks;

use driver::{Driver, Msg};

/// The folder in a data folder where programs have their own.
const FOLDER: &str = "outside";
/// Messages from outside that a driver has under way: more wait in its program's pipe.
const CREDIT: usize = 4;

/// The drivers of a node.
#[derive(Clone, Debug)]
pub(crate) struct Programs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Between the beginning and the end: the runtime holds who listens, and nobody would be let go otherwise.
    runtime: RwLock<Option<Runtime>>,
    drivers: DashMap<VcId, Handle>,
    /// Where programs have their folders and what they were granted is kept.
    folder: PathBuf,
    /// Who runs them; none on a node that runs none.
    local: Option<Local>,
    /// Whether servers are called; never by a node that is deterministic.
    calls: bool,
    tokio: tokio::runtime::Handle,
    closing: AtomicBool,
}

/// A driver, and the credit of what it brings.
#[derive(Clone, Debug)]
struct Handle {
    actor: ActorRef<Msg>,
    credit: Arc<Semaphore>,
}

/// What a program is and may do, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ProgramView {
    /// The VC that speaks for it.
    pub vc: String,
    /// The names that lead to it from the VC in whose body it lives, `/` between them; empty if it is that VC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub member: String,
    /// Its digest: another program of the same name has another.
    pub digest: String,
    /// Its command; empty if it attaches itself. Of what calls servers: what it is.
    pub command: Vec<String>,
    /// What it may do, in plain words.
    pub may: Vec<String>,
    /// The secrets it is given, by name.
    pub secrets: Vec<String>,
}

impl Programs {
    /// The drivers of a node whose folder this is.
    pub(crate) fn new(data: &Path, local: Option<Local>, calls: bool) -> Self {
        Self(Arc::new(Inner {
            runtime: RwLock::new(None),
            drivers: DashMap::new(),
            folder: data.join(FOLDER),
            local,
            calls,
            tokio: tokio::runtime::Handle::current(),
            closing: AtomicBool::new(false),
        }))
    }

    /// Begins to listen, and starts what ran when the node ended.
    pub(crate) async fn open(&self, runtime: Runtime) {
        *self.0.runtime.write() = Some(runtime);
        let folder = self.0.folder.clone();
        let ran = tokio::task::spawn_blocking(move || granted::ran(&folder)).await;
        for vc in ran.unwrap_or_default() {
            self.start(vc);
        }
    }

    /// Ends all programs. What they had not done with, their VCs keep.
    pub(crate) async fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
        let all: Vec<_> = self.0.drivers.iter().map(|d| d.actor.clone()).collect();
        self.0.drivers.clear();
        for actor in all {
            let _ = actor.cast(Msg::Close);
            let _ = actor.wait(None).await;
        }
        *self.0.runtime.write() = None;
    }

    /// Starts the program of a VC, if it does not run.
    pub(crate) fn start(&self, vc: VcId) {
        self.cast(vc, Msg::Start);
    }

    /// Starts the program of a VC again: it is another, or was granted something else.
    pub(crate) fn restart(&self, vc: VcId) {
        self.cast(vc, Msg::Restart);
    }

    /// Lets a program that runs somewhere speak for a VC.
    pub(crate) fn attach(&self, vc: VcId, line: Line) {
        self.cast(vc, Msg::Attach(line));
    }

    /// Keeps what a program is granted.
    pub(crate) fn grant(&self, vc: VcId, granted: &Granted) -> Result<(), Refusal> {
        granted.write(&self.0.folder, vc)
    }

    /// What a program is granted.
    pub(crate) fn granted(&self, vc: VcId) -> Result<Granted, Refusal> {
        Granted::read(&self.0.folder, vc)
    }

    /// Leaves nothing of a program whose VC was removed.
    pub(crate) fn removed(&self, vc: VcId) {
        granted::forget(&self.0.folder, vc);
    }

    /// Starts the programs of a fork and of those in its body, granted what those of the forked ones are.
    pub(crate) async fn forked(&self, from: VcId, vc: VcId) -> Result<(), Refusal> {
        let Some(runtime) = self.runtime() else {
            return Ok(());
        };
        let old: BTreeMap<_, _> = body(&runtime, from).await?.into_iter().collect();
        let mut starts = Vec::new();
        for (path, vc) in body(&runtime, vc).await? {
            let Some(&from) = old.get(&path) else {
                continue;
            };
            if Speaks::by(&runtime, vc).await?.is_some() {
                self.grant(vc, &self.granted(from)?)?;
                starts.push(vc);
            }
        }
        // All of them may, or none is started.
        for vc in starts {
            self.start(vc);
        }
        Ok(())
    }

    /// Starts the program of a VC that goes on after it slept.
    pub(crate) async fn woken(&self, vc: VcId) -> Result<(), Refusal> {
        let Some(runtime) = self.runtime() else {
            return Ok(());
        };
        if Speaks::by(&runtime, vc).await?.is_some() {
            self.start(vc);
        }
        Ok(())
    }

    /// What is shown of the program that a VC speaks for.
    pub(crate) async fn view(&self, vc: VcId) -> Result<Option<ProgramView>, Refusal> {
        let Some(runtime) = self.runtime() else {
            return Ok(None);
        };
        // A body that cannot be looked at now is shown without.
        let Ok(Some(speaks)) = Speaks::by(&runtime, vc).await else {
            return Ok(None);
        };
        let granted = self.granted(vc)?;
        let may = match speaks.plan(self, &vc.to_string(), &granted) {
            Ok(may) => may,
            Err(why) => vec![format!("nothing: {}", why.what)],
        };
        Ok(Some(speaks.view(vc, may)))
    }

    /// The program a VC speaks for; none if it speaks for none.
    pub(crate) async fn program_of(
        runtime: &Runtime,
        vc: VcId,
    ) -> Result<Option<Program>, Refusal> {
        let parts = runtime.native_parts(vc).await?;
        let Some((_, argument)) = parts.iter().find(|(name, _)| name == Speaker::NAME) else {
            return Ok(None);
        };
        Program::read(argument)
            .map(Some)
            .map_err(|error| Refusal::new(Code::Malformed, error.to_string()).who(vc))
    }

    /// Says what a program would be allowed, or why it would not be started; starts nothing.
    pub(crate) fn plan(
        &self,
        name: &str,
        program: &Program,
        granted: &Granted,
    ) -> Result<Vec<String>, Refusal> {
        let missing = program.asks.without(&granted.asks());
        if !missing.is_nothing() {
            let flags = missing.flags().join(" ");
            let digest = program.digest();
            let what =
                format!("`{name}` (program {digest}) asks for more than it is granted: {flags}");
            return Err(Refusal::new(Code::Denied, what).who(name).hint(format!(
                "read what it does; if you want that, grant it: {flags}"
            )));
        }
        if program.attaches() {
            return Ok(vec!["attach itself, with its own token".to_owned()]);
        }
        let Some(local) = &self.0.local else {
            let what = "this node starts no programs: it is deterministic, or has no launcher";
            return Err(Refusal::new(Code::Denied, what).who(name));
        };
        // Its folder is made when it starts.
        let somewhere = std::env::temp_dir();
        let job = job(program, granted, somewhere.clone());
        let planned = local.plan_talk(&job);
        let Plan { may, .. } = planned.map_err(|error| refused(&error))?;
        let somewhere = somewhere.display().to_string();
        let own = |line: String| line.replacen(&somewhere, "a folder of its own", 1);
        Ok(may.into_iter().map(own).collect())
    }

    /// Says what a VC that calls servers would be allowed, or why it would not be.
    pub(crate) fn plan_calls(
        &self,
        name: &str,
        caller: &Caller,
        granted: &Granted,
    ) -> Result<(), Refusal> {
        let missing = caller.asks.without(&granted.asks());
        if !missing.is_nothing() {
            let flags = missing.flags().join(" ");
            let what = format!(
                "`{name}` ({}) asks for more than it is granted: {flags}",
                caller.what.join(" ")
            );
            return Err(Refusal::new(Code::Denied, what)
                .who(name)
                .hint(format!("if it shall call there, grant it: {flags}")));
        }
        if !self.0.calls {
            let what = "this node calls no servers: it is deterministic";
            return Err(Refusal::new(Code::Denied, what).who(name));
        }
        Ok(())
    }

    /// Who it is to speak for a VC over the network: only who has this may.
    pub(crate) fn token(secret: &genesis::seal::NodeSecret, vc: VcId) -> String {
        let key = secret.key_of(vc).to_bytes();
        let digest = Digest::of_fields(b"medium/1 attach", &[&key, vc.as_bytes()]);
        data_encoding::HEXLOWER.encode(&digest.0)
    }

    fn cast(&self, vc: VcId, msg: Msg) {
        if self.0.closing.load(Ordering::Acquire) {
            return;
        }
        let driver = self.0.drivers.entry(vc).or_try_insert_with(|| {
            let _context = self.0.tokio.enter();
            let credit = Arc::new(Semaphore::new(CREDIT));
            let args = driver::Args {
                vc,
                programs: self.clone(),
                credit: credit.clone(),
            };
            let spawned = ractor::ActorRuntime::<Driver>::spawn_instant(None, Driver, args);
            spawned.map(|(actor, _)| Handle { actor, credit })
        });
        match driver {
            Ok(driver) => {
                let _ = driver.actor.cast(msg);
            }
            Err(error) => tracing::error!(%error, %vc, "no actor for what is outside"),
        }
    }

    fn runtime(&self) -> Option<Runtime> {
        self.0.runtime.read().clone()
    }

    /// Forgets a driver that has nothing to drive any more.
    fn forget(&self, vc: VcId, actor: &ActorRef<Msg>) {
        self.0
            .drivers
            .remove_if(&vc, |_, driver| driver.actor.get_id() == actor.get_id());
    }
}

impl Outside for Programs {
    fn told(&self, told: Told) {
        self.cast(told.vc, Msg::Told(told));
    }

    fn ended(&self, vc: VcId, _sequence: u64, fate: Fate) {
        let Some(driver) = self.0.drivers.get(&vc) else {
            return;
        };
        driver.credit.add_permits(1);
        if let Fate::Bounced(why) | Fate::Dead(why) = fate {
            let _ = driver.actor.cast(Msg::Refused(why));
        }
    }

    fn gone(&self, vc: VcId) {
        if let Some(driver) = self.0.drivers.get(&vc) {
            let _ = driver.actor.cast(Msg::Gone);
        }
    }
}

/// A VC and all in its body, by the names that lead to them.
pub(crate) async fn body(runtime: &Runtime, vc: VcId) -> Result<Vec<(String, VcId)>, Refusal> {
    let mut found = vec![(String::new(), vc)];
    let mut at = 0;
    while let Some((path, vc)) = found.get(at).cloned() {
        for (name, inner) in runtime.nested(vc).await? {
            let path = match path.as_str() {
                "" => name,
                path => format!("{path}/{name}"),
            };
            found.push((path, inner.id));
        }
        at += 1;
    }
    Ok(found)
}

/// The job that runs a program in its folder.
fn job(program: &Program, granted: &Granted, directory: PathBuf) -> Job {
    let asked = |name: &&String| program.asks.secrets.contains(name);
    let secrets = granted.secrets.iter().filter(|(name, _)| asked(name));
    let mut environment: BTreeMap<_, _> = secrets
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in [
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("HOME", directory.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
    ] {
        environment.entry(name.to_owned()).or_insert(value);
    }
    Job {
        argv: program.command.clone(),
        directory,
        environment,
        limits: Limits::lasting(),
        allowed: Allowed {
            network: program.asks.network && granted.network,
            tcp: program.asks.tcp.clone(),
            read: program.asks.read.iter().map(PathBuf::from).collect(),
            trust_native: granted.trust_native,
            ..Allowed::default()
        },
    }
}

/// What the sandbox says, as everyone else says it.
fn refused(error: &ComputeError) -> Refusal {
    let code = match error {
        ComputeError::NoProgram { .. } => Code::Unknown,
        ComputeError::NoCage { .. } | ComputeError::NotAllowed { .. } => Code::Denied,
        ComputeError::Module { .. } => Code::Malformed,
        _ => Code::Io,
    };
    let refusal = Refusal::new(code, error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}
