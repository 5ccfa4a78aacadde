//! Whether boxes together hold a box: by subtraction, with a bound on the pieces it makes.

use super::Containment;
use super::region::Region;

/// Whether `union` holds all of `target`; every piece made is taken from `budget`.
///
/// Exact unless the budget runs out: a piece that no box meets is a witness for *No*, and when no
/// piece is left the answer is *Yes*. Pieces, not steps, are bounded, because their number is what
/// explodes: eight dimensions with eight large boxes did not finish in 40 s (theory §3).
pub(super) fn covers(union: &[Region], target: Region, budget: &mut usize) -> Containment {
    let mut open = vec![(target, 0)];
    while let Some((piece, from)) = open.pop() {
        let boxes = &union[from..];
        // One box that holds all of it comes first: it makes no pieces (Siena's covering).
        if boxes.iter().any(|region| region.contains(&piece)) {
            continue;
        }
        let Some(cut) = boxes.iter().position(|region| region.meets(&piece)) else {
            return Containment::No;
        };
        let rest = piece.minus(&boxes[cut]);
        let Some(left) = budget.checked_sub(rest.len()) else {
            return Containment::Unknown;
        };
        *budget = left;
        open.extend(rest.into_iter().map(|piece| (piece, from + cut + 1)));
    }
    Containment::Yes
}
