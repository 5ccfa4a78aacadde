use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire;

fn vc(n: u64) -> AccountId {
    VcId::root(&[9; 32], n).into()
}

fn pay(from: AccountId, to: AccountId, motes: u64) -> Transfer {
    Transfer {
        from,
        to,
        motes,
        memo: "test".to_owned(),
    }
}

/// A few accounts, so that scripts meet them again and again.
fn account() -> impl Strategy<Value = AccountId> {
    prop_oneof![
        2 => Just(AccountId::mint()),
        1 => Just(AccountId::postage()),
        1 => Just(AccountId::escrow("deal-1").unwrap()),
        4 => (0..4_u64).prop_map(vc),
    ]
}

fn transfer() -> impl Strategy<Value = Transfer> {
    let motes = prop_oneof![8 => 0..50_u64, 1 => Just(u64::MAX)];
    (account(), account(), motes).prop_map(|(from, to, motes)| pay(from, to, motes))
}

/// What must hold of every ledger at every time.
fn check(ledger: &Ledger) -> Result<(), TestCaseError> {
    prop_assert_eq!(ledger.sum(), 0);
    for (account, motes) in ledger.accounts() {
        prop_assert!(
            motes != 0 && (motes > 0 || account.may_owe()),
            "{account}: {motes}"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn money_is_neither_made_nor_lost(script in vec(transfer(), 0..60)) {
        let mut ledger = Ledger::default();
        let mut journal = Vec::new();
        for (at, transfer) in script.into_iter().enumerate() {
            let before = ledger.clone();
            let asked = transfer.clone();
            match ledger.transfer(Time(at as u64), transfer) {
                Err(_) => prop_assert_eq!(&ledger, &before),
                Ok(entry) => {
                    let motes = i128::from(asked.motes);
                    prop_assert_eq!(ledger.balance(&asked.from), before.balance(&asked.from) - motes);
                    prop_assert_eq!(ledger.balance(&asked.to), before.balance(&asked.to) + motes);
                    prop_assert_eq!(Transfer::from(entry.clone()), asked);
                    journal.push(entry);
                }
            }
            check(&ledger)?;
        }
        prop_assert_eq!(Ledger::replay(journal), Ok(ledger));
    }

    #[test]
    fn a_batch_happens_whole_or_not_at_all(
        first in vec(transfer(), 0..20),
        batch in vec(transfer(), 0..8),
    ) {
        let mut ledger = Ledger::default();
        for transfer in first {
            let _ = ledger.transfer(Time::ZERO, transfer);
        }
        let before = ledger.clone();
        let mut one_by_one = ledger.clone();
        let refused = batch.iter().cloned().enumerate().find_map(|(index, transfer)| {
            one_by_one.transfer(Time::ZERO, transfer).err().map(|reason| (index, reason))
        });
        match (ledger.apply(Time::ZERO, Batch(batch)), refused) {
            (Ok(_), None) => prop_assert_eq!(&ledger, &one_by_one),
            (Err(error), Some((index, reason))) => {
                prop_assert_eq!(error, BatchError::Refused { index, reason });
                prop_assert_eq!(&ledger, &before);
            }
            (answer, refused) => prop_assert!(false, "{answer:?} but {refused:?}"),
        }
        check(&ledger)?;
    }

    #[test]
    fn a_ledger_reads_back_as_it_was_written(script in vec(transfer(), 0..30)) {
        let mut ledger = Ledger::default();
        for transfer in script {
            let _ = ledger.transfer(Time::ZERO, transfer);
        }
        let bytes = wire::encode(1, &ledger)?;
        prop_assert_eq!(wire::decode_canonical::<Ledger>(1, &bytes)?, ledger);
    }

    #[test]
    fn an_account_reads_back_what_it_shows(account in account()) {
        prop_assert_eq!(account.to_string().parse::<AccountId>(), Ok(account));
    }
}

#[test]
fn an_overdraft_explains_itself() {
    let mut ledger = Ledger::default();
    ledger
        .transfer(Time::ZERO, pay(AccountId::mint(), AccountId::postage(), 12))
        .unwrap();
    let refused = ledger
        .transfer(Time::ZERO, pay(AccountId::postage(), vc(0), 20))
        .unwrap_err();
    insta::assert_snapshot!(refused, @"account postage holds 12 motes, 20 were to be paid");
    let batch = Batch(vec![
        pay(AccountId::postage(), vc(0), 12),
        pay(AccountId::postage(), vc(1), 1),
    ]);
    let refused = ledger.apply(Time::ZERO, batch).unwrap_err();
    insta::assert_snapshot!(refused, @"transfer 1 of the batch: account postage holds 0 motes, 1 were to be paid");
    assert_eq!(ledger.balance(&AccountId::postage()), 12);
    assert_eq!(ledger.issued(), 12);
}

#[test]
fn senseless_transfers_are_refused() {
    let mut ledger = Ledger::default();
    let refused = [
        (pay(AccountId::mint(), vc(0), 0), TransferError::Nothing),
        (
            pay(AccountId::mint(), AccountId::mint(), 1),
            TransferError::SameAccount {
                account: AccountId::mint(),
            },
        ),
        (
            Transfer {
                memo: "x".repeat(257),
                ..pay(AccountId::mint(), vc(0), 1)
            },
            TransferError::Memo { bytes: 257 },
        ),
    ];
    for (transfer, reason) in refused {
        assert_eq!(ledger.transfer(Time::ZERO, transfer), Err(reason));
    }
    let long = Batch(vec![pay(AccountId::mint(), vc(0), 1); Batch::LEN_MAX + 1]);
    assert_eq!(
        ledger.apply(Time::ZERO, long),
        Err(BatchError::Length {
            transfers: Batch::LEN_MAX + 1
        })
    );
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn balances_that_do_not_add_up_are_no_ledger() {
    let balances = |rows: &[(AccountId, i128)]| rows.iter().cloned().collect::<BTreeMap<_, _>>();
    let read = |rows: &[(AccountId, i128)]| Ledger::try_from(balances(rows));
    assert_eq!(read(&[(vc(0), 5)]), Err(LedgerError::Sum { sum: 5 }));
    assert_eq!(
        read(&[(vc(0), -5), (vc(1), 5)]),
        Err(LedgerError::BelowZero {
            account: vc(0),
            motes: -5
        })
    );
    assert_eq!(
        read(&[(vc(0), 0)]),
        Err(LedgerError::Zero { account: vc(0) })
    );
    assert_eq!(
        read(&[(vc(0), i128::MAX), (vc(1), 1)]),
        Err(LedgerError::Overflow)
    );
    assert!(read(&[(AccountId::mint(), -5), (vc(0), 5)]).is_ok());
    assert!(
        wire::decode::<Ledger>(1, &wire::encode(1, &balances(&[(vc(0), 5)])).unwrap()).is_err()
    );
}

#[test]
fn no_balance_wraps_around() {
    let rows = [(AccountId::mint(), -i128::MAX), (vc(0), i128::MAX)];
    let mut ledger = Ledger::try_from(BTreeMap::from(rows)).unwrap();
    for transfer in [
        pay(AccountId::mint(), vc(1), 2),
        pay(AccountId::mint(), vc(0), 1),
    ] {
        assert_eq!(
            ledger.transfer(Time::ZERO, transfer),
            Err(TransferError::Overflow)
        );
    }
    assert_eq!(ledger.sum(), 0);
}

#[test]
fn names_of_accounts_are_checked_once_at_the_boundary() {
    for name in ["mint", "postage", "escrow/deal-1", "tariff/v1.2_x"] {
        assert_eq!(
            name.parse::<AccountId>().map(|a| a.to_string()),
            Ok(name.to_owned())
        );
    }
    for name in [
        "",
        "/",
        "a/",
        "a//b",
        "Mint",
        "vc:a",
        "a b",
        &"x".repeat(97),
    ] {
        assert!(name.parse::<AccountId>().is_err(), "{name}");
    }
    assert!(AccountId::escrow(&"f".repeat(64)).is_ok());
    assert!(AccountId::escrow("Deal 1").is_err());
}
