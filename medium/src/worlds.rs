//! Worlds that a node holds: each is a VC, a folder and a thread.
//!
//! Read in this order: [`vc`] (the VC that a world is), [`agent`] (the VC that one of its agents becomes when it is
//! taken out), [`journal`] and [`folder`] (what is on disk), [`held`] (ticks, and what is done between them), [`replay`]
//! (the way back after a kill), [`keeper`] (the thread), `crossing` (how an agent goes from a world to a VC and back), and here: which worlds
//! there are, how they begin and end.
//!
//! Invariants: no turn waits for a tick, and no worker of the node runs one; what was answered is on disk; a world
//! and its journal, run again from the beginning, come to the same digest.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use actors::behaviour::Behaviour;
use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::Clock;
use actors::life::Life;
use actors::runtime::Runtime;
use actors::view::Outgoing;
use genesis::id::VcId;
use genesis::power::Grants;
use genesis::refusal::{Code, Refusal};
use parking_lot::RwLock;
use sims::model::Setting;
use tokio::task::JoinHandle;

pub mod address;
pub mod agent;
pub(crate) mod crossing;
pub mod folder;
pub mod held;
pub mod journal;
pub mod keeper;
pub mod replay;
pub mod vc;

use agent::Agent;
use folder::Folder;
use held::Held;
use keeper::Keeper;
use vc::World;

/// Most worlds that a node holds at one time, each with a thread: refuse with `busy`.
pub const WORLDS_MAX: usize = 32;
/// The folder in a data folder where worlds are.
pub const FOLDER: &str = "worlds";
/// The native behaviour that a world is.
pub(crate) const WORLD: &str = <World as Behaviour>::NAME;
/// The native behaviour that an agent in no world is.
pub(crate) const AGENT: &str = <Agent as Behaviour>::NAME;
/// How long a VC has for an answer, in milliseconds.
const ASK_MS: u64 = 10_000;

/// The worlds of a node. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Worlds(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    durable: bool,
    clock: Arc<dyn Clock>,
    /// Whether time stands still unless it is moved: then there is no pace.
    is_virtual: bool,
    runtime: Runtime,
    held: RwLock<BTreeMap<VcId, Kept>>,
    /// The number of the last folder; held while a world is begun or ended.
    last: tokio::sync::Mutex<u64>,
}

#[derive(Debug)]
struct Kept {
    keeper: Arc<Keeper>,
    /// Who tells the VC where the last checkpoint is.
    teller: JoinHandle<()>,
}

/// Where a node keeps worlds, and what it lends them.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The data folder, or what passes for one.
    pub(crate) data: PathBuf,
    /// Whether it outlives the node.
    pub(crate) durable: bool,
    /// What tells the time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether time stands still unless it is moved.
    pub(crate) is_virtual: bool,
    /// Where their VCs live.
    pub(crate) runtime: Runtime,
}

/// A world to be.
#[derive(Clone, Debug)]
pub(crate) struct NewWorld {
    /// What its VC is called.
    pub(crate) name: Option<String>,
    /// Its model.
    pub(crate) model: String,
    /// Parameters, seed.
    pub(crate) setting: Setting,
    /// How many threads run its rows; 0 for one for each core.
    pub(crate) threads: usize,
}

/// Whom an address with a world at its beginning means.
#[derive(Clone, Debug)]
pub(crate) struct Within {
    /// The world.
    pub(crate) world: VcId,
    /// Its thread.
    pub(crate) keeper: Arc<Keeper>,
    /// One of its cohorts.
    pub(crate) cohort: String,
    /// An address there, as it was written; none for the cohort itself.
    pub(crate) agent: Option<String>,
}

impl Worlds {
    /// The worlds of a node, as they were when the last one ended.
    ///
    /// # Errors
    /// The system's, if the folder cannot be looked into.
    pub(crate) async fn open(surroundings: Surroundings) -> Result<Self, Refusal> {
        let Surroundings {
            data,
            durable,
            clock,
            is_virtual,
            runtime,
        } = surroundings;
        let worlds = Self(Arc::new(Shared {
            root: data.join(FOLDER),
            durable,
            clock,
            is_virtual,
            runtime,
            held: RwLock::default(),
            last: tokio::sync::Mutex::default(),
        }));
        let mut last = worlds.0.last.lock().await;
        for number in numbers(&worlds.0.root)? {
            *last = number.max(*last);
            let folder = worlds.folder(number);
            let Some(id) = folder.vc().and_then(|vc| vc.parse::<VcId>().ok()) else {
                // Nobody was told that it is there.
                folder.remove()?;
                continue;
            };
            match worlds.0.runtime.show(id).await.map(|vc| vc.summary.life) {
                Err(refusal) if refusal.code == Code::Unknown => folder.remove()?,
                Ok(Life::Stopped | Life::Removed) => {}
                _ => worlds.take_up(id, folder)?,
            }
        }
        drop(last);
        Ok(worlds)
    }

    fn folder(&self, number: u64) -> Folder {
        Folder::at(self.0.root.join(number.to_string()))
    }

    /// Whether time stands still unless it is moved.
    pub(crate) fn is_virtual(&self) -> bool {
        self.0.is_virtual
    }

    /// Goes on with a world that is on disk.
    fn take_up(&self, id: VcId, place: Folder) -> Result<(), Refusal> {
        let clock = self.0.clock.clone();
        let threads = threads(0);
        let keeper = Keeper::start(&id.short(), move || Held::open(place, threads, clock))?;
        self.hold(id, keeper.clone());
        let worlds = self.clone();
        tokio::spawn(async move {
            let unsettled = keeper.ask(|held| Ok(held.unsettled.clone())).await;
            for act in unsettled.unwrap_or_default() {
                if let Err(refusal) = worlds.settle(id, &keeper, &act).await {
                    tracing::error!(%refusal, world = %id, "what was begun could not be ended");
                }
            }
        });
        Ok(())
    }

    fn hold(&self, id: VcId, keeper: Arc<Keeper>) {
        let mut place = keeper.place();
        let worlds = self.clone();
        let teller = tokio::spawn(async move {
            let mut told = place.borrow_and_update().saved;
            while place.changed().await.is_ok() {
                let saved = place.borrow_and_update().saved;
                let Some(mark) = saved.filter(|_| saved != told) else {
                    continue;
                };
                let mut outgoing = Outgoing::new(id, mark.file().into_bytes());
                outgoing.channel = World::SAVED;
                match worlds.0.runtime.ask(outgoing, ASK_MS).await {
                    Ok(_) => told = saved,
                    // Its VC was stopped, and not by a request: what is no VC is no world.
                    Err(refusal) if matches!(refusal.code, Code::Stopped | Code::Unknown) => {
                        let worlds = worlds.clone();
                        tokio::spawn(async move { worlds.stopped(id).await });
                        return;
                    }
                    // It cannot be told now: the folder is what counts.
                    Err(refusal) => {
                        tracing::debug!(%refusal, "a world was not told of a checkpoint");
                    }
                }
            }
        });
        self.0.held.write().insert(id, Kept { keeper, teller });
    }

    /// Begins a world, at rest; gives its id.
    ///
    /// # Errors
    /// [`Code::Busy`] if there are too many; a wrong parameter or name; else the system's.
    pub(crate) async fn begin(&self, new: NewWorld) -> Result<VcId, Refusal> {
        let model = held::model(&new.model)?;
        if let Some(name) = &new.name {
            crate::name::given(name)?;
            if self.0.runtime.resolve(name).await.is_ok() {
                let what = format!("a VC is called `{name}` already");
                return Err(Refusal::new(Code::Conflict, what)
                    .who(name)
                    .hint("give another name"));
            }
        }
        let mut last = self.0.last.lock().await;
        self.room()?;
        let folder = self.folder(*last + 1);
        // What a node left that was killed before anybody was told.
        folder.remove()?;
        let (clock, place, setting) = (self.0.clock.clone(), folder.clone(), new.setting.clone());
        let threads = threads(new.threads);
        let begin = move || Held::begin(place, model, &setting, threads, clock);
        let keeper = Keeper::start(model.name, begin)?;
        let born = self
            .born(new.name, *last + 1, new.setting.seed, &keeper, model.name)
            .await;
        let born = born.and_then(|id| folder.belong(&id.to_string()).map(|()| id));
        match born {
            Ok(id) => {
                *last += 1;
                self.hold(id, keeper);
                Ok(id)
            }
            Err(refusal) => {
                ended(keeper).await;
                folder.remove()?;
                Err(refusal)
            }
        }
    }

    fn room(&self) -> Result<(), Refusal> {
        let there = self.0.held.read().len();
        if there < WORLDS_MAX {
            return Ok(());
        }
        let what = format!("this node holds {there} worlds, and no more than {WORLDS_MAX}");
        Err(Refusal::new(Code::Busy, what).hint("`medium stop` one that is not needed"))
    }

    /// Gives birth to the VC that a world is.
    async fn born(
        &self,
        name: Option<String>,
        number: u64,
        seed: u64,
        keeper: &Keeper,
        model: &str,
    ) -> Result<VcId, Refusal> {
        let saved = keeper.ask(|held| Ok(held.saved())).await?;
        let world = World {
            model: model.to_owned(),
            seed,
            folder: format!("{FOLDER}/{number}"),
            checkpoint: saved.file(),
        };
        let birth = Birth {
            name,
            description: Some(format!("a world of {model} with seed {seed}")),
            ..native(WORLD, world.argument().into_bytes(), self.0.durable)
        };
        self.0.runtime.spawn(birth).await
    }

    /// The worlds that there are.
    pub(crate) fn list(&self) -> Vec<(VcId, Arc<Keeper>)> {
        let held = self.0.held.read();
        held.iter()
            .map(|(id, kept)| (*id, kept.keeper.clone()))
            .collect()
    }

    /// The thread of a world.
    pub(crate) fn keeper(&self, id: VcId) -> Option<Arc<Keeper>> {
        let held = self.0.held.read();
        held.get(&id).map(|kept| kept.keeper.clone())
    }

    /// Whom an address means that begins with a world and goes on; none if it does not begin with one.
    ///
    /// # Errors
    /// [`Code::Unknown`] for more steps than a world has.
    pub(crate) async fn within(&self, text: &str) -> Result<Option<Within>, Refusal> {
        if self.0.held.read().is_empty() {
            return Ok(None);
        }
        let Some((head, rest)) = text.split_once('/') else {
            return Ok(None);
        };
        let Ok(world) = self.0.runtime.resolve(head).await else {
            return Ok(None);
        };
        let Some(keeper) = self.keeper(world) else {
            return Ok(None);
        };
        let mut steps = rest.split('/');
        let (cohort, agent) = (steps.next().unwrap_or_default(), steps.next());
        if steps.next().is_some() {
            let what = format!("`{text}` has more steps than WORLD/COHORT/AGENT");
            return Err(Refusal::new(Code::Unknown, what));
        }
        Ok(Some(Within {
            world,
            keeper,
            cohort: cohort.to_owned(),
            agent: agent.map(str::to_owned),
        }))
    }

    /// Ends the thread of a world whose VC was stopped; its folder stays until it is removed.
    pub(crate) async fn stopped(&self, id: VcId) {
        let kept = self.0.held.write().remove(&id);
        if let Some(kept) = kept {
            ended(kept.keeper).await;
            kept.teller.abort();
        }
    }

    /// Leaves nothing of a world whose VC was removed.
    ///
    /// # Errors
    /// The system's.
    pub(crate) async fn removed(&self, id: VcId) -> Result<(), Refusal> {
        let _last = self.0.last.lock().await;
        self.stopped(id).await;
        for number in numbers(&self.0.root)? {
            let folder = self.folder(number);
            if folder.vc().is_some_and(|vc| vc == id.to_string()) {
                folder.remove()?;
            }
        }
        Ok(())
    }

    /// Ends all threads; each world is saved, and its VC told where.
    pub(crate) async fn close(&self) {
        let held = std::mem::take(&mut *self.0.held.write());
        for kept in held.into_values() {
            ended(kept.keeper).await;
            if let Err(error) = kept.teller.await {
                tracing::warn!(%error, "a world was not told of its last checkpoint");
            }
        }
    }

    /// A copy of a world as it is now, at rest, with a folder and a VC of its own.
    ///
    /// # Errors
    /// As [`Worlds::begin`].
    pub(crate) async fn fork(
        &self,
        keeper: &Keeper,
        name: Option<String>,
    ) -> Result<VcId, Refusal> {
        let mut last = self.0.last.lock().await;
        self.room()?;
        let folder = self.folder(*last + 1);
        folder.remove()?;
        let place = folder.clone();
        let copy = keeper.ask(move |held| held.fork(place)).await;
        let copy = match copy {
            Ok(copy) => copy,
            Err(refusal) => {
                folder.remove()?;
                return Err(refusal);
            }
        };
        let (model, seed) = (copy.live.model().name, copy.live.seed());
        let keeper = Keeper::start(model, move || Ok(copy))?;
        let born = self.born(name, *last + 1, seed, &keeper, model).await;
        let born = born.and_then(|id| folder.belong(&id.to_string()).map(|()| id));
        if born.is_err() {
            ended(keeper).await;
            folder.remove()?;
            return born;
        }
        *last += 1;
        born.inspect(|id| self.hold(*id, keeper))
    }
}

/// Nobody holds a world of this name.
pub(crate) fn no_world(text: &str) -> Refusal {
    Refusal::new(
        Code::Unknown,
        format!("`{text}` is no world that this node holds"),
    )
    .hint("`medium sim run MODEL --in-node NAME` begins one; a stopped one takes no more ticks")
}

/// The birth of a VC of one native behaviour.
fn native(name: &str, argument: Vec<u8>, durable: bool) -> Birth {
    Birth {
        parts: vec![PartBirth {
            role: None,
            code: CodeBirth::Native {
                name: name.to_owned(),
                version: None,
                argument: argument.into(),
            },
        }],
        grants: Grants::HARMLESS,
        durable,
        ..Birth::default()
    }
}

/// Ends a thread where it delays nobody.
async fn ended(keeper: Arc<Keeper>) {
    if let Err(error) = tokio::task::spawn_blocking(move || keeper.end()).await {
        tracing::error!(%error, "the end of a world failed");
    }
}

fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, Into::into),
        wanted => wanted,
    }
}

/// The numbers of the folders that there are.
fn numbers(root: &std::path::Path) -> Result<Vec<u64>, Refusal> {
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| journal::failed("list", root, &error))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| journal::failed("list", root, &error))?;
        numbers.extend(
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}
