//! The VC that an agent is while it is in no world: woken alone.
//!
//! It keeps the row that it was. A message reaches it as it would in its world: in a world of its model and
//! parameters in which there is nobody else and no ground. `fields` is answered with what it is.

use actors::behaviour::{Behaviour, Fault};
use actors::effects::{Contact, Effects};
use actors::letter::Letter;
use genesis::channel::Channel;
use genesis::id::{Digest, VcId};
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use serde::{Deserialize, Serialize};
use sims::field::Leaf;
use sims::ids::AgentId;
use sims::live::{Frozen, Live};
use sims::model::Setting;
use sims::params::Value;

use super::held::{model, refused};

const SEND: Channel = Channel::known("medium/send");
/// The version byte of what is told of an agent.
const VERSION: u8 = 1;

/// An agent that is in no world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// What it is.
    pub frozen: Frozen,
    /// The parameters of the world it comes from, as text.
    pub params: Vec<(String, String)>,
    /// The world it comes from.
    pub world: VcId,
    /// How many ticks were over there.
    pub tick: u64,
    /// The world that it is about to go into: until it is there, or is not taken, it hears nothing.
    pub leaving: Option<VcId>,
}

impl Agent {
    /// Where its host has it ready to go into a world: the contents are that world's id, or nothing if it stays.
    pub const LEAVE: Channel = Channel::known("agent/leave");

    /// The id of the VC that an agent becomes which leaves its world: the same whenever it does, as its address
    /// is never given again.
    pub fn vc_of(world: VcId, cohort: &str, id: AgentId) -> VcId {
        let fields: [&[u8]; 3] = [world.as_bytes(), cohort.as_bytes(), &id.0.to_le_bytes()];
        VcId::from_bytes(Digest::of_fields(b"medium/1 agent", &fields).0)
    }

    /// The argument of its birth, and what it answers on [`Agent::LEAVE`].
    ///
    /// # Errors
    /// [`Code::TooLarge`] if it does not fit into a message.
    pub fn encode(&self) -> Result<Vec<u8>, Refusal> {
        wire::encode(VERSION, self).map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))
    }

    /// Reads what [`Agent::encode`] wrote.
    ///
    /// # Errors
    /// [`Code::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        wire::decode(VERSION, bytes)
            .map_err(|error| Refusal::new(Code::Malformed, format!("this is no agent: {error}")))
    }

    /// A world with nobody else in it.
    fn alone(&self) -> Result<(Box<dyn Live>, AgentId), Refusal> {
        let set = self.params.iter();
        let setting = Setting {
            set: set
                .map(|(name, value)| (name.clone(), Value::Text(value.clone())))
                .collect(),
            ..Setting::default()
        };
        let mut live = model(&self.frozen.model)?
            .empty(&setting)
            .map_err(|error| refused(&error))?;
        let id = live.put(&self.frozen).map_err(|error| refused(&error))?;
        Ok((live, id))
    }

    /// The values of its fields.
    ///
    /// # Errors
    /// [`Refusal`] if its model is not known here, or its row is not one of that model.
    pub fn fields(&self) -> Result<Vec<(String, Leaf)>, Refusal> {
        let (mut live, id) = self.alone()?;
        live.show(&self.frozen.cohort, id)
            .map_err(|error| refused(&error))
    }

    /// Hears a message, as it would in its world.
    fn hear(&mut self, text: &str) -> Result<(), Refusal> {
        let (mut live, id) = self.alone()?;
        let cohort = &self.frozen.cohort;
        live.send(cohort, id, text)
            .map_err(|error| refused(&error))?;
        // Whom a message ends it ends; the rest goes on from what it became.
        let became = live.copy(cohort, id).map_err(|error| refused(&error))?;
        self.frozen.row = became.row;
        Ok(())
    }

    fn told(&self) -> Result<String, Refusal> {
        let fields = self.fields()?;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(fields.collect::<Vec<_>>().join(" "))
    }

    fn leave(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if effects.id_of(Contact::Host) != Ok(letter.from) {
            let what = format!("`{}` is for the host of this VC", letter.channel);
            return Err(Fault::new(Code::Denied, what));
        }
        let to: &[u8] = &letter.contents;
        self.leaving = if to.is_empty() {
            None
        } else {
            let to = to.try_into();
            let to = to.map_err(|_| Fault::malformed("a world is named by its id"))?;
            Some(VcId::from_bytes(to))
        };
        effects.reply(self.encode()?).map(drop)
    }
}

impl Behaviour for Agent {
    const NAME: &'static str = "agent";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Self::LEAVE];
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        let agent = Self::decode(argument)?;
        agent.fields()?;
        Ok(agent)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if letter.channel == Self::LEAVE {
            return self.leave(letter, effects);
        }
        if let Some(world) = self.leaving {
            let what = format!("it is on its way into the world {world}");
            return Err(Fault::new(Code::Conflict, what));
        }
        let text = letter.contents.as_text();
        let text = text.ok_or_else(|| Fault::malformed("agents understand text"))?;
        if text.trim() != "fields" {
            self.hear(text)?;
        }
        effects.reply(self.told()?).map(drop)
    }

    fn test(&self) -> Result<(), Fault> {
        self.fields().map(drop).map_err(Fault::from)
    }
}
