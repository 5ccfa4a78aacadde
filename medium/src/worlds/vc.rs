//! The VC that a world is: it says which model runs, and where its checkpoint is.
//!
//! The world itself is in a folder and on a thread of its own: a turn must not wait for a tick. What the VC knows
//! is a pointer, which its host brings up to date; the folder is what counts.

use actors::behaviour::{Behaviour, Fault};
use actors::effects::{Contact, Effects};
use actors::letter::Letter;
use genesis::channel::Channel;
use genesis::message::Kind;
use genesis::refusal::Code;
use serde::{Deserialize, Serialize};

const SEND: Channel = Channel::known("medium/send");

/// Longest argument, in bytes.
const ARGUMENT_BYTES_MAX: usize = 4 * 1024;

/// The VC that a world is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Its model.
    pub model: String,
    /// Whose randomness.
    pub seed: u64,
    /// Its folder, in that of the node's worlds.
    pub folder: String,
    /// Its last checkpoint, there.
    pub checkpoint: String,
}

/// What a world is begun with: its argument, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argument {
    model: String,
    seed: u64,
    folder: String,
    checkpoint: String,
}

impl World {
    /// Where its host tells it of a checkpoint.
    pub const SAVED: Channel = Channel::known("world/saved");

    /// The argument of its birth.
    pub fn argument(&self) -> String {
        let Self {
            model,
            seed,
            folder,
            checkpoint,
        } = self.clone();
        let argument = Argument {
            model,
            seed,
            folder,
            checkpoint,
        };
        serde_json::to_string(&argument).unwrap_or_default()
    }
}

impl Behaviour for World {
    const NAME: &'static str = "world";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Self::SAVED];
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        if argument.len() > ARGUMENT_BYTES_MAX {
            let what = format!("an argument of {} bytes", argument.len());
            return Err(Fault::new(Code::TooLarge, what));
        }
        let Argument {
            model,
            seed,
            folder,
            checkpoint,
        } = serde_json::from_slice(argument).map_err(|error| {
            Fault::malformed(format!(
                "a world is begun by `medium sim run MODEL --in-node NAME`, not by this argument: {error}"
            ))
        })?;
        Ok(Self {
            model,
            seed,
            folder,
            checkpoint,
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if letter.channel == Self::SAVED {
            if effects.id_of(Contact::Host) != Ok(letter.from) {
                let what = format!("`{}` is for the host of this VC", letter.channel);
                return Err(Fault::new(Code::Denied, what));
            }
            let text = letter.contents.as_text();
            let text = text.ok_or_else(|| Fault::malformed("a checkpoint is named by text"))?;
            self.checkpoint.clear();
            self.checkpoint.extend(text.chars().take(64));
            return effects.reply("").map(drop);
        }
        let Self {
            model,
            seed,
            folder,
            checkpoint,
        } = &self;
        effects
            .reply(format!(
                "a world of {model} with seed {seed}; its last checkpoint is {folder}/checkpoints/{checkpoint}"
            ))
            .map(drop)
    }
}
