//! What caused what: trees of messages, put together from the journals of those who handled them.
//!
//! A message is found at its reader by its reference (sender and sequence), and its parent by its cause at
//! whoever sent it. What no journal has is said to be not recorded; nothing is made up.

use std::collections::{BTreeSet, HashMap, HashSet};

use genesis::id::VcId;
use genesis::limits::TRACE_NODES_MAX;
use genesis::message::{Kind, MessageRef};
use genesis::refusal::Refusal;

use crate::behaviour::Fault;
use crate::journal::{Recorded, Turn};
use crate::letter::Letter;
use crate::outside::OUTSIDE;
use crate::replay::reshapes;
use crate::view::{Caused, End, Party};

/// Deepest tree that is followed, and longest way up to a root.
const DEPTH_MAX: usize = 128;
/// Characters of a message's text that are shown.
const SAYS_CHARS_MAX: usize = 80;

/// A turn: whose, and which of those that its journal has.
pub(crate) type Place = (VcId, usize);

/// What one VC tells of messages.
#[derive(Debug, Default)]
pub(crate) struct Page {
    name: Option<String>,
    turns: Vec<Turn>,
    by_reference: HashMap<MessageRef, usize>,
    /// Turns by the cause of what they handled: how answers and bounces are found at whom they came back to,
    /// whoever they came from.
    by_cause: HashMap<MessageRef, Vec<usize>>,
    /// What was sent because of a message that an earlier turn handled: which turn sent it, and as its which.
    because: HashMap<MessageRef, Vec<(usize, usize)>>,
    waiting: HashSet<MessageRef>,
}

impl Page {
    pub(crate) fn new(name: Option<String>, recorded: &Recorded, waiting: &[MessageRef]) -> Self {
        let mut page = Self {
            name,
            turns: recorded.turns().cloned().collect(),
            waiting: waiting.iter().copied().collect(),
            ..Self::default()
        };
        for (at, turn) in page.turns.iter().enumerate() {
            let letter = &turn.letter;
            if letter.cause.sequence != 0 {
                page.by_cause.entry(letter.cause).or_default().push(at);
            }
            for (n, sent) in turn.sent.iter().enumerate() {
                if let Some(cause) = sent.cause {
                    page.because.entry(cause).or_default().push((at, n));
                }
            }
            if letter.from != VcId::NOBODY {
                page.by_reference.insert(letter.reference(), at);
            }
        }
        page
    }

    pub(crate) fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The turn that sent a message.
    fn sender_of(&self, sequence: u64) -> Option<usize> {
        self.turns.iter().position(|turn| {
            let sent = turn.sent.len() as u64;
            turn.first_sent <= sequence && sequence < turn.first_sent.saturating_add(sent)
        })
    }
}

/// The pages that are open; those that are looked for and not here are noted.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) pages: HashMap<VcId, Page>,
    /// Whose pages were looked for in vain.
    pub(crate) missing: BTreeSet<VcId>,
    owner: VcId,
    left: usize,
}

impl Book {
    pub(crate) fn new(owner: VcId) -> Self {
        Self {
            pages: HashMap::new(),
            missing: BTreeSet::new(),
            owner,
            left: TRACE_NODES_MAX,
        }
    }

    /// Begins to read again, with what was missing.
    pub(crate) fn begin(&mut self) {
        self.left = TRACE_NODES_MAX;
        self.missing.clear();
    }

    fn page(&mut self, id: VcId) -> Option<&Page> {
        if id == VcId::NOBODY || id == OUTSIDE || id == self.owner {
            return None;
        }
        if !self.pages.contains_key(&id) {
            self.missing.insert(id);
        }
        self.pages.get(&id)
    }

    /// The turn of a VC that handled a message.
    pub(crate) fn find(&mut self, to: VcId, reference: MessageRef) -> Option<Place> {
        let at = *self.page(to)?.by_reference.get(&reference)?;
        Some((to, at))
    }

    fn turn(&self, (id, at): Place) -> Option<&Turn> {
        self.pages.get(&id)?.turns.get(at)
    }

    /// The first turn that led to this one, as far as it is recorded.
    pub(crate) fn root(&mut self, mut place: Place) -> Place {
        for _ in 0..DEPTH_MAX {
            match self.parent(place) {
                Some(parent) if parent != place => place = parent,
                _ => break,
            }
        }
        place
    }

    fn parent(&mut self, place: Place) -> Option<Place> {
        let letter = &self.turn(place)?.letter;
        let (cause, from, kind) = (letter.cause, letter.from, letter.kind);
        if cause.sequence == 0 {
            return None;
        }
        // What bounced was handled by whom it was for, if by anybody.
        let asker = letter.extra.as_ref().and_then(|extra| extra.asker);
        let by_the_medium = kind == Kind::Bounce && from == VcId::NOBODY;
        let handler = if by_the_medium { asker } else { Some(from) };
        let handled = handler.and_then(|handler| self.find(handler, cause));
        // Where that is not recorded, whoever sent it is next.
        handled.or_else(|| {
            let at = self.page(cause.sender)?.sender_of(cause.sequence)?;
            Some((cause.sender, at))
        })
    }

    fn party(&mut self, id: VcId) -> Party {
        let name = match id {
            VcId::NOBODY => Some("the medium".to_owned()),
            OUTSIDE => Some("outside".to_owned()),
            id if id == self.owner => Some("owner".to_owned()),
            id => self.page(id).and_then(|page| page.name.clone()),
        };
        Party { id, name }
    }

    /// A turn and all that it caused.
    pub(crate) fn tree(&mut self, place: Place) -> Option<Caused> {
        self.branch(place, 0)
    }

    fn branch(&mut self, place: Place, depth: usize) -> Option<Caused> {
        let turn = self.turn(place)?.clone();
        let letter = &turn.letter;
        let mut caused = Caused {
            turn: Some(turn.number).filter(|&number| number > 0),
            at: Some(turn.at),
            fuel: turn.outcome.as_ref().map(|_| turn.fuel),
            ..self.of(letter)
        };
        caused.end = match &turn.outcome {
            Some(Err(failed)) if reshapes(letter.kind) => End::Bounced(refusal(&failed.fault())),
            Some(Err(failed)) => End::Fault(refusal(&failed.fault())),
            Some(Ok(())) | None => End::Consumed,
        };
        let (id, at) = place;
        let own = (0..turn.sent.len()).filter(|&n| turn.sent[n].cause.is_none());
        let own = own.map(|n| (at, n));
        let later = self
            .page(id)
            .and_then(|page| page.because.get(&letter.reference()));
        let sent: Vec<(usize, usize)> = own.chain(later.into_iter().flatten().copied()).collect();
        for (shown, &(at, n)) in sent.iter().enumerate() {
            if self.left == 0 || depth >= DEPTH_MAX {
                caused.more = (sent.len() - shown) as u64;
                return Some(caused);
            }
            self.left -= 1;
            let child = self.sent((id, at), n, depth + 1);
            caused.caused.extend(child);
        }
        if matches!(turn.outcome, Some(Err(_))) {
            for place in self.back_from(letter.reference()) {
                caused.caused.extend(self.branch(place, depth + 1));
            }
        }
        Some(caused)
    }

    /// The turns in which the sender of a message handled what came back of it.
    fn back_from(&mut self, message: MessageRef) -> Vec<Place> {
        let page = self.page(message.sender);
        let back = page.and_then(|page| page.by_cause.get(&message));
        let place = |&at: &usize| (message.sender, at);
        back.map_or_else(Vec::new, |back| back.iter().map(place).collect())
    }

    /// The nth message that a turn sent.
    fn sent(&mut self, place: Place, n: usize, depth: usize) -> Option<Caused> {
        let by = place.0;
        let turn = self.turn(place)?;
        let sent = *turn.sent.get(n)?;
        let reference = MessageRef {
            sender: by,
            sequence: turn.first_sent + n as u64,
        };
        if let Some(place) = self.find(sent.to, reference) {
            return self.branch(place, depth);
        }
        let mut caused = Caused {
            message: None,
            from: self.party(by),
            to: self.party(sent.to),
            kind: sent.kind.name().to_owned(),
            channel: sent.channel,
            bytes: sent.bytes,
            says: None,
            at: None,
            turn: None,
            fuel: None,
            end: End::NotRecorded,
            caused: Vec::new(),
            more: 0,
        };
        let waits = |page: &Page| page.waiting.contains(&reference);
        if sent.to == self.owner || sent.to == OUTSIDE {
            caused.end = End::HandedOver;
        } else if self.page(sent.to).is_some_and(waits) {
            caused.end = End::Queued;
        }
        for place in self.back_from(reference) {
            if let Some(why) = self.turn(place).and_then(|turn| turn.letter.refusal()) {
                caused.end = End::Bounced(why);
            }
            caused.caused.extend(self.branch(place, depth + 1));
        }
        Some(caused)
    }

    /// A message that nothing but itself is known of yet.
    pub(crate) fn of(&mut self, letter: &Letter) -> Caused {
        let id = letter.to_message().and_then(|message| message.id()).ok();
        let says = letter.contents.as_text().map(|text| {
            let mut says: String = text.chars().take(SAYS_CHARS_MAX).collect();
            if says.len() < text.len() {
                says.push('…');
            }
            says
        });
        Caused {
            message: id,
            from: self.party(letter.from),
            to: self.party(letter.to),
            kind: letter.kind.name().to_owned(),
            channel: letter.channel,
            bytes: letter.contents.total(),
            says,
            at: None,
            turn: None,
            fuel: None,
            end: End::NotRecorded,
            caused: Vec::new(),
            more: 0,
        }
    }
}

fn refusal(fault: &Fault) -> Refusal {
    Refusal::from(fault.clone())
}
