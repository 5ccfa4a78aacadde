//! Messages between rows: typed, bounded, packed by receiver once a phase.

use std::fmt;

use crate::agent::Agent;
use crate::bytes::{Damaged, Reader};
use crate::field::Field;
use crate::ids::AgentId;
use crate::store::Hosting;
use crate::turn::Turn;

/// What happens to a message when its receiver has as many as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The run ends with an error: nothing is lost unseen.
    #[default]
    Fail,
    /// It is dropped and counted.
    Drop,
    /// It waits for the next delivery, before those sent later; counted while it waits.
    Park,
}

/// What a run says of the messages of a channel, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Sent.
    pub sent: u64,
    /// Handed to their receivers.
    pub delivered: u64,
    /// Dropped because the receiver had as many as it may.
    pub dropped: u64,
    /// Not delivered because the receiver is dead or elsewhere.
    pub lost: u64,
    /// Waiting now.
    pub parked: u64,
}

/// A message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Received<M> {
    /// Who sent it.
    pub from: AgentId,
    /// What it says.
    pub message: M,
}

#[derive(Clone, Copy, Debug)]
struct Sent<M> {
    to: AgentId,
    from: AgentId,
    message: M,
}

/// Where the turns of some rows put their messages.
#[derive(Debug)]
pub struct Out<M> {
    sent: Vec<Sent<M>>,
}

impl<M> Default for Out<M> {
    fn default() -> Self {
        Self { sent: Vec::new() }
    }
}

impl<M> Out<M> {
    /// Sends a message: it is read in a later phase, once the channel delivers.
    #[inline]
    pub fn send<A: Agent>(&mut self, vc: &Turn<'_, A>, to: AgentId, message: M) {
        self.sent.push(Sent {
            to,
            from: vc.id(),
            message,
        });
    }
}

/// Where a phase sends to: nowhere, one channel, or several.
pub trait Outlets {
    /// What the turns of some rows write to.
    type Out: Default + Send;
    /// Takes what was written, piece by piece in the order of the rows.
    fn take(&mut self, out: Self::Out);
}

impl Outlets for () {
    type Out = ();

    fn take(&mut self, (): ()) {}
}

impl<M: Field> Outlets for &mut Channel<M> {
    type Out = Out<M>;

    fn take(&mut self, out: Out<M>) {
        self.counts.sent += out.sent.len() as u64;
        if self.out.is_empty() {
            self.out = out.sent;
        } else {
            self.out.extend(out.sent);
        }
    }
}

impl<A: Outlets, B: Outlets> Outlets for (A, B) {
    type Out = (A::Out, B::Out);

    fn take(&mut self, (a, b): Self::Out) {
        self.0.take(a);
        self.1.take(b);
    }
}

/// Those who are woken by messages: cohorts.
pub trait Wakes {
    /// Ends somebody's sleep; the slot, or none if nobody has this address here.
    fn wake(&mut self, id: AgentId) -> Option<usize>;
    /// Makes [`Self::slot`] right.
    fn settle(&mut self);
    /// Where somebody is.
    fn slot(&self, id: AgentId) -> Option<usize>;
    /// How many slots there are.
    fn slots(&self) -> usize;
    /// Whether anybody sleeps.
    fn sleeping(&self) -> bool;
    /// How often rows have changed places.
    fn ordered(&self) -> u64;
}

/// Messages of one type to the rows of one cohort.
///
/// A phase sends, `deliver` packs what was sent by receiver, a later phase reads. Messages to one receiver are in the
/// order of the senders' rows, and those of one sender in the order in which they were sent.
#[derive(Debug)]
pub struct Channel<M> {
    out: Vec<Sent<M>>,
    inbox: Inbox<M>,
    /// What `ordered` of the receivers was at the delivery.
    ordered: u64,
    capacity: u32,
    overflow: Overflow,
    counts: MailCounts,
    /// Room for the slots of what is delivered.
    slots: Vec<u32>,
}

#[derive(Debug)]
enum Inbox<M> {
    Packed {
        /// Where the messages of each slot begin.
        starts: Vec<u32>,
        mail: Vec<Received<M>>,
    },
    Alone(Vec<Vec<Received<M>>>),
}

/// More than a receiver may have at once: the run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{to} was sent more than the {capacity} messages that it may have at once")]
pub struct MailboxFull {
    to: AgentId,
    capacity: u32,
}

/// What `ordered` is while there is nothing to be read.
const NOT_DELIVERED: u64 = u64::MAX;

/// How many messages a receiver may have at once, unless the model says otherwise.
pub const CAPACITY: u32 = 1_024;

impl<M: Field> Default for Channel<M> {
    fn default() -> Self {
        Self::of_world(Hosting::Cohorts)
    }
}

impl<M: Field> Channel<M> {
    pub(crate) fn of_world(hosting: Hosting) -> Self {
        Self {
            out: Vec::new(),
            inbox: match hosting {
                Hosting::Cohorts => Inbox::Packed {
                    starts: Vec::new(),
                    mail: Vec::new(),
                },
                Hosting::Alone => Inbox::Alone(Vec::new()),
            },
            ordered: NOT_DELIVERED,
            capacity: CAPACITY,
            overflow: Overflow::Fail,
            counts: MailCounts::default(),
            slots: Vec::new(),
        }
    }

    /// How many messages a receiver may have at once, and what happens to one more.
    pub fn bound(&mut self, capacity: u32, overflow: Overflow) {
        self.capacity = capacity;
        self.overflow = overflow;
    }

    /// What became of its messages so far.
    pub const fn counts(&self) -> MailCounts {
        self.counts
    }

    /// A message of the world itself, from nobody.
    pub fn post(&mut self, to: AgentId, message: M) {
        self.counts.sent += 1;
        self.out.push(Sent {
            to,
            from: AgentId::NOBODY,
            message,
        });
    }

    /// Packs what was sent by receiver; who gets a message is awake. What was delivered before is gone, and what is not read
    /// in the same tick too.
    ///
    /// # Panics
    /// With [`MailboxFull`] if a receiver has too many and [`Overflow::Fail`] was declared; a run says it as an error.
    pub fn deliver(&mut self, to: &mut impl Wakes) {
        to.settle();
        let sleeping = to.sleeping();
        self.ordered = to.ordered();
        let sent = std::mem::take(&mut self.out);
        self.counts.parked = 0;
        match &mut self.inbox {
            Inbox::Packed { starts, .. } => {
                starts.clear();
                starts.resize(to.slots() + 2, 0);
                self.slots.clear();
                self.slots.reserve(sent.len());
                let mut over = false;
                for letter in &sent {
                    let slot = if sleeping {
                        to.wake(letter.to)
                    } else {
                        to.slot(letter.to)
                    };
                    #[expect(clippy::cast_possible_truncation, reason = "slots have 32 bits")]
                    self.slots.push(slot.map_or(u32::MAX, |slot| {
                        let count = &mut starts[slot + 2];
                        *count += 1;
                        over |= *count > self.capacity;
                        slot as u32
                    }));
                }
                if over {
                    let parked =
                        self.bounded(sent, |slot| usize::try_from(slot).unwrap_or(usize::MAX));
                    return self.pack(parked);
                }
                self.pack(sent);
            }
            Inbox::Alone(boxes) => {
                boxes.iter_mut().for_each(Vec::clear);
                boxes.resize_with(to.slots(), Vec::new);
                for letter in sent {
                    let Some(slot) = to.wake(letter.to) else {
                        self.counts.lost += 1;
                        continue;
                    };
                    if boxes[slot].len() < self.capacity as usize {
                        self.counts.delivered += 1;
                        boxes[slot].push(Received {
                            from: letter.from,
                            message: letter.message,
                        });
                        continue;
                    }
                    match self.overflow {
                        Overflow::Fail => full(letter.to, self.capacity),
                        Overflow::Drop => self.counts.dropped += 1,
                        Overflow::Park => {
                            self.counts.parked += 1;
                            self.out.push(letter);
                        }
                    }
                }
            }
        }
    }

    /// A tick begins: what was delivered in the one before can be read no more, as after a checkpoint.
    pub(crate) fn begin(&mut self) {
        self.ordered = NOT_DELIVERED;
    }

    /// What of it fits, with the slots and counts of that alone.
    fn bounded(&mut self, sent: Vec<Sent<M>>, at: impl Fn(u32) -> usize) -> Vec<Sent<M>> {
        let Inbox::Packed { starts, .. } = &mut self.inbox else {
            return sent;
        };
        starts.fill(0);
        let mut kept = Vec::with_capacity(sent.len());
        let mut slots = Vec::with_capacity(sent.len());
        for (letter, &slot) in sent.into_iter().zip(&self.slots) {
            if let Some(count) = starts.get_mut(at(slot).saturating_add(2)) {
                if *count >= self.capacity {
                    match self.overflow {
                        Overflow::Fail => full(letter.to, self.capacity),
                        Overflow::Drop => self.counts.dropped += 1,
                        Overflow::Park => {
                            self.counts.parked += 1;
                            self.out.push(letter);
                        }
                    }
                    continue;
                }
                *count += 1;
            }
            kept.push(letter);
            slots.push(slot);
        }
        self.slots = slots;
        kept
    }

    /// Counting sort by slot: stable, so the order of sending stays within each receiver.
    fn pack(&mut self, sent: Vec<Sent<M>>) {
        let Inbox::Packed { starts, mail } = &mut self.inbox else {
            return;
        };
        let mut sum = 0_u32;
        for start in starts.iter_mut() {
            sum += *start;
            *start = sum;
        }
        let nothing = Received {
            from: AgentId::NOBODY,
            message: M::default(),
        };
        mail.clear();
        mail.resize(sum as usize, nothing);
        for (letter, &slot) in sent.iter().zip(&self.slots) {
            let Some(next) = starts.get_mut((slot as usize).saturating_add(1)) else {
                continue;
            };
            mail[*next as usize] = Received {
                from: letter.from,
                message: letter.message,
            };
            *next += 1;
        }
        starts.pop();
        self.counts.delivered += u64::from(sum);
        self.counts.lost += sent.len() as u64 - u64::from(sum);
        if self.out.is_empty() {
            // Its room serves the next tick.
            self.out = sent;
            self.out.clear();
        }
    }

    /// The messages delivered to whose turn it is.
    ///
    /// # Panics
    /// If the receivers' rows were put in another order since the delivery.
    #[inline]
    pub fn of<A: Agent>(&self, vc: &Turn<'_, A>) -> &[Received<M>] {
        if self.ordered == NOT_DELIVERED {
            return &[];
        }
        assert!(
            self.ordered == vc.ordered(),
            "mail is read after the rows of its receivers were put in another order: deliver it after that"
        );
        let slot = vc.slot();
        match &self.inbox {
            Inbox::Packed { starts, mail } => match starts.get(slot..=slot.wrapping_add(1)) {
                Some(&[from, to]) => &mail[from as usize..to as usize],
                // Born after the delivery.
                _ => &[],
            },
            Inbox::Alone(boxes) => boxes.get(slot).map_or(&[], Vec::as_slice),
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        // What was delivered was read in the tick that has ended; what was sent and not delivered is the next tick's.
        out.extend_from_slice(&(self.out.len() as u64).to_le_bytes());
        for letter in &self.out {
            letter.to.write(out);
            letter.from.write(out);
            letter.message.write(out);
        }
        let MailCounts {
            sent,
            delivered,
            dropped,
            lost,
            parked,
        } = self.counts;
        for count in [sent, delivered, dropped, lost, parked] {
            count.write(out);
        }
        self.capacity.write(out);
        out.push(self.overflow as u8);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.out.clear();
        for _ in 0..from.len(16)? {
            self.out.push(Sent {
                to: AgentId::read(from)?,
                from: AgentId::read(from)?,
                message: M::read(from)?,
            });
        }
        for count in [
            &mut self.counts.sent,
            &mut self.counts.delivered,
            &mut self.counts.dropped,
            &mut self.counts.lost,
            &mut self.counts.parked,
        ] {
            *count = from.u64()?;
        }
        self.capacity = u32::read(from)?;
        self.overflow = match from.array()? {
            [0] => Overflow::Fail,
            [1] => Overflow::Drop,
            [2] => Overflow::Park,
            [other] => return Err(Damaged::new(format!("overflow {other}"))),
        };
        self.begin();
        Ok(())
    }
}

/// Ends the run; [`crate::run`] makes an error of it.
fn full(to: AgentId, capacity: u32) -> ! {
    std::panic::panic_any(MailboxFull { to, capacity })
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Drop => "drop",
            Self::Park => "park",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::Cohort;
    use crate::crew::Crew;
    use crate::tick::Tick;

    crate::agent! {
        /// Somebody who notes what it is told.
        struct Listener { heard: u64 }
    }

    /// A cohort once removed its dead when a phase began. If that was between delivery and reading, rows had other slots than
    /// their mail, and read that of others.
    #[test]
    fn mail_finds_its_receiver_when_others_have_died() {
        for hosting in [Hosting::Cohorts, Hosting::Alone] {
            let crew = Crew::alone();
            let mut t = Tick::new(1, 1, &crew);
            let mut rows = Cohort::<Listener>::of_world(0, hosting);
            let mut mail = Channel::<u64>::of_world(hosting);
            rows.spawn(&mut t, 4, |_| Listener { heard: 0 });
            let ids: Vec<_> = rows.ids().collect();
            for (number, &id) in (10..).zip(&ids) {
                mail.post(id, number);
            }
            rows.remove(ids[0]);
            rows.remove(ids[2]);
            mail.deliver(&mut rows);
            rows.each(&mut t, |row, vc| {
                row.heard = mail.of(vc).iter().map(|mail| mail.message).sum();
            });
            let heard: Vec<_> = rows.iter().map(|row| row.heard).collect();
            assert_eq!(heard, [11, 13], "{hosting:?}");
            assert_eq!(mail.counts().lost, 2);
            rows.begin(2);
            assert_eq!(rows.ids().collect::<Vec<_>>(), [ids[1], ids[3]]);
        }
    }
}
