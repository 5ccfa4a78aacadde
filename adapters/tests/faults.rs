//! The store with faults fails as planned, and only then.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use actors::store::{Op, Store, StoreError, Table};
use adapters::store::memory::{CommitFate, FaultStore, Plan};
use proptest::prelude::*;

fn put(key: u8) -> Vec<Op> {
    vec![
        Op::Put {
            table: Table::Log,
            key: vec![key, 0],
            value: vec![key],
        },
        Op::Put {
            table: Table::Vcs,
            key: vec![key, 1],
            value: vec![key],
        },
    ]
}

/// The commits that are there; each must be whole.
fn present(store: &FaultStore) -> Vec<u8> {
    let log: Vec<u8> = store
        .range(Table::Log, &[], 100)
        .unwrap()
        .iter()
        .map(|(key, _)| key[0])
        .collect();
    let vcs: Vec<u8> = store
        .range(Table::Vcs, &[], 100)
        .unwrap()
        .iter()
        .map(|(key, _)| key[0])
        .collect();
    assert_eq!(log, vcs, "a commit is torn");
    log
}

#[test]
fn the_commit_in_which_it_crashes_is_there_whole_or_not_at_all() {
    for (fate, expected) in [(CommitFate::Lost, vec![1]), (CommitFate::Kept, vec![1, 2])] {
        let store = FaultStore::new(Plan {
            crash_at: Some(2),
            fate,
            ..Plan::default()
        });
        store.commit(&put(1)).unwrap();
        assert!(matches!(store.commit(&put(2)), Err(StoreError::Io { .. })));
        assert!(store.is_crashed());
        assert!(
            store.get(Table::Log, &[1, 0]).is_err(),
            "down until the restart"
        );
        assert!(store.commit(&put(3)).is_err());
        let again = store.clone();
        again.restart();
        assert_eq!(present(&again), expected);
        again.commit(&put(4)).unwrap();
        assert_eq!(present(&store).last(), Some(&4));
    }
}

#[test]
fn a_full_disk_refuses_commits_until_it_is_freed() {
    let store = FaultStore::new(Plan {
        full_from: Some(2),
        ..Plan::default()
    });
    store.commit(&put(1)).unwrap();
    assert!(matches!(
        store.commit(&put(2)),
        Err(StoreError::Full { .. })
    ));
    assert_eq!(present(&store), [1]);
    store.free_space();
    store.commit(&put(3)).unwrap();
    store.fill_space();
    assert!(matches!(
        store.commit(&put(4)),
        Err(StoreError::Full { .. })
    ));
    assert_eq!(present(&store), [1, 3]);
}

#[test]
fn a_broken_row_cannot_be_read_alone_or_among_others() {
    let store = FaultStore::default();
    store.commit(&[put(1), put(2)].concat()).unwrap();
    store.break_row(Table::Log, &[2, 0]);
    assert!(matches!(
        store.get(Table::Log, &[2, 0]),
        Err(StoreError::Io { .. })
    ));
    assert!(store.range(Table::Log, &[], 2).is_err());
    assert_eq!(store.range(Table::Log, &[], 1).unwrap().len(), 1);
    assert_eq!(store.get(Table::Log, &[1, 0]).unwrap(), Some(vec![1]));
    store.mend_rows();
    assert_eq!(present(&store), [1, 2]);
}

proptest! {
    /// A disk that lies loses the newest commits, never one in the middle, and never more than planned.
    #[test]
    fn a_crash_loses_only_the_last_commits(seed: u64, unsynced_max in 0_usize..5, commits in 0_u8..9) {
        let run = || -> Result<_, TestCaseError> {
            let store = FaultStore::new(Plan { seed, unsynced_max, ..Plan::default() });
            for key in 0..commits {
                store.commit(&put(key))?;
            }
            store.crash();
            store.restart();
            Ok(present(&store))
        };
        let left = run()?;
        prop_assert!(left.len() + unsynced_max >= usize::from(commits));
        prop_assert_eq!(&left, &(0..commits).take(left.len()).collect::<Vec<_>>());
        prop_assert_eq!(left, run()?, "the seed decides");
    }

    #[test]
    fn a_crash_comes_at_the_call_that_was_planned(at in 1_u64..12, seed: u64) {
        let store = FaultStore::new(Plan { seed, ..Plan::default() });
        store.crash_at(at, CommitFate::Seeded);
        for call in 1..12_u64 {
            let failed = match call % 3 {
                0 => store.get(Table::Log, &[0]).is_err(),
                1 => store.commit(&put(call.to_le_bytes()[0])).is_err(),
                _ => store.len(Table::Log).is_err(),
            };
            prop_assert_eq!(failed, call >= at, "call {}", call);
        }
        prop_assert_eq!(store.calls(), 11);
        store.restart();
        present(&store);
    }
}
