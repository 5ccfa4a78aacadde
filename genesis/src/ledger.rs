//! A node's money: double-entry accounts in whole motes.
//!
//! Every transfer takes from one account what it gives to another, so that all balances together are
//! always zero. Only [`AccountId::mint`] may be below zero: by how much, that is what it has issued.
//! A ledger keeps balances, not its history: each transfer answers the [`Entry`] that its keeper
//! writes down, and the entries of a journal, replayed in order, give the same balances again.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::VcId;
use crate::time::Time;

/// The name of an account that is no VC's: `mint`, `postage`, `escrow/…`.
///
/// One to [`AccountName::LEN_MAX`] bytes of `a-z 0-9 - _ .`, with single `/` between non-empty words;
/// so it never reads like the address of a VC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AccountName(String);

impl AccountName {
    /// Longest name, in bytes: room for `escrow/` and a digest in hexadecimal.
    pub const LEN_MAX: usize = 96;

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = AccountError;

    fn from_str(name: &str) -> Result<Self, AccountError> {
        let byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let word = |word: &str| !word.is_empty() && word.bytes().all(byte);
        if name.len() <= Self::LEN_MAX && name.split('/').all(word) {
            Ok(Self(name.to_owned()))
        } else {
            Err(AccountError {
                text: name.chars().take(60).collect(),
            })
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = AccountError;

    fn try_from(name: String) -> Result<Self, AccountError> {
        name.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

/// Whose money it is. Written as the VC's id or the account's name; stored as that text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AccountId {
    /// A VC's own.
    Vc(VcId),
    /// One the node keeps for a purpose.
    Named(AccountName),
}

impl AccountId {
    /// Where money comes from and ends: the one account that may be below zero.
    pub fn mint() -> Self {
        Self::known("mint")
    }

    /// What was paid for the way of messages and not yet earned by whoever carries them.
    pub fn postage() -> Self {
        Self::known("postage")
    }

    /// Money put aside for an agreement, until it is fulfilled or called off.
    ///
    /// # Errors
    /// [`AccountError`] if `escrow/<agreement>` is not an account's name.
    pub fn escrow(agreement: &str) -> Result<Self, AccountError> {
        format!("escrow/{agreement}").parse().map(Self::Named)
    }

    fn known(name: &str) -> Self {
        Self::Named(AccountName(name.to_owned()))
    }

    /// Whether the account may be below zero.
    pub fn may_owe(&self) -> bool {
        matches!(self, Self::Named(name) if name.0 == "mint")
    }
}

impl From<VcId> for AccountId {
    fn from(id: VcId) -> Self {
        Self::Vc(id)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vc(id) => id.fmt(f),
            Self::Named(name) => f.write_str(&name.0),
        }
    }
}

impl FromStr for AccountId {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        match text.parse() {
            Ok(id) => Ok(Self::Vc(id)),
            Err(_) => text.parse().map(Self::Named),
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountError;

    fn try_from(text: String) -> Result<Self, AccountError> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(account: AccountId) -> Self {
        account.to_string()
    }
}

/// The text names no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no account: neither a VC's id nor a name (a-z 0-9 - _ . and single / between)"
)]
pub struct AccountError {
    /// What was given, cut short.
    pub text: String,
}

/// A movement of money that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who pays.
    pub from: AccountId,
    /// Who is paid.
    pub to: AccountId,
    /// How much, in motes.
    pub motes: u64,
    /// What for, in words; at most [`Transfer::MEMO_BYTES_MAX`].
    pub memo: String,
}

impl Transfer {
    /// Longest memo, in bytes: refuse.
    pub const MEMO_BYTES_MAX: usize = 256;
}

/// A movement of money that happened: one line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// Who paid.
    pub from: AccountId,
    /// Who was paid.
    pub to: AccountId,
    /// How much, in motes.
    pub motes: u64,
    /// What for.
    pub memo: String,
}

impl From<Entry> for Transfer {
    fn from(
        Entry {
            at: _,
            from,
            to,
            motes,
            memo,
        }: Entry,
    ) -> Self {
        Self {
            from,
            to,
            motes,
            memo,
        }
    }
}

/// Transfers of which all happen or none: each may spend what an earlier one brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch(pub Vec<Transfer>);

impl Batch {
    /// Most transfers of a batch: refuse.
    pub const LEN_MAX: usize = 4_096;
}

/// The balances of all accounts that have any.
///
/// Two ledgers are equal if every account has the same balance in both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    into = "BTreeMap<AccountId, i128>",
    try_from = "BTreeMap<AccountId, i128>"
)]
pub struct Ledger {
    /// No balance of zero is kept.
    balances: BTreeMap<AccountId, i128>,
}

impl Ledger {
    /// What an account holds, in motes; below zero only for the mint.
    pub fn balance(&self, account: &AccountId) -> i128 {
        self.balances.get(account).copied().unwrap_or(0)
    }

    /// Every account with a balance other than zero, in order.
    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, i128)> {
        self.balances
            .iter()
            .map(|(account, &motes)| (account, motes))
    }

    /// All balances together: zero, or this program has a defect.
    pub fn sum(&self) -> i128 {
        self.balances.values().sum()
    }

    /// What the mint has issued and not taken back.
    pub fn issued(&self) -> i128 {
        -self.balance(&AccountId::mint())
    }

    /// Moves money and answers the entry to be written down.
    ///
    /// # Errors
    /// [`TransferError`]; nothing was moved.
    pub fn transfer(&mut self, at: Time, transfer: Transfer) -> Result<Entry, TransferError> {
        self.check(&transfer)?;
        let Transfer {
            from,
            to,
            motes,
            memo,
        } = transfer;
        self.shift(&from, &to, motes);
        Ok(Entry {
            at,
            from,
            to,
            motes,
            memo,
        })
    }

    /// Moves all the money of a batch, in order, or none.
    ///
    /// # Errors
    /// [`BatchError`] with the place of the first transfer that was refused; nothing was moved.
    pub fn apply(&mut self, at: Time, batch: Batch) -> Result<Vec<Entry>, BatchError> {
        let transfers = batch.0.len();
        if transfers > Batch::LEN_MAX {
            return Err(BatchError::Length { transfers });
        }
        let mut done: Vec<Entry> = Vec::with_capacity(transfers);
        for (index, transfer) in batch.0.into_iter().enumerate() {
            match self.transfer(at, transfer) {
                Ok(entry) => done.push(entry),
                Err(reason) => {
                    for Entry {
                        from, to, motes, ..
                    } in done.iter().rev()
                    {
                        self.shift(to, from, *motes);
                    }
                    return Err(BatchError::Refused { index, reason });
                }
            }
        }
        Ok(done)
    }

    /// The ledger that a journal leads to.
    ///
    /// # Errors
    /// [`ReplayError`] with the place of the first entry that could not have happened.
    pub fn replay(journal: impl IntoIterator<Item = Entry>) -> Result<Self, ReplayError> {
        let mut ledger = Self::default();
        for (index, entry) in journal.into_iter().enumerate() {
            let at = entry.at;
            ledger
                .transfer(at, entry.into())
                .map_err(|reason| ReplayError { index, reason })?;
        }
        Ok(ledger)
    }

    fn check(&self, transfer: &Transfer) -> Result<(), TransferError> {
        let Transfer {
            from,
            to,
            motes,
            memo,
        } = transfer;
        if *motes == 0 {
            return Err(TransferError::Nothing);
        }
        if from == to {
            return Err(TransferError::SameAccount {
                account: from.clone(),
            });
        }
        if memo.len() > Transfer::MEMO_BYTES_MAX {
            return Err(TransferError::Memo { bytes: memo.len() });
        }
        let left = self.balance(from);
        if !from.may_owe() && left < i128::from(*motes) {
            return Err(TransferError::Overdraft {
                account: from.clone(),
                left,
                wanted: *motes,
            });
        }
        let wanted = i128::from(*motes);
        if left.checked_sub(wanted).is_none() || self.balance(to).checked_add(wanted).is_none() {
            return Err(TransferError::Overflow);
        }
        Ok(())
    }

    /// Moves money without a question; both sides or, if this panics on a defect of ours, neither.
    fn shift(&mut self, from: &AccountId, to: &AccountId, motes: u64) {
        let motes = i128::from(motes);
        let (less, more) = (self.balance(from) - motes, self.balance(to) + motes);
        self.set(from, less);
        self.set(to, more);
    }

    fn set(&mut self, account: &AccountId, motes: i128) {
        if motes == 0 {
            self.balances.remove(account);
        } else if let Some(balance) = self.balances.get_mut(account) {
            *balance = motes;
        } else {
            self.balances.insert(account.clone(), motes);
        }
    }
}

impl From<Ledger> for BTreeMap<AccountId, i128> {
    fn from(ledger: Ledger) -> Self {
        ledger.balances
    }
}

impl TryFrom<BTreeMap<AccountId, i128>> for Ledger {
    type Error = LedgerError;

    fn try_from(balances: BTreeMap<AccountId, i128>) -> Result<Self, LedgerError> {
        let mut sum = 0_i128;
        for (account, &motes) in &balances {
            if motes == 0 {
                return Err(LedgerError::Zero {
                    account: account.clone(),
                });
            }
            if motes < 0 && !account.may_owe() {
                return Err(LedgerError::BelowZero {
                    account: account.clone(),
                    motes,
                });
            }
            sum = sum.checked_add(motes).ok_or(LedgerError::Overflow)?;
        }
        if sum == 0 {
            Ok(Self { balances })
        } else {
            Err(LedgerError::Sum { sum })
        }
    }
}

/// Why money was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The account does not hold that much.
    #[error("account {account} holds {left} motes, {wanted} were to be paid")]
    Overdraft {
        /// Which account.
        account: AccountId,
        /// What it holds.
        left: i128,
        /// What it was to pay.
        wanted: u64,
    },
    /// A transfer moves at least one mote.
    #[error("a transfer moves at least one mote")]
    Nothing,
    /// An account was to pay itself.
    #[error("account {account} was to pay itself")]
    SameAccount {
        /// Which account.
        account: AccountId,
    },
    /// The memo is too long.
    #[error(
        "a memo has at most {} bytes, this one has {bytes}",
        Transfer::MEMO_BYTES_MAX
    )]
    Memo {
        /// How many there were.
        bytes: usize,
    },
    /// A balance would leave the range of its type; no real ledger comes near.
    #[error("a balance would be beyond 2^127 motes")]
    Overflow,
}

/// Why a batch did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// One of its transfers is refused.
    #[error("transfer {index} of the batch: {reason}")]
    Refused {
        /// Its place in the batch, from 0.
        index: usize,
        /// Why.
        #[source]
        reason: TransferError,
    },
    /// The batch is too long.
    #[error(
        "a batch has at most {} transfers, this one has {transfers}",
        Batch::LEN_MAX
    )]
    Length {
        /// How many there were.
        transfers: usize,
    },
}

/// A journal tells of something that could not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the journal: {reason}")]
pub struct ReplayError {
    /// Its place in the journal, from 0.
    pub index: usize,
    /// Why.
    #[source]
    pub reason: TransferError,
}

/// Why stored balances are not a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// An account is listed that has nothing.
    #[error("account {account} is listed with a balance of zero")]
    Zero {
        /// Which account.
        account: AccountId,
    },
    /// An account other than the mint owes.
    #[error("account {account} is at {motes} motes; only the mint may be below zero")]
    BelowZero {
        /// Which account.
        account: AccountId,
        /// Its balance.
        motes: i128,
    },
    /// Money was made or lost.
    #[error("all balances together are {sum} motes, not zero")]
    Sum {
        /// What they are.
        sum: i128,
    },
    /// The balances are beyond what can be added up.
    #[error("the balances are beyond 2^127 motes")]
    Overflow,
}

#[cfg(test)]
mod tests;
