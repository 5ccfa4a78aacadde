//! A world with its folder: ticks, what is done to it from outside, and the way back after a kill.
//!
//! What is done is done to the world in memory first, then written to the journal, and only then answered. Where
//! it cannot be written the world in memory is thrown away and made again from what is on disk: nothing that was
//! not answered has happened.

use std::sync::Arc;

use actors::clock::Clock;
use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use sims::crew::Crew;
use sims::field::Leaf;
use sims::ids::AgentId;
use sims::live::{Frozen, Live, RunError};
use sims::model::{ModelInfo, Setting};
use sims::models;
use sims::params::{ParamError, Value};

use super::folder::{Begun, FORMAT, Folder, Mark};
use super::journal::{Act, Entry, Journal, Written};
use super::replay::{Replay, built, load};

/// Between two checkpoints of a world that goes there are at least so many milliseconds: so long, about, it takes at
/// the most to make again what a kill took.
pub const CHECKPOINT_MS: u64 = 5_000;
/// Most ticks in a second that a pace may say, in thousandths.
pub const MILLIHERTZ_MAX: u64 = 1_000_000;

/// What a world is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// It rests.
    #[default]
    Resting,
    /// It goes.
    Going {
        /// Until how many ticks are over; none for without end.
        until: Option<u64>,
        /// How many ticks there are in a second, in thousandths; none for as many as can be.
        millihertz: Option<u64>,
    },
}

/// A world, its folder, and what it is doing.
pub struct Held {
    /// The world.
    pub live: Box<dyn Live>,
    /// What it is doing.
    pub pace: Pace,
    /// Why it cannot go on, if it cannot.
    pub broken: Option<Refusal>,
    /// What was begun between the world and VCs outside of it, and is not known to be done.
    pub unsettled: Vec<Act>,
    folder: Folder,
    journal: Journal,
    crew: Crew,
    clock: Arc<dyn Clock>,
    saved: Mark,
    saved_at: Time,
    /// When it was told to go, and how many ticks it took since.
    paced: (Time, u64),
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("live", &self.live)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

/// What an act came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing that is to be told.
    Done,
    /// Somebody has this address now.
    At(AgentId),
}

/// A refusal for what a world said.
pub fn refused(error: &RunError) -> Refusal {
    let code = match error {
        RunError::Param(ParamError::Unknown { .. } | ParamError::Uncounted { .. })
        | RunError::Preset { .. }
        | RunError::Cohort { .. }
        | RunError::Nobody { .. }
        | RunError::NotOpen { .. } => Code::Unknown,
        RunError::Param(_) | RunError::Unheard(_) => Code::Malformed,
        RunError::TooLong { .. } => Code::TooLarge,
        RunError::Mailbox { .. } | RunError::Failed { .. } => Code::Fault,
        RunError::Damaged(_) => Code::Corrupt,
        RunError::Other { .. } => Code::Conflict,
    };
    let refusal = Refusal::new(code, error.to_string());
    match error {
        RunError::Nobody { cohort, .. } => refusal.hint(format!(
            "it is dead, elsewhere, or never was; `medium show WORLD/{cohort}` lists who is there"
        )),
        RunError::Other { .. } => refusal,
        error => match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        },
    }
}

/// The model of this name.
///
/// # Errors
/// [`Code::Unknown`], with the nearest that there is.
pub fn model(name: &str) -> Result<&'static ModelInfo, Refusal> {
    models::find(name).ok_or_else(|| {
        let known = models::MODELS.iter().map(|model| model.name);
        let what = format!("there is no model `{name}`");
        Refusal::new(Code::Unknown, what).hint(match sims::params::nearest(name, known) {
            Some(near) => format!("is it `{near}`?"),
            None => "`medium sim ls` lists the models".to_owned(),
        })
    })
}

/// Parameters as they are written.
fn written(live: &dyn Live) -> Vec<(String, String)> {
    let infos = live.model().params();
    let named = infos.iter().zip(live.params());
    named
        .map(|(info, value)| (info.name.to_owned(), value.to_string()))
        .collect()
}

/// Does to a world what was done.
///
/// # Errors
/// What the world says.
pub(super) fn apply(live: &mut dyn Live, act: &Act) -> Result<Outcome, Refusal> {
    let done = match act {
        Act::Set { name, value } => live
            .set(name, &Value::Text(value.clone()))
            .map(|()| Outcome::Done),
        Act::Send { cohort, id, text } => live
            .send(cohort, AgentId(*id), text)
            .map(|()| Outcome::Done),
        Act::Take { cohort, id, .. } => live.take(cohort, AgentId(*id)).map(|_| Outcome::Done),
        Act::Put { agent, .. } => return put(live, &agent.agent()?).map(Outcome::At),
        Act::Settled { .. } | Act::Go { .. } | Act::Rest { .. } => Ok(Outcome::Done),
    };
    done.map_err(|error| refused(&error))
}

/// Puts an agent into a world, or says who could be put there.
fn put(live: &mut dyn Live, agent: &Frozen) -> Result<AgentId, Refusal> {
    live.put(agent).map_err(|error| {
        let code = match error {
            RunError::Cohort { .. } | RunError::Other { .. } => Code::Conflict,
            _ => Code::Malformed,
        };
        let known: Vec<_> = live.cohorts();
        let known: Vec<_> = known
            .iter()
            .map(|cohort| format!("{} of kind {}", cohort.name, cohort.kind))
            .collect();
        let what = format!(
            "a {} of `{}`, from the cohort {}, has no place in a world of `{}`: {error}",
            agent.kind,
            agent.model,
            agent.cohort,
            live.model().name
        );
        Refusal::new(code, what).hint(format!("it has {}", known.join(", ")))
    })
}

/// Which VC an act is about.
pub fn vc_of(act: &Act) -> Option<&String> {
    match act {
        Act::Take { vc, .. } => vc.as_ref(),
        Act::Put { vc, .. } | Act::Settled { vc } => Some(vc),
        _ => None,
    }
}

impl Held {
    /// Begins a world in a folder.
    ///
    /// # Errors
    /// A wrong parameter, or the system's.
    pub fn begin(
        folder: Folder,
        model: &ModelInfo,
        setting: &Setting,
        threads: usize,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Refusal> {
        let mut live = model.begin(setting).map_err(|error| refused(&error))?;
        folder.make()?;
        folder.begin(&Begun {
            world: FORMAT,
            model: model.name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: live.seed(),
            params: written(live.as_ref()),
            digest: live.digest().to_string(),
        })?;
        let journal = Journal::create(&folder.journal())?;
        let mut held = Self {
            live,
            pace: Pace::Resting,
            broken: None,
            unsettled: Vec::new(),
            folder,
            journal,
            crew: crew(threads)?,
            saved: Mark {
                tick: 0,
                entries: 0,
            },
            saved_at: clock.now(),
            paced: (clock.now(), 0),
            clock,
        };
        held.save()?;
        Ok(held)
    }

    /// Goes on with the world of a folder: from the last checkpoint that is whole, through the journal.
    ///
    /// # Errors
    /// [`Code::Corrupt`] if it does not come to the digests that were recorded; else what cannot be read.
    pub fn open(folder: Folder, threads: usize, clock: Arc<dyn Clock>) -> Result<Self, Refusal> {
        let begun = folder.begun()?;
        let (journal, entries) = Journal::open(&folder.journal())?;
        let model = model(&begun.model)?;
        let crew = crew(threads)?;
        let mut start = None;
        for mark in folder.marks()? {
            let loaded = folder.read(mark).and_then(|bytes| load(model, &bytes));
            match loaded {
                Ok(live) if mark.entries <= journal.len => {
                    start = Some((mark, live));
                    break;
                }
                Ok(_) => tracing::warn!(file = mark.file(), "a checkpoint is ahead of the journal"),
                Err(refusal) => {
                    tracing::warn!(%refusal, file = mark.file(), "a checkpoint is damaged");
                }
            }
        }
        // Without any it is made from the beginning, which takes longer and comes to the same.
        let (saved, mut live) = match start {
            Some(start) => start,
            None => (
                Mark {
                    tick: 0,
                    entries: 0,
                },
                built(&begun)?,
            ),
        };
        let mut replay = Replay::default();
        replay.run(live.as_mut(), &entries, saved.entries, &crew, |_, _| Ok(()))?;
        Ok(Self {
            live,
            pace: replay.pace,
            broken: None,
            unsettled: replay.unsettled,
            folder,
            journal,
            crew,
            saved,
            saved_at: clock.now(),
            paced: (clock.now(), 0),
            clock,
        })
    }

    /// Where it is.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its last checkpoint.
    pub const fn saved(&self) -> Mark {
        self.saved
    }

    /// How many entries its journal has.
    pub const fn entries(&self) -> u64 {
        self.journal.len
    }

    /// How many threads run its rows.
    pub const fn threads(&self) -> usize {
        self.crew.threads()
    }

    /// Its parameters, as they are written.
    pub fn params(&self) -> Vec<(String, String)> {
        written(self.live.as_ref())
    }

    /// Whether it is as it should be.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub fn sound(&self) -> Result<(), Refusal> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Does something to the world, and to its journal.
    ///
    /// # Errors
    /// What the world or the journal says; nothing was done then.
    pub fn act(&mut self, act: Act) -> Result<Outcome, Refusal> {
        self.sound()?;
        let outcome = apply(self.live.as_mut(), &act)?;
        self.record(act)?;
        Ok(outcome)
    }

    fn record(&mut self, act: Act) -> Result<(), Refusal> {
        let tick = self.live.now();
        let entry = Entry { tick, act };
        if let Err(refusal) = self.journal.append(std::slice::from_ref(&entry)) {
            self.begin_again();
            return Err(refusal);
        }
        let mut noted = Replay {
            pace: self.pace,
            unsettled: std::mem::take(&mut self.unsettled),
            rests: 0,
        };
        noted.note(&entry.act);
        (self.pace, self.unsettled) = (noted.pace, noted.unsettled);
        if matches!(entry.act, Act::Go { .. }) {
            self.paced = (self.clock.now(), 0);
        }
        Ok(())
    }

    /// Throws away what is in memory, and makes it from what is on disk.
    fn begin_again(&mut self) {
        let threads = self.crew.threads();
        match Self::open(self.folder.clone(), threads, self.clock.clone()) {
            Ok(held) => *self = held,
            Err(refusal) => self.broken = Some(refusal),
        }
    }

    /// An agent of it, as it is.
    ///
    /// # Errors
    /// [`Code::Unknown`].
    pub fn copy(&mut self, cohort: &str, id: AgentId) -> Result<Frozen, Refusal> {
        self.sound()?;
        self.live.copy(cohort, id).map_err(|error| refused(&error))
    }

    /// The values of an agent's fields.
    ///
    /// # Errors
    /// [`Code::Unknown`].
    pub fn show(&mut self, cohort: &str, id: AgentId) -> Result<Vec<(String, Leaf)>, Refusal> {
        self.sound()?;
        self.live.show(cohort, id).map_err(|error| refused(&error))
    }

    /// Takes an agent out, to become a VC or to end.
    ///
    /// # Errors
    /// [`Code::Unknown`], [`Code::Conflict`] for the ground; else the journal's.
    pub fn take(
        &mut self,
        cohort: &str,
        id: AgentId,
        vc: Option<String>,
        name: Option<String>,
    ) -> Result<Frozen, Refusal> {
        let agent = self.copy(cohort, id)?;
        let taken = self.act(Act::Take {
            cohort: cohort.to_owned(),
            id: id.0,
            vc,
            name,
            agent: Written::of(&agent),
        });
        match taken {
            Ok(_) => Ok(agent),
            // It was there a moment ago.
            Err(refusal) if refusal.code == Code::Unknown => {
                let what = format!("{cohort} are the ground: none leaves and none comes");
                Err(Refusal::new(Code::Conflict, what).hint("it can be shown, sent to, and copied"))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Takes an agent in, if a copy of the world that takes it in lives through a tick.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it has no place here; [`Code::Malformed`] if the world would break; else the journal's.
    pub fn put(&mut self, agent: &Frozen, vc: String) -> Result<AgentId, Refusal> {
        self.sound()?;
        let bytes = self.live.save();
        let mut copy = load(&self.live.model(), &bytes)?;
        put(copy.as_mut(), agent)?;
        copy.tick(&self.crew).map_err(|error| {
            let what = format!(
                "a world with this {} in it would not live through a tick: {error}",
                agent.kind
            );
            Refusal::new(Code::Malformed, what).hint(
                "it may come from a world of another size: its place must be one of this world",
            )
        })?;
        let agent = Written::of(agent);
        match self.act(Act::Put { agent, vc })? {
            Outcome::At(id) => Ok(id),
            Outcome::Done => Err(Refusal::new(Code::Internal, "nobody was put in")),
        }
    }

    /// Tells it to go.
    ///
    /// # Errors
    /// The journal's, or why it cannot go on.
    pub fn go(&mut self, until: Option<u64>, millihertz: Option<u64>) -> Result<(), Refusal> {
        self.act(Act::Go { until, millihertz }).map(drop)
    }

    /// Lets it rest, if it does not.
    ///
    /// # Errors
    /// The journal's.
    pub fn rest(&mut self) -> Result<(), Refusal> {
        if self.pace == Pace::Resting || self.broken.is_some() {
            return Ok(());
        }
        let digest = self.digest().to_string();
        self.record(Act::Rest { digest })
    }

    /// Its trace digest.
    pub fn digest(&mut self) -> Digest {
        self.live.digest()
    }

    /// In how many milliseconds its next tick is due; none if it rests.
    pub fn due_ms(&self) -> Option<u64> {
        if self.broken.is_some() {
            return None;
        }
        let Pace::Going { millihertz, .. } = self.pace else {
            return None;
        };
        let Some(millihertz) = millihertz else {
            return Some(0);
        };
        let (start, ticks) = self.paced;
        let due = start.plus_ms(ticks.saturating_mul(1_000_000) / millihertz.max(1));
        Some(due.0.saturating_sub(self.clock.now().0))
    }

    /// One tick of a world that goes; it comes to rest where it was told to, or where nothing can happen any more.
    pub fn tick(&mut self) {
        let Pace::Going { until, .. } = self.pace else {
            return;
        };
        let here = self.live.now();
        if until.is_none_or(|until| here < until) && !self.live.is_over() {
            if let Err(error) = self.live.tick(&self.crew) {
                let refusal = refused(&error);
                self.broken = Some(refusal.hint(
                    "its last checkpoint is whole; `medium remove --force` removes the world",
                ));
                return;
            }
            self.paced.1 += 1;
            // Who is late does not catch up with what was missed long ago.
            if self.paced.1.is_multiple_of(1_024) && self.due_ms() == Some(0) {
                self.paced = (self.clock.now(), 0);
            }
        }
        let here = self.live.now();
        if (until.is_some_and(|until| here >= until) || self.live.is_over())
            && let Err(refusal) = self.rest()
        {
            self.broken = Some(refusal);
        }
        let since = self.clock.now().0.saturating_sub(self.saved_at.0);
        if since >= CHECKPOINT_MS
            && let Err(refusal) = self.save()
        {
            // The journal still leads here: later is early enough.
            tracing::warn!(%refusal, "a world could not be saved");
            self.saved_at = self.clock.now();
        }
    }

    /// Writes a checkpoint, unless the last is of now.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&mut self) -> Result<Mark, Refusal> {
        let mark = Mark {
            tick: self.live.now(),
            entries: self.journal.len,
        };
        if mark != self.saved || mark.tick == 0 {
            self.folder.save(mark, &self.live.save())?;
        }
        self.saved = mark;
        self.saved_at = self.clock.now();
        Ok(mark)
    }

    /// Copies it as it is now, with all that led here, into another folder.
    ///
    /// # Errors
    /// The system's.
    pub fn fork(&mut self, folder: Folder) -> Result<Self, Refusal> {
        self.sound()?;
        folder.make()?;
        folder.begin(&self.folder.begun()?)?;
        let entries = Journal::entries(&self.folder.journal())?;
        let mut journal = Journal::create(&folder.journal())?;
        journal.append(&entries)?;
        // What is between this world and others is this one's to settle, and the copy rests.
        let settled = self.unsettled.iter().filter_map(vc_of);
        let tick = self.live.now();
        let mut ends: Vec<_> = settled
            .map(|vc| Entry {
                tick,
                act: Act::Settled { vc: vc.clone() },
            })
            .collect();
        let digest = self.digest().to_string();
        ends.push(Entry {
            tick,
            act: Act::Rest { digest },
        });
        journal.append(&ends)?;
        let mark = Mark {
            tick,
            entries: journal.len,
        };
        folder.save(mark, &self.live.save())?;
        drop(journal);
        Self::open(folder, self.crew.threads(), self.clock.clone())
    }
}

fn crew(threads: usize) -> Result<Crew, Refusal> {
    let crew = Crew::of(threads).map_err(|error| Refusal::new(Code::Io, error.to_string()))?;
    Ok(crew.with_engine(Arc::new(crate::rows::RowEngine)))
}
