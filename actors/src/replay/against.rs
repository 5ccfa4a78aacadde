//! A record played against a candidate: what would be different with another part in the body.

use bytes::Bytes;
use genesis::id::Digest;
use genesis::refusal::Refusal;

use super::{Ground, Player, reshapes, snapshot_of};
use crate::behaviour::Fault;
use crate::cell::Part;
use crate::hosted::States;
use crate::journal::{Entry, Failed, Item, Turn};
use crate::stage::{Heard, describe};
use crate::view::{Difference, Replay};
use crate::worker::trial::{Candidate, successor_of, with_candidate};

/// Differences that are shown; all of them are counted.
const DIFFERENCES_MAX: usize = 16;

/// What became of a replay against a candidate.
pub(crate) struct Against {
    pub(crate) fuel: u64,
    /// What was found; why not, if the candidate does not go on from the state before.
    pub(crate) replay: Result<Replay, Fault>,
}

/// Lets a body and one with a candidate in it handle the last messages of a journal, and compares. The
/// candidate comes in after those before, from what the part saves whose place it takes.
///
/// # Errors
/// [`Refusal`] if the record cannot be read, or code of the VC is not here.
pub(crate) fn against(
    ground: Ground<'_>,
    items: &[Item],
    candidate: &Candidate<'_>,
    last: u32,
) -> Result<Against, Refusal> {
    let is_turn = |item: &&Item| match item {
        Item::Entry(Entry::Turn(turn)) => !reshapes(turn.letter.kind),
        _ => false,
    };
    let turns = items.iter().filter(is_turn).count();
    let judged = turns.min(last as usize);
    let mut against = Against {
        fuel: 0,
        replay: Ok(Replay {
            messages: judged,
            different: 0,
            failing: 0,
            differences: Vec::new(),
            states: Vec::new(),
        }),
    };
    let Some((Item::Snapshot { image, .. }, items)) = items.split_first() else {
        return Ok(against); // Nothing has been recorded yet.
    };
    let mut ours = Player::begin(ground, snapshot_of(image)?, None)?;
    let mut items = items.iter().filter_map(|item| match item {
        Item::Entry(entry) => Some(entry),
        Item::Snapshot { .. } => None,
    });
    let mut n = 0;
    while n < turns - judged
        && let Some(entry) = items.next()
    {
        if let Entry::Turn(turn) = entry {
            n += usize::from(!reshapes(turn.letter.kind));
            against.fuel += ours.turn(turn, true).map_or(0, |heard| heard.spent);
        }
        // What it is called here is compared by a replay; a trial is about what follows.
        let _ = ours.event(entry);
    }
    let mut theirs = match with(ground, &mut ours, candidate) {
        Ok(theirs) => theirs,
        Err(fault) => {
            against.replay = Err(fault);
            return Ok(against);
        }
    };
    if let Ok(replay) = &mut against.replay {
        for entry in items {
            let Entry::Turn(turn) = entry else {
                let _ = (ours.event(entry), theirs.event(entry));
                continue;
            };
            n += usize::from(!reshapes(turn.letter.kind));
            let (old, new) = (ours.turn(turn, true), theirs.turn(turn, false));
            let spent = |heard: &Option<Heard>| heard.as_ref().map_or(0, |heard| heard.spent);
            against.fuel += spent(&old) + spent(&new);
            let Some(new) = new else { continue };
            let handled = old.as_ref().is_some_and(|old| old.outcome.is_ok());
            replay.failing += u64::from(handled && new.outcome.is_err());
            let before = old.as_ref().map_or_else(|| failure_of(turn), describe);
            let after = describe(&new);
            if before != after {
                replay.different += 1;
                if replay.differences.len() < DIFFERENCES_MAX {
                    replay.differences.push(Difference {
                        message: n,
                        contents: format!("{:?}", turn.letter.contents),
                        before,
                        after,
                    });
                }
            }
        }
        let (ours, theirs) = (saves_of(&mut ours), saves_of(&mut theirs));
        for (occurrence, state) in &ours {
            let other = theirs.iter().find(|(at, _)| at == occurrence);
            if other.map(|(_, s)| s) != Some(state) {
                let digest = |state: &Bytes| Digest::of(state).to_string();
                let other = other.map(|(_, state)| digest(state));
                replay.states.push((*occurrence, digest(state), other));
            }
        }
    }
    Ok(against)
}

/// The VC as it is, with a candidate in its place.
fn with<'a>(
    ground: Ground<'a>,
    ours: &mut Player<'a>,
    candidate: &Candidate<'_>,
) -> Result<Player<'a>, Fault> {
    let mut image = ours.image();
    let replaced = candidate.replaces.and_then(|at| {
        let part = image.parts.iter().find(|part| part.occurrence == at)?;
        Some(Part::from_image(part))
    });
    let from = match &replaced {
        Some(old) => successor_of(ours.first_code, &mut ours.seat, old, candidate.part).0,
        None => candidate.from.clone(),
    };
    let place = with_candidate(&mut image, candidate);
    Player::begin(ground, image, Some((place, from)))
}

fn failure_of(turn: &Turn) -> Vec<String> {
    let failed = turn
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.as_ref().err());
    let line = |failed: &Failed| format!("fault: {}", failed.fault());
    failed.map(line).into_iter().collect()
}

/// What the parts of a body would hand over to others: of sandboxed ones what they save, because what lies in
/// a memory beside that is nobody's business; of natives their states.
fn saves_of(player: &mut Player<'_>) -> States {
    let states = player.states();
    let save = |(occurrence, state): (u64, Bytes)| {
        let saved = player
            .seat
            .enclave_mut()
            .and_then(|enclave| enclave.save(occurrence).ok());
        (occurrence, saved.unwrap_or(state))
    };
    states.into_iter().map(save).collect()
}
