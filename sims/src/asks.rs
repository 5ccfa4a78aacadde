//! Questions to somebody outside of the world, and their answers: messages that are recorded, so that a replay needs nobody
//! outside.
//!
//! A row asks and sleeps; the world goes on without it. Between two ticks somebody may take the questions out
//! ([`Live::questions`](crate::live::Live::questions)) and give an answer ([`Live::answer`](crate::live::Live::answer)),
//! which wakes the row in the next tick. What an answer says is part of the trace digest, as every act from outside is.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::Agent;
use crate::bytes::{Damaged, Reader, put_bytes};
use crate::field::Field as _;
use crate::ids::AgentId;
use crate::mail::{Outlets, Wakes};
use crate::turn::Turn;

/// The longest question, and the longest answer, in bytes.
pub const TEXT_LEN_MAX: usize = 16 * 1024;
/// How many questions may be open at once; with one more the run ends, so that nobody waits unseen.
pub const OPEN_MAX: usize = 65_536;

/// A piece of a world: the questions of one cohort, and the answers to them.
#[derive(Debug, Default)]
pub struct Asks {
    /// Where rows ask: an outlet of a phase.
    pub questions: Questions,
    /// Where they find the answers.
    pub answers: Answers,
}

/// The questions that nobody has answered yet.
#[derive(Debug, Default)]
pub struct Questions {
    place: u8,
    asked: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    from: AgentId,
    tag: u64,
    text: String,
}

/// The answers that were given.
#[derive(Debug, Default)]
pub struct Answers {
    /// Those that wait for the next delivery.
    given: Vec<(AgentId, Answer)>,
    delivered: BTreeMap<AgentId, Vec<Answer>>,
    answered: u64,
    lost: u64,
}

/// An answer, as the row that asked gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What the row gave with its question, to know it again.
    pub tag: u64,
    /// What somebody outside said: any text at all.
    pub text: String,
}

/// Where the turns of some rows put their questions.
#[derive(Debug, Default)]
pub struct Asked(Vec<Open>);

impl Asked {
    /// Asks somebody outside. The answer carries the same tag, and comes in a later tick or never: who sleeps until then had
    /// better [sleep for](Turn::sleep_for) a number of ticks.
    pub fn ask<A: Agent>(&mut self, vc: &Turn<'_, A>, tag: u64, text: impl Into<String>) {
        self.0.push(Open {
            from: vc.id(),
            tag,
            text: text.into(),
        });
    }
}

impl Outlets for &mut Questions {
    type Out = Asked;

    /// # Panics
    /// If a question is too long, or too many are open: the run ends with an error.
    fn take(&mut self, out: Asked) {
        for question in out.0 {
            assert!(
                question.text.len() <= TEXT_LEN_MAX,
                "a question of {} bytes; {TEXT_LEN_MAX} are the most",
                question.text.len()
            );
            assert!(
                self.open.len() < OPEN_MAX,
                "more than {OPEN_MAX} questions are open: nobody answers, or not fast enough"
            );
            let number = self.asked << 8 | u64::from(self.place);
            self.asked += 1;
            self.open.insert(number, question);
        }
    }
}

impl Answers {
    /// Hands out what was given since the last delivery; who gets an answer is awake. What was delivered before is gone.
    pub fn deliver(&mut self, to: &mut impl Wakes) {
        self.delivered.clear();
        to.settle();
        for (from, answer) in self.given.drain(..) {
            if to.wake(from).is_some() {
                self.delivered.entry(from).or_default().push(answer);
            } else {
                self.lost += 1;
            }
        }
    }

    /// The answers delivered to whose turn it is, in the order in which they were given.
    pub fn of<A: Agent>(&self, vc: &Turn<'_, A>) -> &[Answer] {
        self.delivered.get(&vc.id()).map_or(&[], Vec::as_slice)
    }
}

impl Asks {
    pub(crate) fn of_world(place: u8) -> Self {
        Self {
            questions: Questions {
                place,
                ..Questions::default()
            },
            ..Self::default()
        }
    }

    /// The open questions but those with these numbers, in the order in which they were asked.
    pub(crate) fn open(&self, known: &BTreeSet<u64>, mut see: impl FnMut(u64, AgentId, &str)) {
        for (number, open) in &self.questions.open {
            if !known.contains(number) {
                see(*number, open.from, &open.text);
            }
        }
    }

    /// Answers a question; false if none of this number is open.
    pub(crate) fn answer(&mut self, number: u64, text: &str) -> bool {
        let Some(Open { from, tag, .. }) = self.questions.open.remove(&number) else {
            return false;
        };
        self.answers.answered += 1;
        self.answers.given.push((
            from,
            Answer {
                tag,
                text: text.to_owned(),
            },
        ));
        true
    }

    pub(crate) fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        see("asked", self.questions.asked);
        see("answered", self.answers.answered);
        see("open", self.questions.open.len() as u64);
        see("lost", self.answers.lost);
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        // What was delivered was read in the tick that has ended.
        self.questions.asked.write(out);
        (self.questions.open.len() as u64).write(out);
        for (number, open) in &self.questions.open {
            number.write(out);
            open.from.write(out);
            open.tag.write(out);
            put_bytes(out, open.text.as_bytes());
        }
        (self.answers.given.len() as u64).write(out);
        for (from, answer) in &self.answers.given {
            from.write(out);
            answer.tag.write(out);
            put_bytes(out, answer.text.as_bytes());
        }
        self.answers.answered.write(out);
        self.answers.lost.write(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let place = self.questions.place;
        *self = Self::of_world(place);
        self.questions.asked = from.u64()?;
        for _ in 0..from.len(32)? {
            let number = from.u64()?;
            let (asker, tag) = (AgentId::read(from)?, from.u64()?);
            let text = from.text()?.to_owned();
            if number & 0xFF != u64::from(place) || number >> 8 >= self.questions.asked {
                return Err(Damaged::new(format!("question {number} was never asked")));
            }
            self.questions.open.insert(
                number,
                Open {
                    from: asker,
                    tag,
                    text,
                },
            );
        }
        for _ in 0..from.len(24)? {
            let (asker, tag) = (AgentId::read(from)?, from.u64()?);
            let text = from.text()?.to_owned();
            self.answers.given.push((asker, Answer { tag, text }));
        }
        self.answers.answered = from.u64()?;
        self.answers.lost = from.u64()?;
        Ok(())
    }
}
