//! Addresses within a cohort, as they are written.

use genesis::refusal::{Code, Refusal};
use sims::ids::AgentId;
use sims::live::Live;

/// An address within a cohort: `17`, `17.2` for the third who has that entry, `17@3` for one born in another cohort.
///
/// # Errors
/// [`Code::Unknown`] if there is no such cohort, [`Code::Malformed`] if it is no address.
pub(crate) fn address(live: &mut dyn Live, cohort: &str, text: &str) -> Result<AgentId, Refusal> {
    let cohorts = live.cohorts();
    let Some(found) = cohorts.iter().find(|known| known.name == cohort) else {
        let known: Vec<_> = cohorts.iter().map(|cohort| cohort.name).collect();
        let what = format!("there is no cohort `{cohort}`");
        return Err(
            Refusal::new(Code::Unknown, what).hint(format!("there are {}", known.join(", ")))
        );
    };
    let read = || {
        let (text, place) = match text.split_once('@') {
            Some((text, place)) => (text, place.parse().ok()?),
            None => (text, found.place),
        };
        let (entry, generation) = match text.split_once('.') {
            Some((entry, generation)) => (entry, generation.parse().ok()?),
            None => (text, 0),
        };
        (generation < 1 << 24).then_some(AgentId::new(place, entry.parse().ok()?, generation))
    };
    read().ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        let what = format!("`{shown}` is no address in a cohort");
        Refusal::new(Code::Malformed, what).hint(format!(
            "`medium show WORLD/{cohort}` lists those there are: `17`, or `17.2`"
        ))
    })
}

/// An address as [`address`] reads it.
pub(crate) fn address_of(place: u8, id: AgentId) -> String {
    if id.cohort() == place {
        id.to_string()
    } else {
        format!("{id}@{}", id.cohort())
    }
}
