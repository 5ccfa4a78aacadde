//! Batches of stamps, and the money that they are bought with.
//!
//! A batch has 65,536 buckets, chosen by the first 16 bits of an address, and 2^(depth - 16) stamps for each. A
//! chunk takes one of them, once. What is kept is which chunk has which stamp of which batch; signatures are made
//! where a stamp is shown, since here nobody would check them.
//!
//! Money is [`genesis::ledger`]'s: every wallet has an account, and gets [`ALLOWANCE_MOTES`] from the mint before its
//! first purchase. What it pays goes to the account `storage`.

use std::collections::BTreeMap;

use genesis::ledger::{AccountId, Entry, Ledger, Transfer, TransferError};
use genesis::time::Time;
use redb::WriteTransaction;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::index::{self, Holder, Index};
use super::{Disk, Writer};
use crate::pods::{Batch, Bought, BuyBatch, PodsError, WalletKey};
use crate::store::rows::Failure;
use crate::swarm::Address;
use crate::swarm::keccak::keccak256_of;
use crate::swarm::sign::Owner;
use crate::swarm::stamp::{Postage, Stamp, bucket_of, bucket_slots};

/// What a wallet is given, in motes: the price of six default batches.
pub const ALLOWANCE_MOTES: u64 = 10_000_000;
/// What one mote buys: room for so many chunks for a day, which is 16 MiB. Small enough that no batch is free, and
/// large enough that prices are whole numbers a person can compare.
pub const CHUNK_DAYS_PER_MOTE: u64 = 4_096;
/// The depth of the batch that is bought for a wallet that has none: 2^24 chunks, 64 GiB, and 256 in a bucket, so
/// that chance fills no bucket before half of it is used.
pub const DEFAULT_DEPTH: u8 = 24;
/// For how long that one is bought, in seconds: a year.
pub const DEFAULT_TTL_S: u64 = 365 * DAY_S;
/// The smallest depth, as Bee has it.
const DEPTH_MIN: u8 = 17;
/// The largest depth: 16 TiB.
const DEPTH_MAX: u8 = 32;
/// The longest time that a batch can be bought for, in seconds: a century.
pub const TTL_MAX_S: u64 = 36_525 * DAY_S;
/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 64;
const DAY_S: u64 = 86_400;
/// Buckets of a batch.
const BUCKETS: usize = 1 << 16;
/// Buckets whose counters are stored together.
const PAGE_BUCKETS: usize = 1024;

/// What a batch costs, in motes; rounded up.
pub fn price(depth: u8, ttl_s: u64) -> u64 {
    let chunk_seconds = (1u128 << depth.min(DEPTH_MAX)) * u128::from(ttl_s);
    let per_mote = u128::from(CHUNK_DAYS_PER_MOTE) * u128::from(DAY_S);
    u64::try_from(chunk_seconds.div_ceil(per_mote)).unwrap_or(u64::MAX)
}

/// A batch, as its row has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Info {
    id: String,
    owner: String,
    label: String,
    depth: u8,
    expires_ms: u64,
    motes: u64,
    /// Stamps given.
    stamped: u64,
    /// Stamps given by the fullest bucket.
    fullest: u32,
}

/// A batch and the stamps it has given.
#[derive(Debug)]
pub(super) struct Stamps {
    info: Info,
    /// Stamps given, by bucket; `None` until they are needed.
    given: Option<Box<[u32]>>,
    /// Pages of `given` that changed since the last commit, a bit for each.
    changed: u64,
}

impl Stamps {
    pub(super) const fn is_expired(&self, now_ms: u64) -> bool {
        self.info.expires_ms <= now_ms
    }

    fn slots(&self) -> u32 {
        bucket_slots(self.info.depth).unwrap_or(u32::MAX)
    }

    fn refuse(&self, why: String) -> PodsError {
        PodsError::Batch {
            id: self.info.id.clone(),
            why,
        }
    }

    /// Refuses if the batch has expired.
    pub(super) fn check_time(&self, now_ms: u64) -> Result<(), PodsError> {
        if self.is_expired(now_ms) {
            let since = Time(self.info.expires_ms);
            return Err(self.refuse(format!("it expired at {since}")));
        }
        Ok(())
    }

    /// Reads the counters unless they are here.
    pub(super) fn load(&mut self, index: &Index, number: u32) -> Result<(), PodsError> {
        if self.given.is_some() {
            return Ok(());
        }
        let mut given = vec![0; BUCKETS].into_boxed_slice();
        index.read(|transaction| {
            let table = transaction.open_table(index::STAMPED)?;
            for row in table.range((number, 0)..=(number, u8::MAX))? {
                let (key, page) = row?;
                let from = usize::from(key.value().1) * PAGE_BUCKETS;
                let (counters, _) = page.value().as_chunks::<4>();
                for (bucket, counter) in given.iter_mut().skip(from).zip(counters) {
                    *bucket = u32::from_le_bytes(*counter);
                }
            }
            Ok(())
        })?;
        self.given = Some(given);
        Ok(())
    }

    /// Takes a stamp for a chunk. The counters must be loaded.
    pub(super) fn take(&mut self, address: &Address) -> Result<u32, PodsError> {
        let bucket = bucket_of(address);
        let slots = self.slots();
        let Some(given) = self
            .given
            .as_mut()
            .and_then(|given| given.get_mut(bucket as usize))
        else {
            return Err(self.refuse("its counters are not loaded".to_owned()));
        };
        if *given >= slots {
            let given = *given;
            return Err(self.refuse(format!(
                "it is full: bucket {bucket} has given {given} of {slots}"
            )));
        }
        let stamp = *given;
        *given += 1;
        self.info.stamped += 1;
        self.info.fullest = self.info.fullest.max(stamp + 1);
        self.mark(bucket);
        Ok(stamp)
    }

    /// Takes back the stamps that were given last to these chunks.
    pub(super) fn give_back<'a>(&mut self, chunks: impl Iterator<Item = &'a Address>) {
        let Some(mut given) = self.given.take() else {
            return;
        };
        for address in chunks {
            let bucket = bucket_of(address);
            if let Some(given) = given.get_mut(bucket as usize) {
                *given = given.saturating_sub(1);
                self.info.stamped = self.info.stamped.saturating_sub(1);
                self.mark(bucket);
            }
        }
        self.info.fullest = given.iter().copied().max().unwrap_or(0);
        self.given = Some(given);
    }

    fn mark(&mut self, bucket: u32) {
        self.changed |= 1 << (bucket as usize / PAGE_BUCKETS);
    }

    /// Writes what has changed.
    pub(super) fn write(&self, transaction: &WriteTransaction, number: u32) -> Result<(), Failure> {
        if self.changed == 0 {
            return Ok(());
        }
        put_json(transaction, index::BATCHES, number, &self.info)?;
        let mut table = transaction.open_table(index::STAMPED)?;
        let given = self.given.as_deref().unwrap_or_default();
        for (page, counters) in (0u8..).zip(given.chunks(PAGE_BUCKETS)) {
            if self.changed & (1 << page) != 0 {
                let bytes: Vec<u8> = counters.iter().flat_map(|c| c.to_le_bytes()).collect();
                table.insert((number, page), bytes.as_slice())?;
            }
        }
        Ok(())
    }

    /// What has changed is on disk.
    pub(super) const fn written(&mut self) {
        self.changed = 0;
    }

    fn is_full(&self) -> bool {
        self.info.fullest >= self.slots()
    }

    fn to_batch(&self, now_ms: u64) -> Batch {
        let Info {
            id,
            owner: _,
            label,
            depth,
            expires_ms,
            motes,
            stamped,
            fullest,
        } = self.info.clone();
        Batch {
            id,
            label,
            depth,
            fullest,
            stamped,
            ttl_s: expires_ms.saturating_sub(now_ms).div_ceil(1000),
            usable: !self.is_expired(now_ms) && !self.is_full(),
            motes,
        }
    }
}

/// A batch to write with: its number and its id.
pub(super) type Chosen = (u32, String);

impl Disk {
    pub(super) fn list_batches(&self, wallet: Owner) -> Vec<Batch> {
        let now_ms = self.clock.now().0;
        let owner = wallet.to_string();
        let writer = self.writer.lock();
        let own = writer.batches.values().filter(|b| b.info.owner == owner);
        own.map(|stamps| stamps.to_batch(now_ms)).collect()
    }

    /// Buys a batch, and answers its number too.
    pub(super) fn buy_batch(
        &self,
        writer: &mut Writer,
        wallet: Owner,
        what: &BuyBatch,
    ) -> Result<(u32, Bought), PodsError> {
        check_wish(what)?;
        writer.check()?;
        let now = self.clock.now();
        let owner = wallet.to_string();
        let account = account(&owner)?;
        let allowance_key = format!("allowance/{owner}");
        let motes = price(what.depth, what.ttl_s);
        let mut ledger = writer.ledger.clone();
        let mut entries = Vec::new();
        let is_new = self.index.meta(&allowance_key)?.is_none();
        if is_new {
            let given = transfer(
                AccountId::mint(),
                account.clone(),
                ALLOWANCE_MOTES,
                "allowance",
            );
            entries.push(ledger.transfer(now, given).map_err(|e| money(&e))?);
        }
        let number = writer.next_holder;
        let id = keccak256_of(&[
            b"medium: a batch of stamps, 1",
            &wallet.0,
            &number.to_le_bytes(),
            &now.0.to_le_bytes(),
        ]);
        let id = Address(id).to_string();
        let paid = transfer(account.clone(), storage()?, motes, &format!("batch {id}"));
        match ledger.transfer(now, paid) {
            Ok(entry) => entries.push(entry),
            Err(TransferError::Overdraft { left, wanted, .. }) => {
                return Err(PodsError::Funds {
                    wallet: owner,
                    has: left,
                    needs: wanted,
                });
            }
            Err(error) => return Err(money(&error)),
        }
        let stamps = Stamps {
            info: Info {
                id,
                owner,
                label: what.label.clone(),
                depth: what.depth,
                expires_ms: now.0.saturating_add(what.ttl_s.saturating_mul(1000)),
                motes,
                stamped: 0,
                fullest: 0,
            },
            given: None,
            changed: 0,
        };
        let next_holder = next(number)?;
        let journal = writer.journal;
        self.index.write(|transaction| {
            put_json(transaction, index::BATCHES, number, &stamps.info)?;
            let mut table = transaction.open_table(index::JOURNAL)?;
            for (at, entry) in (journal..).zip(&entries) {
                table.insert(at, json(entry)?.as_slice())?;
            }
            index::set_number(transaction, index::HOLDER_KEY, u64::from(next_holder))?;
            let mut meta = transaction.open_table(index::META)?;
            meta.insert(index::BALANCES_KEY, json(&ledger)?.as_slice())?;
            if is_new {
                meta.insert(
                    allowance_key.as_str(),
                    ALLOWANCE_MOTES.to_le_bytes().as_slice(),
                )?;
            }
            Ok(())
        })?;
        let bought = Bought {
            batch: stamps.to_batch(now.0),
            motes_left: i64::try_from(ledger.balance(&account)).unwrap_or(i64::MAX),
        };
        writer.next_holder = next_holder;
        writer.journal += entries.len() as u64;
        writer.ledger = ledger;
        writer.batches.insert(number, stamps);
        Ok((number, bought))
    }

    /// A wallet's batch, if that can stamp now.
    pub(super) fn batch_of(&self, wallet: Owner, id: &str) -> Result<Chosen, PodsError> {
        let now_ms = self.clock.now().0;
        let owner = wallet.to_string();
        let writer = self.writer.lock();
        let mut own = writer.batches.iter().filter(|(_, b)| b.info.owner == owner);
        let (number, stamps) =
            own.find(|(_, b)| b.info.id == id)
                .ok_or_else(|| PodsError::Batch {
                    id: id.to_owned(),
                    why: format!("the wallet {owner} has no such batch"),
                })?;
        stamps.check_time(now_ms)?;
        Ok((*number, id.to_owned()))
    }

    /// The stamp that a wallet's chunk has, signed by the wallet, as it is shown to others; none if it has none that
    /// is still good.
    ///
    /// # Errors
    /// [`PodsError::Damaged`].
    pub fn stamp_of(
        &self,
        wallet: &WalletKey,
        address: &Address,
    ) -> Result<Option<Stamp>, PodsError> {
        let Some(row) = self.row(address)? else {
            return Ok(None);
        };
        let now_ms = self.clock.now().0;
        let owner = wallet.owner().to_string();
        let writer = self.writer.lock();
        let good = |holder: &&Holder| {
            let batch = writer.batches.get(&holder.number);
            batch.is_some_and(|b| b.info.owner == owner && !b.is_expired(now_ms))
        };
        let Some(holder) = row.holders.iter().find(good) else {
            return Ok(None);
        };
        let Some(batch) = writer.batches.get(&holder.number) else {
            return Ok(None);
        };
        let id: Address = batch.info.id.parse()?;
        let postage = Postage {
            batch: id.0,
            slot: holder.stamp,
            time_ns: now_ms.saturating_mul(1_000_000),
        };
        Ok(Some(Stamp::sign(wallet.signer(), address, postage)))
    }

    /// The batch that a wallet writes with: of those that can stamp the one that lasts longest. One that has never
    /// had a batch gets a default one.
    pub(super) fn choose_batch(&self, wallet: Owner) -> Result<(Chosen, Option<Batch>), PodsError> {
        let now_ms = self.clock.now().0;
        let owner = wallet.to_string();
        let mut writer = self.writer.lock();
        let own = || writer.batches.iter().filter(|(_, b)| b.info.owner == owner);
        let lasting = |(_, stamps): &(&u32, &Stamps)| stamps.info.expires_ms;
        let live = || own().filter(|(_, stamps)| !stamps.is_expired(now_ms));
        let best = live()
            .filter(|(_, stamps)| !stamps.is_full())
            .max_by_key(lasting)
            // A full one still stamps what falls into its other buckets, and says which is full.
            .or_else(|| live().max_by_key(lasting));
        if let Some((number, stamps)) = best {
            return Ok(((*number, stamps.info.id.clone()), None));
        }
        if let Some((_, expired)) = own().max_by_key(lasting) {
            expired.check_time(now_ms)?;
        }
        if self.index.meta(&format!("allowance/{owner}"))?.is_some() {
            return Err(PodsError::Batch {
                id: "of this wallet".to_owned(),
                why: "all have expired".to_owned(),
            });
        }
        let what = BuyBatch {
            depth: DEFAULT_DEPTH,
            ttl_s: DEFAULT_TTL_S,
            label: "default".to_owned(),
        };
        let (number, bought) = self.buy_batch(&mut writer, wallet, &what)?;
        Ok(((number, bought.batch.id.clone()), Some(bought.batch)))
    }

    /// The balances of all accounts.
    pub fn ledger(&self) -> Ledger {
        self.writer.lock().ledger.clone()
    }

    /// Every movement of money so far, oldest first.
    ///
    /// # Errors
    /// [`PodsError::Damaged`].
    pub fn journal(&self) -> Result<Vec<Entry>, PodsError> {
        self.index.read(|transaction| {
            let table = transaction.open_table(index::JOURNAL)?;
            let mut entries = Vec::new();
            for row in table.range::<u64>(..)? {
                entries.push(from_json(row?.1.value(), "the journal")?);
            }
            Ok(entries)
        })
    }
}

impl Writer {
    /// Forgets the batches that have expired, and answers their numbers.
    pub(super) fn expired(&self, now_ms: u64) -> Vec<u32> {
        let expired = self.batches.iter().filter(|(_, b)| b.is_expired(now_ms));
        expired.map(|(number, _)| *number).collect()
    }
}

/// The number behind this one.
pub(super) fn next(number: u32) -> Result<u32, PodsError> {
    number
        .checked_add(1)
        .ok_or_else(|| PodsError::Damaged("there are no numbers left for batches".to_owned()))
}

/// Every batch in the index.
pub(super) fn load(index: &Index) -> Result<BTreeMap<u32, Stamps>, PodsError> {
    index.read(|transaction| {
        let mut batches = BTreeMap::new();
        for row in transaction.open_table(index::BATCHES)?.range::<u32>(..)? {
            let (number, info) = row?;
            let stamps = Stamps {
                info: from_json(info.value(), "a batch")?,
                given: None,
                changed: 0,
            };
            batches.insert(number.value(), stamps);
        }
        Ok(batches)
    })
}

/// The balances, and how many entries led to them.
pub(super) fn load_ledger(index: &Index) -> Result<(Ledger, u64), PodsError> {
    let ledger = match index.meta(index::BALANCES_KEY)? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| PodsError::Damaged(format!("the balances: {error}")))?,
        None => Ledger::default(),
    };
    let entries = index.read(|transaction| {
        let table = transaction.open_table(index::JOURNAL)?;
        let last = table.range::<u64>(..)?.next_back().transpose()?;
        Ok(last.map_or(0, |(number, _)| number.value() + 1))
    })?;
    Ok((ledger, entries))
}

fn check_wish(what: &BuyBatch) -> Result<(), PodsError> {
    let refuse = |why| {
        Err(PodsError::Batch {
            id: format!("`{}`", what.label.escape_debug()),
            why,
        })
    };
    if !(DEPTH_MIN..=DEPTH_MAX).contains(&what.depth) {
        return refuse(format!(
            "a depth is {DEPTH_MIN} to {DEPTH_MAX}, not {}",
            what.depth
        ));
    }
    if what.ttl_s == 0 || what.ttl_s > TTL_MAX_S {
        return refuse(format!(
            "it lasts 1 to {TTL_MAX_S} seconds, not {}",
            what.ttl_s
        ));
    }
    if what.label.len() > LABEL_BYTES_MAX || what.label.chars().any(char::is_control) {
        return refuse(format!(
            "a label has at most {LABEL_BYTES_MAX} bytes, none of them a control character"
        ));
    }
    Ok(())
}

fn transfer(from: AccountId, to: AccountId, motes: u64, memo: &str) -> Transfer {
    Transfer {
        from,
        to,
        motes,
        memo: memo.to_owned(),
    }
}

/// A wallet's account.
fn account(owner: &str) -> Result<AccountId, PodsError> {
    named(&format!("wallet/{owner}"))
}

/// Where the money for stamps goes.
fn storage() -> Result<AccountId, PodsError> {
    named("storage")
}

fn named(account: &str) -> Result<AccountId, PodsError> {
    account
        .parse()
        .map_err(|error| PodsError::Damaged(format!("an account's name: {error}")))
}

fn money(error: &TransferError) -> PodsError {
    PodsError::Damaged(format!("the ledger: {error}"))
}

/// A row's bytes.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| corrupt(format!("a row cannot be written: {error}")))
}

/// What is in a row's bytes.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| corrupt(format!("{what}: {error}")))
}

fn corrupt(what: String) -> Failure {
    Failure {
        error: actors::store::StoreError::Corrupt { what },
        fatal: false,
    }
}

/// Writes a row of JSON.
pub(super) fn put_json<T: Serialize>(
    transaction: &WriteTransaction,
    table: redb::TableDefinition<'static, u32, &'static [u8]>,
    number: u32,
    value: &T,
) -> Result<(), Failure> {
    let bytes = json(value)?;
    transaction
        .open_table(table)?
        .insert(number, bytes.as_slice())?;
    Ok(())
}
