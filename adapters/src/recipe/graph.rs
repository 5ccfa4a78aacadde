//! The order of a task's steps; what needs itself is refused.

use std::collections::BTreeMap;

use super::Step;
use super::error::Finding;
use super::parse::Sink;
use crate::json::{Place, clip};

/// The steps in an order in which none is before one that it needs; that of the file where it can be kept.
/// `at` says where in the file a step is.
pub(super) fn ordered(
    steps: Vec<Step>,
    at: &dyn Fn(&str) -> Place,
    sink: &mut Sink,
) -> Option<Vec<Step>> {
    let mut index_of = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        index_of.insert(step.name.as_str(), index);
    }
    let mut known = true;
    let mut needs = Vec::with_capacity(steps.len());
    for step in &steps {
        let mut indices = Vec::with_capacity(step.needs.len());
        for name in &step.needs {
            if let Some(index) = index_of.get(name.as_str()) {
                indices.push(*index);
                continue;
            }
            known = false;
            let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
            sink.push(Finding::error(
                "unknown-step",
                at(&step.name),
                format!("`{}` needs `{}`, which is no step", step.name, clip(name)),
                format!("the steps are {}", names.join(", ")),
            ));
        }
        needs.push(indices);
    }
    if !known {
        return None;
    }
    match order(&needs) {
        Ok(order) => {
            let mut steps: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
            let ordered = order.into_iter();
            Some(
                ordered
                    .filter_map(|index| steps.get_mut(index)?.take())
                    .collect(),
            )
        }
        Err(cycle) => {
            let names: Vec<_> = cycle
                .iter()
                .map(|index| steps[*index].name.as_str())
                .collect();
            sink.push(Finding::error(
                "cycle",
                at(names[0]),
                format!("these steps need one another: {}", names.join(" -> ")),
                "take one of the arrows out",
            ));
            None
        }
    }
}

/// An order in which nothing is before what it needs, or a cycle: `a` needs `b` needs `a`.
///
/// Depth first, without recursion: a list of steps may be a chain as long as it is.
fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnThePath,
        Done,
    }
    let mut seen = vec![Seen::Not; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for start in 0..needs.len() {
        if seen[start] == Seen::Done {
            continue;
        }
        // Each step on the path, and how many of its needs were looked at.
        let mut path = vec![(start, 0)];
        seen[start] = Seen::OnThePath;
        while let Some((index, next)) = path.last_mut() {
            let index = *index;
            let Some(&needed) = needs[index].get(*next) else {
                seen[index] = Seen::Done;
                order.push(index);
                path.pop();
                continue;
            };
            *next += 1;
            match seen[needed] {
                Seen::Done => {}
                Seen::Not => {
                    seen[needed] = Seen::OnThePath;
                    path.push((needed, 0));
                }
                Seen::OnThePath => {
                    let from = path.iter().position(|(at, _)| *at == needed);
                    let steps = path.iter().skip(from.unwrap_or_default());
                    let mut cycle: Vec<usize> = steps.map(|(at, _)| *at).collect();
                    cycle.push(needed);
                    return Err(cycle);
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Either an order that respects every need, or a cycle that is one.
        #[test]
        fn an_order_or_a_cycle(
            needs in (1_usize..12).prop_flat_map(|count| {
                prop::collection::vec(prop::collection::vec(0..count, 0..4), count)
            })
        ) {
            match order(&needs) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), needs.len());
                    let place = |step: usize| order.iter().position(|at| *at == step).unwrap();
                    for (step, needed) in needs.iter().enumerate() {
                        for need in needed {
                            prop_assert!(place(*need) < place(step));
                        }
                    }
                }
                Err(cycle) => {
                    prop_assert!(cycle.len() > 1 && cycle.first() == cycle.last());
                    for pair in cycle.windows(2) {
                        prop_assert!(needs[pair[0]].contains(&pair[1]));
                    }
                }
            }
        }
    }
}
