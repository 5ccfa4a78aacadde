//! The loop over rows, a piece of a cohort at a time.

use super::GONE;
use super::sleepers::Sleepers;
use crate::agent::{Agent, Window};
use crate::ids::AgentId;
use crate::mail::Outlets;
use crate::tick::Phase;
use crate::turn::{Said, Turn};

/// Rows cut into pieces of at most `every`, with where they begin and end.
pub(crate) fn cut<A, W: Window<A>>(rows: W, len: usize, every: usize) -> Vec<(usize, usize, W)> {
    let mut pieces = Vec::with_capacity(len.div_ceil(every));
    let mut rest = rows;
    let mut from = 0;
    while from < len {
        let to = (from + every).min(len);
        let (piece, others) = rest.split_at(to - from);
        pieces.push((from, to, piece));
        rest = others;
        from = to;
    }
    pieces
}

#[inline]
pub(super) fn run<A: Agent, W: Window<A>, O: Outlets>(
    phase: Phase,
    mut rows: W,
    ids: &[u64],
    from: usize,
    sleepers: &Sleepers,
    turn: &(impl Fn(&mut A, &mut Turn<'_, A>, &mut O::Out) + Sync),
) -> (Said<A>, O::Out) {
    let mut said = Said::default();
    let mut out = O::Out::default();
    if sleepers.count == 0 {
        for (at, &id) in ids.iter().enumerate() {
            one(phase, &mut rows, id, at, from, &mut said, &mut out, turn);
        }
    } else {
        // A piece begins at a multiple of 64, so that words of the sleepers can be skipped as wholes.
        for (word, chunk) in ids.chunks(64).enumerate() {
            let bits = sleepers.bits.get(from / 64 + word).copied().unwrap_or(0);
            let mut awake = !bits;
            if chunk.len() < 64 {
                awake &= (1 << chunk.len()) - 1;
            }
            while awake != 0 {
                let bit = awake.trailing_zeros() as usize;
                awake &= awake - 1;
                let at = word * 64 + bit;
                one(
                    phase, &mut rows, chunk[bit], at, from, &mut said, &mut out, turn,
                );
            }
        }
    }
    (said, out)
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the body of two loops")]
fn one<A: Agent, Out>(
    phase: Phase,
    rows: &mut impl Window<A>,
    id: u64,
    at: usize,
    from: usize,
    said: &mut Said<A>,
    out: &mut Out,
    turn: &(impl Fn(&mut A, &mut Turn<'_, A>, &mut Out) + Sync),
) {
    if id == GONE {
        return;
    }
    #[expect(clippy::cast_possible_truncation, reason = "slots have 32 bits")]
    let slot = (from + at) as u32;
    let mut row = rows.get(at);
    let mut vc = Turn::new(phase, AgentId(id), slot, said);
    turn(&mut row, &mut vc, out);
    let dead = vc.dead;
    rows.set(at, row);
    if dead {
        said.dead.push(slot);
    }
}
