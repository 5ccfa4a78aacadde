//! How VCs are laid down in pods, and risen from them.

use std::sync::Arc;

use bytes::Bytes;
use genesis::id::{Digest, VcId};
use genesis::image::{Code as PartCode, Image};
use genesis::limits::MAILBOX_LEN_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use genesis::wire;
use tokio::sync::oneshot;

use super::Worker;
use super::births::Manner;
use crate::beds::{BED_VERSION, Bed};
use crate::cell::{Part, Seat};
use crate::events::EventKind;
use crate::letter::Letter;
use crate::life::Life;
use crate::modules::check_part;
use crate::runtime::from_store;
use crate::shared::Shared;
use crate::store::{Op, Table};

/// The kind of mark that a bed's row has.
pub(crate) const BED_MARK: u8 = b'b';

/// An image without the modules that travelled in it, and these.
pub(crate) type Unpacked = (Image, Vec<(Digest, Bytes)>);

/// Who waits until a VC has risen; a bound, so what is too much is refused.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "letters travel in their boxes")]
pub(crate) struct Rising {
    letters: Vec<Box<Letter>>,
    askers: Vec<oneshot::Sender<Result<(), Refusal>>>,
}

impl Worker {
    /// Lays a VC down in a pod that has its image: here nothing is left of it but its bed and its name.
    pub(crate) fn lay_down(
        &mut self,
        id: VcId,
        digest: Digest,
        place: String,
        at: Time,
    ) -> Result<(), Refusal> {
        let slot = self.find_or_wake(id)?;
        let cell = &self.cells[slot as usize];
        let conflict = |what: String| Err(Refusal::new(Code::Conflict, what).who(id));
        if cell.life == Life::Stopped {
            return Err(super::sleep::stopped(id, "put to sleep"));
        }
        if matches!(cell.seat, Seat::Owner) || cell.flags.nested {
            return conflict("the owner, and a VC in a body, do not sleep in a pod".to_owned());
        }
        let more = cell.more.as_deref();
        let held = more.is_some_and(|more| more.held > 0);
        if !cell.mail.is_empty() || held || matches!(cell.seat, Seat::Away(_)) {
            let what = format!("{id} has {} messages to handle first", cell.mail.len());
            return Err(Refusal::new(Code::Busy, what).who(id));
        }
        if !cell.flags.durable {
            return conflict(format!("{id} is volatile: a bed would outlive it"));
        }
        if let Some(more) = more {
            let waits = [
                (more.timers.len(), "timers are set, which would not ring"),
                (more.asks.len(), "answers are outstanding"),
                (more.watchers.len(), "others are to be told of its end"),
            ];
            if let Some((n, what)) = waits.into_iter().find(|(n, _)| *n > 0) {
                return Err(Refusal::new(
                    Code::Conflict,
                    format!("{id} cannot sleep in a pod: {what} ({n})"),
                )
                .who(id)
                .hint("`medium sleep` puts it to sleep in the node's own store"));
            }
        }
        let image = self.whole_image(slot, 0)?;
        let bed = Bed::of(&image, place, at)?;
        if bed.image != digest {
            let what = format!("{id} has changed since its image was taken");
            return Err(Refusal::new(Code::Busy, what)
                .who(id)
                .hint("persist it again"));
        }
        let row = wire::encode(BED_VERSION, &bed)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        self.forget_all(slot);
        self.slice.ops.push(Op::Put {
            table: Table::Marks,
            key: bed_key(id),
            value: row,
        });
        self.shared.beds.insert(id, bed);
        self.tally.slept += 1;
        self.event(EventKind::Dormant, id, "in a pod");
        Ok(())
    }

    /// Forgets where a VC sleeps, and its name: what is in the pod stays there.
    pub(crate) fn forget_bed(&mut self, id: VcId) -> Result<Life, Refusal> {
        if self.rising.contains_key(&id) {
            let what = format!("{id} is being fetched from its pod");
            return Err(Refusal::new(Code::Busy, what).who(id).hint("try again"));
        }
        let Some((_, bed)) = self.shared.beds.remove(&id) else {
            return Err(Refusal::new(Code::Unknown, format!("there is no {id}")).who(id));
        };
        self.slice.ops.push(Op::Delete {
            table: Table::Marks,
            key: bed_key(id),
        });
        if let Some(name) = bed.name {
            self.free_name(id, name);
        }
        self.event(EventKind::Removed, id, "from a pod");
        Ok(Life::Removed)
    }

    /// Forgets a VC and those in its body, all but the name.
    fn forget_all(&mut self, slot: u32) {
        let cell = &self.cells[slot as usize];
        let id = cell.id;
        let parts = cell.more.as_deref().map(|more| more.parts.as_slice());
        let inner: Vec<VcId> = parts
            .unwrap_or_default()
            .iter()
            .filter_map(Part::computer)
            .collect();
        for inner in inner {
            if let Ok(slot) = self.find_or_wake(inner) {
                self.forget_all(slot);
            }
        }
        self.gone_from_outside(id);
        self.forget(id, slot);
    }

    /// Keeps a letter for a VC in a pod until the VC has risen, and has it fetched.
    pub(super) fn wait_for_rising(&mut self, mut letter: Box<Letter>) {
        let id = letter.to;
        let waiting = self
            .rising
            .get(&id)
            .map_or(0, |rising| rising.letters.len());
        if waiting >= MAILBOX_LEN_MAX as usize {
            let what = format!("{waiting} messages wait already until {id} has been fetched");
            return self.bounce(&letter, Refusal::new(Code::Busy, what).who(id));
        }
        if !letter.logged {
            letter.logged = true;
            self.slice.accept(&letter);
            self.slice.counts.accepted += 1;
        }
        self.fetch(id).letters.push(letter);
    }

    /// Has a VC fetched, for one who waits.
    pub(crate) fn rise(&mut self, id: VcId, asker: oneshot::Sender<Result<(), Refusal>>) {
        if self.find(id).is_some() || !self.shared.beds.contains_key(&id) {
            let _ = asker.send(Ok(())); // It is up, or there is none: the caller looks again.
            return;
        }
        self.fetch(id).askers.push(asker);
    }

    /// Those who wait for a VC; it is being fetched.
    fn fetch(&mut self, id: VcId) -> &mut Rising {
        if !self.rising.contains_key(&id) {
            self.away += 1;
            let shared = Arc::clone(&self.shared);
            self.shared.tokio.spawn_blocking(move || {
                let fetched = fetched(&shared, id);
                shared
                    .at(id)
                    .control(Box::new(move |worker| worker.risen(id, fetched)));
            });
        }
        self.rising.entry(id).or_default()
    }

    /// A VC was fetched, or not: it goes on here, and those who waited with it.
    fn risen(&mut self, id: VcId, fetched: Result<Unpacked, Refusal>) {
        self.away = self.away.saturating_sub(1);
        let Rising { letters, askers } = self.rising.remove(&id).unwrap_or_default();
        let risen = fetched.and_then(|(image, modules)| {
            let manner = Manner {
                durable: true,
                born: true,
                ..Manner::default()
            };
            self.keep_modules(modules);
            self.thaw(image, manner)
        });
        if risen.is_ok() {
            self.shared.beds.remove(&id);
            self.slice.ops.push(Op::Delete {
                table: Table::Marks,
                key: bed_key(id),
            });
            self.tally.woken += 1;
            self.event(EventKind::Awake, id, "from a pod");
        }
        for letter in letters {
            match &risen {
                Ok(_) => self.deliver(letter),
                Err(why) => self.bounce(&letter, why.clone()),
            }
        }
        for asker in askers {
            let outcome = risen.as_ref().map(drop).map_err(Clone::clone);
            self.after_slice(move |_| {
                let _ = asker.send(outcome);
            });
        }
    }

    /// Keeps modules that came with an image, in the commit of what is made of it.
    pub(crate) fn keep_modules(&mut self, modules: Vec<(Digest, Bytes)>) {
        if self.shared.log.is_none() {
            return;
        }
        for (digest, module) in modules {
            self.slice.ops.push(Op::Put {
                table: Table::Contents,
                key: digest.0.to_vec(),
                value: module.to_vec(),
            });
        }
    }
}

/// What a bed's row is called.
pub(crate) fn bed_key(id: VcId) -> Vec<u8> {
    [&[BED_MARK], id.as_bytes().as_slice()].concat()
}

/// Fetches a VC and checks that it is the one that was laid down.
fn fetched(shared: &Shared, id: VcId) -> Result<Unpacked, Refusal> {
    let bed = shared.beds.get(&id).map(|bed| bed.clone());
    let bed =
        bed.ok_or_else(|| Refusal::new(Code::Unknown, format!("there is no {id}")).who(id))?;
    let dormitory = shared.dormitory.as_ref().ok_or_else(|| {
        Refusal::new(
            Code::Untestable,
            format!("{id} sleeps in a pod, and this node reads none"),
        )
    })?;
    let image = dormitory.fetch(&bed.place)?;
    let digest = image.digest().ok();
    if image.id != id || digest != Some(bed.image) {
        let what = format!(
            "the pod of {id} has the image {} of {}, not {}",
            digest.unwrap_or(Digest::ZERO),
            image.id,
            bed.image
        );
        return Err(Refusal::new(Code::Corrupt, what).who(id));
    }
    unpack(shared, image)
}

/// Takes the modules out of an image, and out of those in it, and makes them ready. Slow where one is new.
pub(crate) fn unpack(shared: &Shared, mut image: Image) -> Result<Unpacked, Refusal> {
    let mut modules = Vec::new();
    unpack_into(shared, &mut image, &mut modules)?;
    Ok((image, modules))
}

/// Whether the store has a module, so that it need not be written again.
fn is_stored(shared: &Shared, module: Digest) -> Result<bool, Refusal> {
    let Some(log) = &shared.log else {
        return Ok(false);
    };
    let stored = log.store().get(Table::Contents, &module.0);
    Ok(stored.map_err(from_store)?.is_some())
}

fn unpack_into(
    shared: &Shared,
    image: &mut Image,
    modules: &mut Vec<(Digest, Bytes)>,
) -> Result<(), Refusal> {
    for part in &mut image.parts {
        match (&part.code, part.enclosed.take()) {
            (PartCode::WebAssembly { module, .. }, Some(bytes)) => {
                let facts = shared.modules.bring(bytes.clone())?;
                check_part(part, &facts, *module)?;
                if !is_stored(shared, facts.digest)? {
                    modules.push((facts.digest, bytes));
                }
            }
            (PartCode::WebAssembly { module, .. }, None) => {
                // Here, or nowhere that we know of.
                let facts = shared.modules.facts(*module)?;
                check_part(part, &facts, *module)?;
            }
            (_, Some(bytes)) => {
                let mut inner = Image::from_trusted_bytes(&bytes)
                    .map_err(|error| Refusal::new(Code::Malformed, error.to_string()))?;
                unpack_into(shared, &mut inner, modules)?;
                let bytes = inner
                    .to_bytes()
                    .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
                part.enclosed = Some(bytes.into());
            }
            (_, None) => {}
        }
    }
    Ok(())
}
