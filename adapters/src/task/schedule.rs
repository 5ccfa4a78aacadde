//! Which job is next: what needs allow, and nothing else. Knows no job, file or thread.

use std::collections::VecDeque;

/// A step, or one item of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    /// The step, by its place in the plan.
    pub(super) step: usize,
    /// The item; 0 for a step that is run once.
    pub(super) item: usize,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Find out how many jobs a step has, and say it by [`Board::expanded`].
    Expand(usize),
    /// Run a job, and say by [`Board::ended`] how it ended.
    Run(Job),
    /// Wait until something has ended.
    Wait,
    /// There is nothing left to do.
    Over,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All its jobs succeeded.
    Succeeded,
    /// One of them did not.
    Failed,
    /// It was not run, because of this step.
    Skipped(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Expanding,
    Running { left: usize, failed: bool },
    Done(Outcome),
}

/// The steps of a run, and how far they are.
#[derive(Debug)]
pub(super) struct Board {
    needs: Vec<Vec<usize>>,
    steps: Vec<State>,
    to_expand: VecDeque<usize>,
    ready: VecDeque<Job>,
    /// Steps being expanded and jobs being run.
    under_way: usize,
    is_stopped: bool,
}

impl Board {
    /// Steps that need those of these numbers, all smaller than their own.
    pub(super) fn new(needs: Vec<Vec<usize>>) -> Self {
        let mut board = Self {
            steps: vec![State::Waiting; needs.len()],
            needs,
            to_expand: VecDeque::new(),
            ready: VecDeque::new(),
            under_way: 0,
            is_stopped: false,
        };
        board.look();
        board
    }

    /// What is next; it counts as begun.
    pub(super) fn next(&mut self) -> Next {
        if !self.is_stopped {
            if let Some(job) = self.ready.pop_front() {
                self.under_way += 1;
                return Next::Run(job);
            }
            if let Some(step) = self.to_expand.pop_front() {
                self.under_way += 1;
                return Next::Expand(step);
            }
        }
        if self.under_way > 0 {
            Next::Wait
        } else {
            Next::Over
        }
    }

    /// A step has so many jobs; none if that could not be found out, which is its failure.
    pub(super) fn expanded(&mut self, step: usize, jobs: Option<usize>) {
        self.under_way -= 1;
        self.steps[step] = match jobs {
            None => State::Done(Outcome::Failed),
            Some(0) => State::Done(Outcome::Succeeded),
            Some(left) => {
                self.ready.extend((0..left).map(|item| Job { step, item }));
                State::Running {
                    left,
                    failed: false,
                }
            }
        };
        self.look();
    }

    /// A job has ended.
    pub(super) fn ended(&mut self, job: Job, succeeded: bool) {
        self.under_way -= 1;
        if let State::Running { left, failed } = &mut self.steps[job.step] {
            *left -= 1;
            *failed |= !succeeded;
            if *left == 0 {
                let outcome = if *failed {
                    Outcome::Failed
                } else {
                    Outcome::Succeeded
                };
                self.steps[job.step] = State::Done(outcome);
            }
        }
        self.look();
    }

    /// Nothing is begun any more.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// What became of a step, if it is over.
    pub(super) fn outcome(&self, step: usize) -> Option<Outcome> {
        match self.steps[step] {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Takes up steps that need nothing more, and gives up those that need what failed. Steps come after what they
    /// need, so once is enough.
    fn look(&mut self) {
        for step in 0..self.steps.len() {
            if self.steps[step] != State::Waiting {
                continue;
            }
            let outcomes = self.needs[step]
                .iter()
                .map(|need| (*need, self.outcome(*need)));
            let mut all = true;
            let mut because = None;
            for (need, outcome) in outcomes {
                match outcome {
                    Some(Outcome::Succeeded) => {}
                    Some(Outcome::Failed) => because = because.or(Some(need)),
                    Some(Outcome::Skipped(first)) => because = because.or(Some(first)),
                    None => all = false,
                }
            }
            if let Some(because) = because {
                self.steps[step] = State::Done(Outcome::Skipped(because));
            } else if all {
                self.steps[step] = State::Expanding;
                self.to_expand.push_back(step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What each step needs, how many jobs it has, and which jobs fail.
    type Graph = (Vec<Vec<usize>>, Vec<usize>, BTreeSet<(usize, usize)>);

    /// Up to ten steps.
    fn graphs() -> impl Strategy<Value = Graph> {
        (1_usize..10).prop_flat_map(|count| {
            let needs = (0..count)
                .map(|step| prop::collection::vec(0..step.max(1), 0..=step.min(3)))
                .collect::<Vec<_>>();
            let failing = prop::collection::btree_set((0..count, 0_usize..3), 0..3);
            (needs, prop::collection::vec(0_usize..4, count), failing)
        })
    }

    proptest! {
        /// Whatever ends first, and however many run at a time: nothing begins before all it needs has succeeded,
        /// what needs nothing that failed is run whole, and it comes to an end.
        #[test]
        fn any_schedule_respects_needs(
            (needs, jobs, failing) in graphs(), workers in 1_usize..5, picks: Vec<prop::sample::Index>
        ) {
            let mut needs = needs;
            needs[0].clear();
            for (step, needed) in needs.iter_mut().enumerate() {
                needed.retain(|need| *need < step);
            }
            let mut board = Board::new(needs.clone());
            let mut running: Vec<Job> = Vec::new();
            let mut ran = BTreeSet::new();
            let mut picks = picks.iter().cycle();
            loop {
                let next = if running.len() < workers { board.next() } else { Next::Wait };
                match next {
                    Next::Expand(step) => {
                        for need in &needs[step] {
                            prop_assert_eq!(board.outcome(*need), Some(Outcome::Succeeded));
                        }
                        board.expanded(step, Some(jobs[step]));
                    }
                    Next::Run(job) => {
                        prop_assert!(ran.insert(job), "{job:?} was run twice");
                        running.push(job);
                    }
                    Next::Wait => {
                        let at = picks.next().map_or(0, |pick| pick.index(running.len()));
                        let job = running.swap_remove(at);
                        board.ended(job, !failing.contains(&(job.step, job.item)));
                    }
                    Next::Over => break,
                }
            }
            // From scratch: a step fails if a job of it does, and is skipped if what it needs did not succeed.
            let mut fine = Vec::new();
            for (step, needed) in needs.iter().enumerate() {
                let begins = needed.iter().all(|need| fine[*need]);
                let succeeds = begins && (0..jobs[step]).all(|item| !failing.contains(&(step, item)));
                fine.push(succeeds);
                let outcome = board.outcome(step);
                match (begins, succeeds) {
                    (_, true) => prop_assert_eq!(outcome, Some(Outcome::Succeeded)),
                    (true, false) => prop_assert_eq!(outcome, Some(Outcome::Failed)),
                    (false, false) => prop_assert!(matches!(outcome, Some(Outcome::Skipped(_)))),
                }
                let count = ran.iter().filter(|job| job.step == step).count();
                prop_assert_eq!(count, if begins { jobs[step] } else { 0 });
            }
        }
    }

    #[test]
    fn what_was_stopped_begins_nothing() {
        let mut board = Board::new(vec![vec![], vec![]]);
        assert_eq!(board.next(), Next::Expand(0));
        board.expanded(0, Some(2));
        let Next::Run(job) = board.next() else {
            panic!("a job")
        };
        board.stop();
        assert_eq!(board.next(), Next::Wait);
        board.ended(job, false);
        assert_eq!(board.next(), Next::Over);
        assert_eq!(board.outcome(1), None);
    }
}
