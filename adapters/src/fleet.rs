//! The VC that is a fleet: others live in its body, and it speaks for none of them or for one.
//!
//! A fleet is a directory of directories: a `vc.json` that says `"fleet": true` and what is `nested`. Its members know
//! one another by the names it gives them, have its powers, its rule of restarts and a share of its purse, and are
//! spawned, stopped, frozen and forked with it (`docs/outside.md`, "A fleet"). This is what it does with a message of
//! its own: it passes it to its *front*, whose answer goes to the sender, or says who its members are.

use actors::behaviour::{Behaviour, Fault};
use actors::effects::Effects;
use actors::letter::Letter;
use genesis::channel::Channel;
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// By which the front is told that another member stopped: its name and the reason.
pub const DOWN: Channel = Channel::known("fleet/down");

/// Speaks for a fleet. Its argument is [`Fleet::to_argument`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// The member that answers for it.
    pub front: Option<String>,
    /// Its members, by the names it has for them.
    pub members: Vec<String>,
}

impl Fleet {
    /// Itself as the argument of the part it is born from.
    pub fn to_argument(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn no_front(&self) -> Refusal {
        let members = self.members.join(", ");
        let what = format!("a fleet without a front takes no messages; its members are {members}");
        Refusal::new(Code::Unknown, what).hint(
            "send to one of them: `medium send FLEET/MEMBER …`; `\"front\"` in its `vc.json` names who answers for it",
        )
    }

    /// A member stopped by itself: the log says so, and the front hears it.
    fn down(&self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let notice = letter.contents.as_text().unwrap_or_default();
        let (who, why) = notice.split_once(' ').unwrap_or((notice, ""));
        let id = who.parse().ok();
        let name = id
            .and_then(|id| effects.name_of(id))
            .unwrap_or(who)
            .to_owned();
        let line = format!("{name} {why}");
        effects.emit(format!("down: {line}"))?;
        if let Some(front) = self.front.as_deref().filter(|&front| front != name)
            && let Some(contact) = effects.named(front)
        {
            effects.send_by(contact, DOWN, line)?;
        }
        Ok(())
    }
}

impl Behaviour for Fleet {
    const NAME: &'static str = "fleet";
    const NEEDS: &'static [Channel] =
        &[Channel::known("medium/send"), Channel::known("medium/emit")];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        if argument.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(argument).map_err(|error| Fault::malformed(error.to_string()))
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match letter.kind {
            Kind::Notice if letter.channel == Channel::DOWN => self.down(letter, effects),
            Kind::Tell => {
                let front = self.front.as_deref().and_then(|name| effects.named(name));
                if let Some(front) = front {
                    return effects.forward(front).map(drop);
                }
                let question = effects.question()?;
                effects.refuse(question, &self.no_front()).map(drop)
            }
            // What a member answers to a notice is of no use to anybody.
            _ => Ok(()),
        }
    }

    /// Whatever is sent to it is for its front, by whichever channel.
    fn answers(&self, channel: Channel) -> bool {
        !channel.is_of_the_medium()
    }
}
