//! A world run again: through its journal, to the digests that are recorded.

use genesis::refusal::{Code, Refusal};
use sims::crew::Crew;
use sims::live::{Live, Loaded};
use sims::model::{ModelInfo, Setting};
use sims::params::Value;
use sims::store::Hosting;

use super::folder::{Begun, Folder, Mark};
use super::held::{Pace, apply, model, refused, vc_of};
use super::journal::{Act, Entry, Journal};

/// Whose digests a replay has to meet, and where.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// What the world is doing.
    pub(super) pace: Pace,
    /// What was begun between it and VCs outside of it.
    pub(super) unsettled: Vec<Act>,
    /// How many rests were met.
    pub(super) rests: u64,
}

impl Replay {
    /// Runs a world, of which `from` entries are in it already, through the rest of its journal.
    ///
    /// # Errors
    /// [`Code::Corrupt`] if it comes to another digest than it had at a rest; what `at` says.
    pub(super) fn run(
        &mut self,
        live: &mut dyn Live,
        entries: &[Entry],
        from: u64,
        crew: &Crew,
        mut at: impl FnMut(&mut dyn Live, u64) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for (n, Entry { tick, act }) in (0_u64..).zip(entries) {
            self.note(act);
            if n < from {
                continue;
            }
            if live.now() > *tick {
                let what = format!(
                    "entry {} of the journal is of tick {tick}, after one of tick {}",
                    n + 1,
                    live.now()
                );
                return Err(Refusal::new(Code::Corrupt, what));
            }
            while live.now() < *tick {
                at(live, n)?;
                live.tick(crew).map_err(|error| refused(&error))?;
            }
            at(live, n)?;
            if let Act::Rest { digest } = act {
                let found = live.digest().to_string();
                if found != *digest {
                    return Err(differs(*tick, digest, &found));
                }
                self.rests += 1;
            }
            apply(live, act)?;
        }
        at(live, entries.len() as u64)
    }

    /// Takes note of what an act means for the time after it.
    pub(super) fn note(&mut self, act: &Act) {
        match act {
            Act::Go { until, millihertz } => {
                self.pace = Pace::Going {
                    until: *until,
                    millihertz: *millihertz,
                }
            }
            Act::Rest { .. } => self.pace = Pace::Resting,
            Act::Take { vc: Some(_), .. } | Act::Put { .. } => self.unsettled.push(act.clone()),
            Act::Settled { vc } => self.unsettled.retain(|act| vc_of(act) != Some(vc)),
            Act::Take { vc: None, .. } | Act::Set { .. } | Act::Send { .. } => {}
        }
    }
}

/// The world as it was begun.
///
/// # Errors
/// [`Code::Corrupt`] if it does not come to the digest it had.
pub(super) fn built(begun: &Begun) -> Result<Box<dyn Live>, Refusal> {
    let set = begun.params.iter();
    let setting = Setting {
        set: set
            .map(|(name, value)| (name.clone(), Value::Text(value.clone())))
            .collect(),
        seed: begun.seed,
        ..Setting::default()
    };
    let mut live = model(&begun.model)?
        .begin(&setting)
        .map_err(|error| refused(&error))?;
    let found = live.digest().to_string();
    if found != begun.digest {
        return Err(differs(0, &begun.digest, &found));
    }
    Ok(live)
}

fn differs(tick: u64, recorded: &str, computed: &str) -> Refusal {
    let what = format!(
        "tick {tick}: the trace digest was {recorded} and is {computed}: this is not the same world"
    );
    Refusal::new(Code::Corrupt, what).hint(
        "files were changed, or another version of the model ran: use the program that began it",
    )
}

/// What a recomputation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many ticks were computed.
    pub ticks: u64,
    /// How many entries of the journal were done again.
    pub entries: u64,
    /// How many recorded digests were met.
    pub digests: u64,
    /// The trace digest at the end.
    pub digest: String,
}

/// Computes a world again from how it was begun and its journal, and compares every digest that is recorded:
/// of each rest, of each checkpoint, and `until`, a tick and its digest, if that is given.
///
/// # Errors
/// [`Code::Corrupt`], which names the first tick with another digest; else what cannot be read.
pub fn verify(
    folder: &Folder,
    crew: &Crew,
    until: Option<(u64, u64, &str)>,
) -> Result<Verified, Refusal> {
    let begun = folder.begun()?;
    let mut entries = Journal::entries(&folder.journal())?;
    if let Some((_, len, _)) = until {
        entries.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    }
    let mut live = built(&begun)?;
    let model = model(&begun.model)?;
    let mut expected = Vec::new();
    for mark in folder.marks()? {
        if until.is_some_and(|(tick, len, _)| (mark.tick, mark.entries) > (tick, len)) {
            continue;
        }
        let Ok(bytes) = folder.read(mark) else {
            continue; // a newer one took its place meanwhile
        };
        let mut kept = load(model, &bytes)?;
        expected.push((mark, kept.digest().to_string()));
    }
    let last = expected.iter().map(|(mark, _)| mark.tick).max();
    let last = last.max(until.map(|(tick, ..)| tick)).unwrap_or_default();
    let mut replay = Replay::default();
    let mut met = 1;
    let mut compare = |live: &mut dyn Live, entries: u64| {
        let here = Mark {
            tick: live.now(),
            entries,
        };
        for (_, digest) in expected.iter().filter(|(mark, _)| *mark == here) {
            let found = live.digest().to_string();
            if found != *digest {
                return Err(differs(here.tick, digest, &found));
            }
            met += 1;
        }
        Ok(())
    };
    replay.run(live.as_mut(), &entries, 0, crew, &mut compare)?;
    while live.now() < last {
        live.tick(crew).map_err(|error| refused(&error))?;
        compare(live.as_mut(), entries.len() as u64)?;
    }
    let digest = live.digest().to_string();
    if let Some((tick, _, recorded)) = until {
        if recorded != digest {
            return Err(differs(tick, recorded, &digest));
        }
        met += 1;
    }
    Ok(Verified {
        ticks: live.now(),
        entries: entries.len() as u64,
        digests: met + replay.rests,
        digest,
    })
}

/// A world from the bytes of a checkpoint.
///
/// # Errors
/// [`Code::Corrupt`] if they are damaged.
pub(super) fn load(model: &ModelInfo, bytes: &[u8]) -> Result<Box<dyn Live>, Refusal> {
    let loaded = Loaded::parse(bytes).map_err(|error| refused(&error.into()))?;
    model
        .load(&loaded, Hosting::default())
        .map_err(|error| refused(&error))
}
