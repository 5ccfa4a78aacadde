//! What a modeller writes: parameters, a world, how it is built, what happens in a tick, and what is seen of it.

use crate::ids::AgentId;
use crate::live::{Live, Loaded, RunError};
use crate::params::{ParamInfo, Params, Value};
use crate::run::Run;
use crate::store::Hosting;
use crate::tick::Tick;
use crate::world::World;

/// A model: its parameters are the type itself.
pub trait Model: Params {
    /// How it is called.
    const NAME: &'static str = Self::TITLE;
    /// Where its rule is from.
    const RULE: &'static str = Self::SOURCE;
    /// How many ticks a run has if nobody says otherwise.
    const STEPS: u64 = Self::TICKS;
    /// What its world is made of.
    type World: World;

    /// Builds the world: tick 0.
    fn build(&self, world: &mut Self::World, t: &mut Tick<'_>);

    /// What happens in a tick.
    fn tick(&self, world: &mut Self::World, t: &mut Tick<'_>);

    /// What is collected after a tick: a function of the world, which it cannot change.
    fn observe(&self, world: &Self::World, see: &mut Sample);

    /// Whether nothing can happen any more, so that a run may end early.
    fn is_over(&self, _world: &Self::World) -> bool {
        false
    }

    /// A message from outside to one of its agents, between two ticks.
    ///
    /// # Errors
    /// Why it cannot be understood.
    fn hear(&self, _world: &mut Self::World, _to: AgentId, _text: &str) -> Result<(), String> {
        Err(format!("agents of `{}` understand no messages", Self::NAME))
    }
}

/// What is collected in a tick: named numbers, the same names in each tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub(crate) values: Vec<(&'static str, f64)>,
}

impl Sample {
    /// A number.
    pub fn value(&mut self, name: &'static str, value: f64) {
        self.values.push((name, value));
    }

    /// A count.
    pub fn count(&mut self, name: &'static str, count: usize) {
        self.values.push((name, count as f64));
    }

    /// The mean of some numbers; 0 of none.
    pub fn mean(&mut self, name: &'static str, values: impl Iterator<Item = f64>) {
        let (sum, count) =
            values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
        self.value(name, if count == 0 { 0.0 } else { sum / count as f64 });
    }

    /// What was collected, by name.
    pub fn values(&self) -> &[(&'static str, f64)] {
        &self.values
    }

    /// The number of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        let found = self.values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

/// A model as the command line, a sweep and a node know it.
#[derive(Clone, Copy, Debug)]
pub struct ModelInfo {
    /// How it is called.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Where its rule is from.
    pub rule: &'static str,
    /// How many ticks a run has if nobody says otherwise.
    pub steps: u64,
    /// The names of its presets.
    pub presets: &'static [&'static str],
    params: fn() -> Vec<ParamInfo>,
    resolve: fn(&Setting) -> Result<Vec<Value>, RunError>,
    begin: fn(&Setting) -> Began,
    empty: fn(&Setting) -> Began,
    load: fn(&Loaded<'_>, Hosting) -> Began,
}

/// A world that runs, or why there is none.
type Began = Result<Box<dyn Live>, RunError>;

/// How a run is to begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setting {
    /// The preset whose values are taken first.
    pub preset: Option<String>,
    /// How many agents there are at first, at the density of the preset; none for as many as the preset says.
    pub agents: Option<u64>,
    /// Parameters and their values, in the order in which they are given; the last of one name counts.
    pub set: Vec<(String, Value)>,
    /// Whose randomness.
    pub seed: u64,
    /// How rows are kept.
    pub hosting: Hosting,
}

impl Setting {
    /// A model with these parameters: those of the preset, then the number of agents, then the single values, which have
    /// the last word.
    ///
    /// # Errors
    /// [`RunError`]: no such preset, or a wrong parameter.
    pub fn model<M: Model>(&self) -> Result<M, RunError> {
        let mut model = M::defaults();
        if let Some(name) = &self.preset
            && !model.preset(name)
        {
            return Err(RunError::Preset {
                name: name.clone(),
                known: M::PRESETS,
            });
        }
        if let Some(agents) = self.agents {
            crate::params::scale(&mut model, M::NAME, agents)?;
        }
        for (name, value) in &self.set {
            model.set(name, value)?;
        }
        Ok(model)
    }
}

impl ModelInfo {
    /// That of a model.
    pub const fn of<M: Model>() -> Self {
        const {
            assert!(
                !M::NAME.is_empty() && !M::RULE.is_empty(),
                "a model says how it is called and where its rule is from"
            );
        }
        Self {
            name: M::NAME,
            about: M::ABOUT,
            rule: M::RULE,
            steps: M::STEPS,
            presets: M::PRESETS,
            params: M::infos,
            resolve: |setting| Ok(setting.model::<M>()?.values()),
            begin: |setting| Ok(Box::new(Run::<M>::begin(setting)?)),
            empty: |setting| Ok(Box::new(Run::<M>::empty(setting)?)),
            load: |loaded, hosting| Ok(Box::new(Run::<M>::load(loaded, hosting)?)),
        }
    }

    /// What is known of its parameters.
    pub fn params(&self) -> Vec<ParamInfo> {
        (self.params)()
    }

    /// The value of each parameter, in the order of [`Self::params`], without building a world.
    ///
    /// # Errors
    /// [`RunError`]: no such preset, or a wrong parameter.
    pub fn resolve(&self, setting: &Setting) -> Result<Vec<Value>, RunError> {
        (self.resolve)(setting)
    }

    /// Builds a world.
    ///
    /// # Errors
    /// [`RunError`]: a wrong parameter or preset, or a world that cannot be built.
    pub fn begin(&self, setting: &Setting) -> Began {
        (self.begin)(setting)
    }

    /// A world with nobody and no ground in it, which is never ticked: an agent that is alone is put into it, to be looked
    /// at and spoken to.
    ///
    /// # Errors
    /// [`RunError`]: a wrong parameter or preset.
    pub fn empty(&self, setting: &Setting) -> Result<Box<dyn Live>, RunError> {
        (self.empty)(setting)
    }

    /// Goes on from a checkpoint of this model.
    ///
    /// # Errors
    /// [`RunError`]: damaged, or not of this model.
    pub fn load(&self, loaded: &Loaded<'_>, hosting: Hosting) -> Began {
        (self.load)(loaded, hosting)
    }
}
