//! A run: a model, its world, and the ticks that are over.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use genesis::id::{Digest, Digester};

use crate::crew::Crew;
use crate::field::Leaf;
use crate::ids::AgentId;
use crate::live::{CohortInfo, Frozen, Live, Loaded, Question, RunError, checkpoint, put_value};
use crate::mail::MailboxFull;
use crate::model::{Model, ModelInfo, Sample, Setting};
use crate::params::Value;
use crate::piece::Members;
use crate::store::Hosting;
use crate::tick::Tick;
use crate::world::World as _;

/// A model that runs.
#[derive(Debug)]
pub struct Run<M: Model> {
    model: M,
    /// Its world.
    pub world: M::World,
    seed: u64,
    now: u64,
    agent_steps: u64,
    /// Of what was counted in each tick, and of what was done from outside.
    chain: Digest,
}

impl<M: Model> Run<M> {
    /// Builds the world.
    ///
    /// # Errors
    /// [`RunError`]: a wrong parameter or preset, or a world that cannot be built.
    pub fn begin(setting: &Setting) -> Result<Self, RunError> {
        Self::of(setting.model()?, setting.seed, setting.hosting)
    }

    /// Builds the world of a model with these parameters.
    ///
    /// # Errors
    /// [`RunError::Failed`] if the model cannot build it.
    pub fn of(model: M, seed: u64, hosting: Hosting) -> Result<Self, RunError> {
        let mut run = Self::unbuilt(model, seed, hosting);
        let crew = Crew::alone();
        run.guard(0, |model, world| {
            model.build(world, &mut Tick::new(seed, 0, &crew));
        })?;
        run.link();
        Ok(run)
    }

    /// A world before it is built: nobody is in it.
    fn unbuilt(model: M, seed: u64, hosting: Hosting) -> Self {
        let mut start = b"world 1\0".to_vec();
        crate::bytes::put_bytes(&mut start, M::NAME.as_bytes());
        start.extend_from_slice(&seed.to_le_bytes());
        for value in model.values() {
            put_value(&mut start, &value);
        }
        Self {
            model,
            world: M::World::new(hosting),
            seed,
            now: 0,
            agent_steps: 0,
            chain: Digest::of(&start),
        }
    }

    /// A world of these parameters with nobody and no ground in it: for an agent that is looked at, or spoken to, alone.
    /// It is never ticked.
    ///
    /// # Errors
    /// [`RunError`]: a wrong parameter or preset.
    pub fn empty(setting: &Setting) -> Result<Self, RunError> {
        let model = setting.model()?;
        Ok(Self::unbuilt(model, setting.seed, setting.hosting))
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// [`RunError`]: damaged, or of another model.
    pub fn load(loaded: &Loaded<'_>, hosting: Hosting) -> Result<Self, RunError> {
        if loaded.model != M::NAME {
            return Err(RunError::Other {
                found: loaded.model.to_owned(),
                expected: M::NAME.to_owned(),
            });
        }
        let mut model = M::defaults();
        for (name, value) in &loaded.params {
            model.set(name, value)?;
        }
        let mut world = M::World::new(hosting);
        let mut pieces = world.pieces_mut();
        let known: Vec<_> = pieces.iter().map(|(name, _)| *name).collect();
        let found: Vec<_> = loaded.pieces.iter().map(|(name, _)| *name).collect();
        if known != found {
            return Err(RunError::Other {
                found: format!("of a world of {}", found.join(", ")),
                expected: known.join(", "),
            });
        }
        for ((_, piece), (_, bytes)) in pieces.iter_mut().zip(&loaded.pieces) {
            let mut reader = crate::bytes::Reader::new(bytes);
            piece.load(&mut reader)?;
            reader.end()?;
        }
        Ok(Self {
            model,
            world,
            seed: loaded.seed,
            now: loaded.now,
            agent_steps: loaded.agent_steps,
            chain: loaded.chain,
        })
    }

    /// The model with its parameters.
    pub const fn model(&self) -> &M {
        &self.model
    }

    /// Runs something of the model, whose panics are errors of the run.
    fn guard(&mut self, tick: u64, run: impl FnOnce(&M, &mut M::World)) -> Result<(), RunError> {
        let (model, world) = (&self.model, &mut self.world);
        catch_unwind(AssertUnwindSafe(|| run(model, world))).map_err(|panic| {
            match panic.downcast::<MailboxFull>() {
                Ok(why) => RunError::Mailbox { tick, why: *why },
                Err(panic) => RunError::Failed {
                    tick,
                    why: genesis_panic(panic.as_ref()),
                },
            }
        })
    }

    /// Adds what is counted now to the chain.
    fn link(&mut self) {
        let mut bytes = self.chain.0.to_vec();
        bytes.extend_from_slice(&self.now.to_le_bytes());
        for (_, piece) in self.world.pieces() {
            piece.counts(&mut |_, count| bytes.extend_from_slice(&count.to_le_bytes()));
        }
        self.chain = Digest::of(&bytes);
    }

    /// Adds what was done from outside to the chain.
    fn note(&mut self, what: &str, parts: &[&[u8]]) {
        let mut fields: Vec<&[u8]> = vec![&self.chain.0, what.as_bytes()];
        fields.extend_from_slice(parts);
        self.chain = Digest::of_fields(b"world outside 1", &fields);
    }

    fn members(&mut self, cohort: &str) -> Result<&mut dyn Members, RunError> {
        let mut known = Vec::new();
        // Names first: what is borrowed for a result is borrowed for the error too.
        for (name, piece) in self.world.pieces_mut() {
            if piece.members().is_some() {
                known.push(name);
            }
        }
        if !known.contains(&cohort) {
            return Err(RunError::Cohort {
                name: cohort.to_owned(),
                known,
            });
        }
        let pieces = self.world.pieces_mut().into_iter();
        let mut found = pieces.filter(|(name, _)| *name == cohort);
        let found = found.next().and_then(|(_, piece)| piece.members());
        found.ok_or_else(|| RunError::Cohort {
            name: cohort.to_owned(),
            known: Vec::new(),
        })
    }
}

/// What a panic says.
fn genesis_panic(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the model panicked").to_owned()
}

fn nobody(cohort: &str, id: AgentId) -> RunError {
    RunError::Nobody {
        cohort: cohort.to_owned(),
        id,
    }
}

impl<M: Model> Live for Run<M> {
    fn model(&self) -> ModelInfo {
        ModelInfo::of::<M>()
    }

    fn params(&self) -> Vec<Value> {
        self.model.values()
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), RunError> {
        let fixed = M::infos()
            .into_iter()
            .find(|info| info.name == name && info.fixed);
        let mut model = self.model.clone();
        model.set(name, value)?;
        if let Some(info) = fixed
            && model.values() != self.model.values()
        {
            return Err(crate::params::ParamError::Fixed { name: info.name }.into());
        }
        self.model = model;
        // What it became, not how it was written: `4`, `4.0` and their texts are one value.
        let mut bytes = Vec::new();
        let infos = M::infos().into_iter().zip(self.model.values());
        for (_, value) in infos.filter(|(info, _)| info.name == name) {
            put_value(&mut bytes, &value);
        }
        self.note("set", &[name.as_bytes(), &bytes]);
        Ok(())
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn is_over(&self) -> bool {
        self.model.is_over(&self.world)
    }

    fn agents(&mut self) -> u64 {
        let (mut movers, mut ground) = (None, 0);
        for (_, piece) in self.world.pieces_mut() {
            match piece.members() {
                Some(members) if members.is_ground() => ground += members.len() as u64,
                Some(members) => *movers.get_or_insert(0) += members.len() as u64,
                None => {}
            }
        }
        movers.unwrap_or(ground)
    }

    fn agent_steps(&self) -> u64 {
        self.agent_steps
    }

    fn tick(&mut self, crew: &Crew) -> Result<(), RunError> {
        self.now += 1;
        let (seed, now) = (self.seed, self.now);
        self.agent_steps += self.agents();
        for (_, piece) in self.world.pieces_mut() {
            piece.begin(now);
        }
        self.guard(now, |model, world| {
            model.tick(world, &mut Tick::new(seed, now, crew));
        })?;
        self.link();
        Ok(())
    }

    fn observe(&self) -> Sample {
        let mut sample = Sample::default();
        self.model.observe(&self.world, &mut sample);
        sample
    }

    fn counts(&self) -> Vec<(String, u64)> {
        let mut counts = Vec::new();
        for (name, piece) in self.world.pieces() {
            piece.counts(&mut |what, count| counts.push((format!("{name}.{what}"), count)));
        }
        counts
    }

    fn state_digest(&mut self) -> Digest {
        let mut hasher = Digester::default();
        hasher.update(b"world state 1\0");
        for (name, piece) in self.world.pieces_mut() {
            hasher.update(name.as_bytes());
            hasher.update(&[0]);
            piece.digest(&mut hasher);
        }
        hasher.digest()
    }

    fn digest(&mut self) -> Digest {
        let state = self.state_digest();
        Digest::of_fields(b"world trace 1", &[&self.chain.0, &state.0])
    }

    fn save(&self) -> Vec<u8> {
        let pieces: Vec<_> = self
            .world
            .pieces()
            .into_iter()
            .map(|(name, piece)| {
                let mut bytes = Vec::new();
                piece.save(&mut bytes);
                (name, bytes)
            })
            .collect();
        checkpoint(self, &self.chain, &pieces)
    }

    fn cohorts(&mut self) -> Vec<CohortInfo> {
        let pieces = self.world.pieces_mut().into_iter();
        // Pieces are numbered as `world!` numbers them, so that addresses can be read.
        (0_u8..)
            .zip(pieces)
            .filter_map(|(place, (name, piece))| {
                piece.members().map(|members| CohortInfo {
                    name,
                    place,
                    kind: members.kind(),
                    len: members.len(),
                    fields: members.fields(),
                    blank: members.blank(),
                    lattice: members.lattice(),
                })
            })
            .collect()
    }

    fn each(
        &mut self,
        cohort: &str,
        see: &mut dyn FnMut(AgentId, &[Leaf]),
    ) -> Result<(), RunError> {
        self.members(cohort)?.each(see);
        Ok(())
    }

    fn show(&mut self, cohort: &str, id: AgentId) -> Result<Vec<(String, Leaf)>, RunError> {
        let members = self.members(cohort)?;
        let names = members
            .fields()
            .iter()
            .flat_map(crate::agent::FieldInfo::names);
        let leaves = members.leaves(id).ok_or_else(|| nobody(cohort, id))?;
        Ok(names.zip(leaves).collect())
    }

    fn send(&mut self, cohort: &str, id: AgentId, text: &str) -> Result<(), RunError> {
        let row = self.members(cohort)?.row(id);
        row.ok_or_else(|| nobody(cohort, id))?;
        self.model
            .hear(&mut self.world, id, text)
            .map_err(RunError::Unheard)?;
        let id = id.0.to_le_bytes();
        self.note("send", &[cohort.as_bytes(), &id, text.as_bytes()]);
        Ok(())
    }

    fn questions(&mut self, known: &BTreeSet<u64>) -> Vec<Question> {
        let mut found = Vec::new();
        for (_, piece) in self.world.pieces_mut() {
            if let Some(asks) = piece.asks() {
                asks.open(known, |number, id, text| {
                    found.push((number, id, text.to_owned()));
                });
            }
        }
        let mut questions: Vec<_> = found
            .into_iter()
            .map(|(number, id, text)| {
                let mut pieces = self.world.pieces_mut().into_iter();
                let home = pieces.find_map(|(name, piece)| {
                    piece.members()?.row(id)?;
                    Some(name.to_owned())
                });
                let cohort = home.unwrap_or_default();
                Question {
                    number,
                    cohort,
                    id: id.to_string(),
                    text,
                }
            })
            .collect();
        questions.sort_unstable_by_key(|question| question.number);
        questions
    }

    fn answer(&mut self, number: u64, text: &str) -> Result<(), RunError> {
        if text.len() > crate::asks::TEXT_LEN_MAX {
            let bytes = text.len();
            return Err(RunError::TooLong { number, bytes });
        }
        let pieces = self.world.pieces_mut().into_iter();
        let mut asks = pieces.filter_map(|(_, piece)| piece.asks());
        if !asks.any(|asks| asks.answer(number, text)) {
            return Err(RunError::NotOpen { number });
        }
        self.note("answer", &[&number.to_le_bytes(), text.as_bytes()]);
        Ok(())
    }

    fn copy(&mut self, cohort: &str, id: AgentId) -> Result<Frozen, RunError> {
        let members = self.members(cohort)?;
        let kind = members.kind().to_owned();
        let row = members.row(id).ok_or_else(|| nobody(cohort, id))?;
        Ok(Frozen {
            model: M::NAME.to_owned(),
            cohort: cohort.to_owned(),
            kind,
            id: id.0,
            row,
        })
    }

    fn take(&mut self, cohort: &str, id: AgentId) -> Result<Frozen, RunError> {
        let mut frozen = self.copy(cohort, id)?;
        let taken = self.members(cohort)?.take(id);
        frozen.row = taken.ok_or_else(|| nobody(cohort, id))?;
        self.note("take", &[cohort.as_bytes(), &id.0.to_le_bytes()]);
        Ok(frozen)
    }

    fn put(&mut self, agent: &Frozen) -> Result<AgentId, RunError> {
        let members = self.members(&agent.cohort)?;
        if members.kind() != agent.kind {
            return Err(RunError::Other {
                found: format!("a {}", agent.kind),
                expected: format!("a {}", members.kind()),
            });
        }
        let id = members.put(&agent.row)?;
        self.note("put", &[agent.cohort.as_bytes(), &agent.row]);
        Ok(id)
    }
}
