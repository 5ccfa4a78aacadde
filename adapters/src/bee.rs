//! A Bee as a keeper of chunks, over its HTTP API.
//!
//! [`Bee`] is one node of Swarm, asked over HTTP; pods over it work as they do over the embedded store. Bees from
//! 2.2 on are understood (API 7 and 8), and so is `medium up --bee-api`.
//!
//! * What is written is written chunk by chunk, under a tag, with a bound on requests under way: the chunks are made
//!   here, so their references are known before, and an answer that names another one is an error.
//! * **Done** is said when it can be read back: `settle` (in `deposit`) waits until every chunk has arrived in the
//!   network, and reads back.
//! * An upload that was interrupted goes on where it was: `journal` keeps the tag and what the Bee has acknowledged.
//! * Redundancy is always said, since Bee's default differs between versions: none.
//!
//! Batches are bought with money of a blockchain, so none is bought unless somebody asks for it.

mod deposit;
mod error;
mod journal;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::http::{Http, HttpError, Patience};
use crate::pods::keeper::{Deposit, Keeper};
use crate::pods::{Batch, Bought, BuyBatch, PodsError};
use crate::swarm::feed::{Feed, Index};
use crate::swarm::sign::Owner;
use crate::swarm::soc::{SOC_BYTES, Soc};
use crate::swarm::stamp::BUCKET_DEPTH;
use crate::swarm::store::{ChunkStore, StoreFault};
use crate::swarm::{Address, Reference};

use self::deposit::BeeDeposit;
use self::wire::{BatchBought, BatchList, BatchView, ChainState, Retrievable, Tag};

/// Requests of one upload that are under way at one time, by default.
pub const IN_FLIGHT_DEFAULT: usize = 16;
/// How long a chunk may take to be found in the network.
const FETCH_WITHIN: Duration = Duration::from_mins(1);
/// How long a batch may take until it can stamp, once it is bought, and how often it is looked at: some blocks.
const USABLE_WITHIN: Duration = Duration::from_mins(5);
/// Seconds between two blocks of the chain that Bees are paid on (Gnosis).
const BLOCK_S: u64 = 5;
/// Seconds that a batch must be paid for at least, and a little more since the price moves: Bee asks for a day.
const TTL_S_MIN: u64 = 24 * 60 * 60 + 600;

/// How a Bee is used.
#[derive(Clone, Debug)]
pub struct BeeOptions {
    /// The batch that pays, 64 hexadecimal digits; none: the Bee's one with the most room.
    pub batch: Option<String>,
    /// Where journals of uploads are kept, so that they can be resumed; none: they are not.
    pub journals: Option<PathBuf>,
    /// Requests of one upload that are under way at one time.
    pub in_flight: usize,
    /// How long it is waited for, and how often asked again.
    pub patience: Patience,
}

impl Default for BeeOptions {
    fn default() -> Self {
        Self {
            batch: None,
            journals: None,
            in_flight: IN_FLIGHT_DEFAULT,
            patience: Patience::default(),
        }
    }
}

/// One Bee.
#[derive(Clone, Debug)]
pub struct Bee {
    http: Http,
    options: BeeOptions,
}

impl Bee {
    /// The Bee at an address; it is not asked yet.
    ///
    /// # Errors
    /// [`PodsError::Unreachable`] if it is no address, [`PodsError::Batch`] if the batch is none.
    pub fn new(address: &str, options: BeeOptions) -> Result<Self, PodsError> {
        let http = Http::new("Bee", address, options.patience)?;
        let options = BeeOptions {
            batch: options.batch.map(|id| batch_id(&id)).transpose()?,
            ..options
        };
        Ok(Self { http, options })
    }

    /// Every batch the Bee has bought.
    fn list(&self) -> Result<Vec<BatchView>, PodsError> {
        let list: BatchList = self.http.get(&["stamps"]).send()?.json()?;
        Ok(list.stamps)
    }

    /// The batch that pays where none is named: the one that has the largest share of its stamps left.
    fn choose(&self) -> Result<String, PodsError> {
        if let Some(id) = &self.options.batch {
            return Ok(id.clone());
        }
        let batches = self.list()?;
        let usable = batches
            .iter()
            .filter(|batch| batch.usable && batch.ratio() < 1.0);
        let best = usable.min_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        best.map(|batch| batch.batch_id.to_ascii_lowercase())
            .ok_or_else(|| PodsError::Batch {
                id: "none".to_owned(),
                why: format!(
                    "{} has {} batches, none of which can stamp now; buy one, or name one by MEDIUM_BEE_BATCH",
                    self.http.server(),
                    batches.len()
                ),
            })
    }

    fn begin(&self, wallet: Owner, batch: &str) -> Result<Box<dyn Deposit + '_>, PodsError> {
        Ok(Box::new(BeeDeposit::begin(self, wallet, batch_id(batch)?)?))
    }

    /// A chunk's bytes, as the Bee gives them.
    fn chunk(&self, address: &Address) -> Result<Option<Bytes>, HttpError> {
        let request = self.http.get(&["chunks", &address.to_string()]);
        match request.answer_within(FETCH_WITHIN).send() {
            Ok(answer) => answer.bytes(*SOC_BYTES.end()).map(Some),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a tag has counted; none if the Bee does not know it.
    fn tag(&self, uid: u64) -> Result<Option<Tag>, HttpError> {
        match self.http.get(&["tags", &uid.to_string()]).send() {
            Ok(answer) => answer.json().map(Some),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the Bee finds everything that a reference names in the network. A Bee without that question says no.
    fn is_retrievable(&self, root: &Reference) -> Result<bool, HttpError> {
        let request = self.http.get(&["stewardship", &root.to_string()]);
        match request.answer_within(FETCH_WITHIN).send() {
            Ok(answer) => Ok(answer.json::<Retrievable>()?.is_retrievable),
            Err(error) if error.status().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a network behind the Bee. One for development, or one that is alone, says no.
    fn has_peers(&self) -> Result<bool, HttpError> {
        match self.http.get(&["peers"]).send() {
            Ok(answer) => Ok(!answer.json::<wire::Peers>()?.peers.is_empty()),
            Err(error) if error.status().is_some() => Ok(false),
            // The one in `dfs dev` breaks off here, having no network at all, and answers everything else.
            Err(_) => self.http.get(&["health"]).send().map(|_| false),
        }
    }

    /// Waits until a batch that was bought can stamp.
    fn until_usable(&self, id: &str) -> Result<BatchView, PodsError> {
        let mut waits = deposit::Waits::new(USABLE_WITHIN);
        loop {
            let found = match self.http.get(&["stamps", id]).send() {
                Ok(answer) => Some(answer.json::<BatchView>()?),
                // It has not heard of it from the chain yet.
                Err(error) if matches!(error.status(), Some(400 | 404)) => None,
                Err(error) => return Err(error.into()),
            };
            match found {
                Some(batch) if batch.usable => return Ok(batch),
                _ if waits.next() => {}
                _ => {
                    let why = format!(
                        "it was bought, but cannot stamp after {} s: look again later, and do not buy another",
                        USABLE_WITHIN.as_secs()
                    );
                    let id = id.to_owned();
                    return Err(PodsError::Batch { id, why });
                }
            }
        }
    }
}

/// Checks that text is the id of a batch.
fn batch_id(text: &str) -> Result<String, PodsError> {
    let plain = text.strip_prefix("0x").unwrap_or(text);
    if plain.len() == 64 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(plain.to_ascii_lowercase());
    }
    Err(PodsError::Batch {
        id: "what was given".to_owned(),
        why: "a batch's id has 64 hexadecimal digits".to_owned(),
    })
}

impl ChunkStore for Bee {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        self.chunk(address)
            .map_err(|error| StoreFault::elsewhere(error.to_string()))
    }

    fn put(&self, _: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        Err(StoreFault::here("a Bee takes chunks only with a stamp"))
    }
}

impl Keeper for Bee {
    fn name(&self) -> String {
        self.http.server().to_owned()
    }

    fn latest(&self, feed: &Feed, after: Index) -> Result<Option<(Index, Soc)>, PodsError> {
        // Every look-up of a chunk that there is not costs a search in the network, so the Bee is asked where its
        // own search ended. It resolves what the update refers to, and says nothing where it cannot.
        let topic = data_encoding::HEXLOWER.encode(&feed.topic);
        let asked = self
            .http
            .get(&["feeds", &feed.owner.to_string(), &topic])
            .query("after", &after.0.to_string())
            .header("swarm-only-root-chunk", "true")
            .answer_within(FETCH_WITHIN)
            .once()
            .send();
        let hint = asked.ok().and_then(|answer| {
            let index = answer.header("swarm-feed-index")?;
            u64::from_str_radix(index, 16).ok().map(Index)
        });
        if let Some(hint) = hint.filter(|hint| *hint > after)
            && let Some(found) = feed.latest(self, hint)?
        {
            return Ok(Some(found));
        }
        Ok(feed.latest(self, after)?)
    }

    fn deposit<'k>(&'k self, wallet: Owner) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        self.begin(wallet, &self.choose()?)
    }

    fn deposit_with<'k>(
        &'k self,
        wallet: Owner,
        batch: &str,
    ) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        self.begin(wallet, batch)
    }

    fn batches(&self, _: Owner) -> Result<Vec<Batch>, PodsError> {
        Ok(self
            .list()?
            .into_iter()
            .map(BatchView::into_batch)
            .collect())
    }

    /// Buys with the money of the Bee's own wallet, at the price the chain has now; what that wallet has left is not
    /// told in motes.
    fn buy(&self, _: Owner, what: &BuyBatch) -> Result<Bought, PodsError> {
        if what.depth <= BUCKET_DEPTH {
            return Err(PodsError::Batch {
                id: format!("of depth {}", what.depth),
                why: format!("depths begin at {}", BUCKET_DEPTH + 1),
            });
        }
        let state: ChainState = self.http.get(&["chainstate"]).send()?.json()?;
        let price: u128 = state.current_price.parse().unwrap_or(0);
        let blocks = u128::from(what.ttl_s.max(TTL_S_MIN).div_ceil(BLOCK_S));
        // One more: a day's worth exactly is refused.
        let amount = price.max(1).saturating_mul(blocks).saturating_add(1);
        let request = self
            .http
            .post(&["stamps", &amount.to_string(), &what.depth.to_string()])
            .query("label", &what.label)
            .answer_within(USABLE_WITHIN);
        // Never twice: it costs money.
        let answer = request
            .once()
            .send()
            .map_err(|error| error::of_buying(error, self))?;
        let bought: BatchBought = answer.json()?;
        let batch = self.until_usable(&batch_id(&bought.batch_id)?)?;
        Ok(Bought {
            batch: batch.into_batch(),
            motes_left: 0,
        })
    }

    fn set_pinned(&self, _: Owner, root: &Reference, pinned: bool) -> Result<(), PodsError> {
        let path = ["pins", &root.to_string()];
        let request = if pinned {
            self.http.post(&path)
        } else {
            self.http.delete(&path)
        };
        match request.repeatable().answer_within(FETCH_WITHIN).send() {
            Ok(_) => Ok(()),
            Err(error) if error.status() == Some(404) => {
                if pinned {
                    let text = root.address().to_string();
                    let why = format!("{} finds not all of it", self.http.server());
                    return Err(PodsError::Reference { text, why });
                }
                Ok(()) // it was not pinned
            }
            Err(error) => Err(error.into()),
        }
    }

    fn pins(&self, _: Owner) -> Result<Vec<Reference>, PodsError> {
        let pins: wire::Pins = self.http.get(&["pins"]).send()?.json()?;
        let references = pins.references.unwrap_or_default();
        let parsed = references.iter().map(|reference| reference.parse());
        Ok(parsed.collect::<Result<_, _>>()?)
    }
}
