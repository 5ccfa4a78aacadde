//! How VCs are born into a runtime from outside: births, thaws, forks, many at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use genesis::id::VcId;
use genesis::image::{Code, Image};
use genesis::limits::NAME_BYTES_MAX;
use genesis::refusal::{Code as Why, Refusal};

use genesis::message::Kind;

use super::Runtime;
use super::reshaping::contents_of;
use crate::birth::Birth;
use crate::handle::Entry;
use crate::shared::Shared;
use crate::view::Outgoing;
use crate::worker::Worker;
use crate::worker::beds::unpack;
use crate::worker::births::Manner;
use crate::worker::images::{fork_of, images_of};
use crate::worker::strong::OWNERSHIP;

/// How long a VC that is given away may take to be woken, in milliseconds.
const GIVE_MS: u64 = 10_000;
/// How many hosts above one another are looked at.
const HOSTS_MAX: usize = 1_024;

impl Runtime {
    /// An id, a name, or `name/occurrence/…` for a VC in a body.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` or `malformed`.
    pub async fn resolve(&self, text: &str) -> Result<VcId, Refusal> {
        let mut steps = text.split('/');
        let head = steps.next().unwrap_or_default();
        let mut id = if head.starts_with("vc:") {
            head.parse().map_err(|error: genesis::id::AddressError| {
                Refusal::new(Why::Malformed, error.to_string()).who(text)
            })?
        } else {
            let id = self.shared.names.get(head).map(|entry| *entry.value());
            id.ok_or_else(|| {
                let shown: String = head.chars().take(NAME_BYTES_MAX).collect();
                Refusal::new(Why::Unknown, format!("no VC is called `{shown}`"))
                    .who(shown)
                    .hint("`medium ps --all` lists them")
            })?
        };
        for step in steps {
            let step = step.to_owned();
            id = self.on(id, move |worker| worker.inner(id, &step)).await??;
        }
        Ok(id)
    }

    /// Gives birth to a VC; once this returns, a durable one is on disk.
    ///
    /// # Errors
    /// [`Refusal`]: a taken name, a part the node does not know, a bound, or the store.
    pub async fn spawn(&self, birth: Birth) -> Result<VcId, Refusal> {
        let id = VcId::root(&self.node_key, self.births.fetch_add(1, Ordering::Relaxed));
        self.check_health(birth.durable)?;
        let name = self.claim(birth.name.as_deref(), id)?;
        let owner = self.shared.owner;
        let born = self
            .settled_on(id, move |worker| worker.birth(id, owner, false, birth))
            .await;
        self.release_on_error(name, id, born)
    }

    /// Lets a frozen VC go on here under its own id or, if `fresh`, a fork of it.
    ///
    /// # Errors
    /// [`Refusal`] `conflict` if it lives here already; else as [`Runtime::spawn`].
    pub async fn thaw(
        &self,
        image: Image,
        name: Option<String>,
        durable: bool,
        fresh: bool,
    ) -> Result<VcId, Refusal> {
        self.check_health(durable)?;
        let shared = Arc::clone(&self.shared);
        let unpacked = tokio::task::spawn_blocking(move || unpack(&shared, image)).await;
        let (mut image, modules) =
            unpacked.map_err(|error| Refusal::new(Why::Internal, error.to_string()))??;
        if fresh {
            let id = VcId::root(&self.node_key, self.births.fetch_add(1, Ordering::Relaxed));
            let name = name.or_else(|| image.name.clone());
            fork_of(&mut image, id, name);
            image.host = self.shared.owner;
        } else {
            image.name = name.or(image.name);
            if let Some(bed) = self.bed(image.id) {
                let what = format!("{} sleeps in the pod {}", image.id, bed.place);
                return Err(Refusal::new(Why::Conflict, what)
                    .who(image.id)
                    .hint("`medium wake` or a message wakes it; or spawn a fork of it"));
            }
            if self.stored(image.id)? {
                return Err(Refusal::new(
                    Why::Conflict,
                    format!("{} lives here already", image.id),
                )
                .who(image.id)
                .hint("spawn a fork of it, or remove it first"));
            }
            image.host = self.shared.owner;
            image.nested = false;
        }
        let id = image.id;
        let name = self.claim(image.name.as_deref(), id)?;
        let manner = Manner {
            durable,
            born: true,
            ..Manner::default()
        };
        let thawed = self
            .settled_on(id, move |worker| {
                worker.keep_modules(modules);
                worker.thaw(image, manner).map(|_| id)
            })
            .await;
        self.release_on_error(name, id, thawed)
    }

    /// The image of a VC as it is when it is born, under an id that is its own already: of what becomes a VC and was
    /// something else before. Nothing is born yet; [`Runtime::thaw`] lets it go on here.
    ///
    /// # Errors
    /// [`Refusal`] for a part that this node does not know, or a bound.
    pub fn image_of(&self, id: VcId, birth: Birth) -> Result<Image, Refusal> {
        let images = images_of(&self.shared, id, self.shared.owner, false, birth, 0)?;
        let first = images.into_iter().next();
        first.ok_or_else(|| Refusal::new(Why::Internal, "a birth without an image"))
    }

    /// A copy of a VC under another id; it goes its own way from here on.
    ///
    /// # Errors
    /// As [`Runtime::thaw`].
    pub async fn fork(&self, id: VcId, name: Option<String>) -> Result<VcId, Refusal> {
        let (mut image, durable) = self.on(id, move |worker| worker.frozen(id)).await??;
        image.name = None;
        self.thaw(image, name, durable, true).await
    }

    /// The image of a VC as it is now, with those in its body.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn freeze(&self, id: VcId) -> Result<Image, Refusal> {
        let (mut image, _) = self.on(id, move |worker| worker.frozen(id)).await??;
        enclose(&self.shared, &mut image)?;
        Ok(image)
    }

    /// Sends a whole VC to another, as a message: a copy of it, or itself. Its receiver is its host from then
    /// on, pays for it, and holds it as a contact. Gives the id it has there.
    ///
    /// A VC that was to be moved and is refused lives on where it was.
    ///
    /// # Errors
    /// [`Refusal`]: either is unknown or stopped, the receiver's purse, or a bound.
    pub async fn give(&self, id: VcId, to: VcId, moved: bool) -> Result<VcId, Refusal> {
        if id == to {
            return Err(Refusal::new(Why::Conflict, "a VC is not given to itself").who(id));
        }
        // Nobody is the host of its own host.
        let mut above = to;
        for _ in 0..HOSTS_MAX {
            let asked = above;
            let host = self.on(asked, move |worker| worker.host_of(asked)).await?;
            match host {
                Some(host) if moved && host == id => {
                    let what = format!("{to} lives by {id}, which cannot be its child as well");
                    return Err(Refusal::new(Why::Conflict, what).who(to));
                }
                Some(host) => above = host,
                None => break,
            }
        }
        let (image, durable) = self.on(id, move |worker| worker.frozen(id)).await??;
        let image = if moved {
            self.settled_on(id, move |worker| worker.let_go(id)).await?
        } else {
            image
        };
        let given = self.give_image(&image, to, moved).await;
        if moved && given.is_err() {
            let manner = Manner {
                durable,
                born: true,
                ..Manner::default()
            };
            self.settled_on(id, move |worker| worker.thaw(image, manner).map(drop))
                .await?;
        }
        given
    }

    async fn give_image(&self, image: &Image, to: VcId, moved: bool) -> Result<VcId, Refusal> {
        let bytes = image
            .to_bytes()
            .map_err(|error| Refusal::new(Why::TooLarge, error.to_string()))?;
        let ownership = if moved { "move" } else { "copy" };
        let mut outgoing = Outgoing {
            kind: Kind::Computer,
            ..Outgoing::new(to, bytes)
        };
        let facts = [
            (OWNERSHIP, ownership),
            ("type", "application/vnd.medium.image"),
        ];
        for (name, value) in facts {
            outgoing.metadata.insert(name.to_owned(), value.into());
        }
        let answer = self
            .ask(outgoing, GIVE_MS)
            .await
            .map_err(|why| match why.code {
                Why::TooLarge => why.hint("`medium freeze` it into a file and spawn that"),
                _ => why,
            })?;
        let said = contents_of(answer.reply)?;
        let id = said.as_ref().try_into().map(VcId::from_bytes);
        id.map_err(|_| Refusal::new(Why::Internal, "the answer is not an id"))
    }

    /// Gives birth to many plain VCs of one kind at once, volatile ones; each holds all of them as
    /// contacts if `book`. For worlds and benches.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub async fn spawn_many(
        &self,
        birth: Birth,
        count: u64,
        book: bool,
    ) -> Result<Vec<VcId>, Refusal> {
        let first = self.births.fetch_add(count, Ordering::Relaxed);
        let ids: Vec<VcId> = (first..first + count)
            .map(|n| VcId::root(&self.node_key, n))
            .collect();
        let mut by_worker: Vec<Vec<VcId>> = vec![Vec::new(); self.shared.ports.len()];
        for &id in &ids {
            by_worker[self.shared.worker_of(id)].push(id);
        }
        let by_worker: Vec<Arc<[VcId]>> = by_worker.into_iter().map(Arc::from).collect();
        let born = move |worker: &mut Worker, ids: &[VcId]| worker.births(ids, &birth);
        for outcome in self.on_each(&by_worker, born).await? {
            outcome?;
        }
        if book {
            // With their handles, so that no message by the book has to look its receiver up.
            let entries = self.on_each(&by_worker, |worker, ids| worker.entries(ids));
            let mut entries: Vec<_> = entries.await?.into_iter().map(Vec::into_iter).collect();
            let in_order = ids
                .iter()
                .filter_map(|&id| entries[self.shared.worker_of(id)].next());
            let book: Arc<[Entry]> = in_order.collect();
            let share = move |worker: &mut Worker, ids: &[VcId]| worker.share_book(ids, &book);
            self.on_each(&by_worker, share).await?;
        }
        Ok(ids)
    }
}

/// Puts the modules into an image that leaves, and into those in it.
fn enclose(shared: &Shared, image: &mut Image) -> Result<(), Refusal> {
    for part in &mut image.parts {
        if let Code::WebAssembly { module, .. } = part.code {
            part.enclosed = Some(shared.modules.bytes(module)?);
        } else if let Some(inner) = &part.enclosed {
            let mut inner = Image::from_trusted_bytes(inner)
                .map_err(|error| Refusal::new(Why::Internal, error.to_string()))?;
            enclose(shared, &mut inner)?;
            let bytes = inner
                .to_bytes()
                .map_err(|error| Refusal::new(Why::TooLarge, error.to_string()))?;
            part.enclosed = Some(bytes.into());
        }
    }
    Ok(())
}
