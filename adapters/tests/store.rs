//! Both stores give the same answers, and what redb's files hold survives what can happen to them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use actors::store::{Op, Row, Store, StoreError, Table};
use adapters::store::FORMAT_KEY;
use adapters::store::memory::{FaultStore, MemoryStore};
use adapters::store::redb::{LastRun, RedbStore};
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

fn put(table: Table, key: &[u8], value: &[u8]) -> Op {
    Op::Put {
        table,
        key: key.to_vec(),
        value: value.to_vec(),
    }
}

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir).unwrap().0
}

/// Every row of a store, by table.
fn everything(store: &dyn Store) -> Vec<(Table, Vec<Row>)> {
    Table::ALL
        .map(|table| (table, store.range(table, &[], usize::MAX).unwrap()))
        .to_vec()
}

// --- Conformance --------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Op>),
    Get(Table, Vec<u8>),
    Range(Table, Vec<u8>, usize),
    Reopen,
}

/// Short keys over few letters, so that scripts meet the same rows again; the format's row is not
/// among them, and no range ends beyond it.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(0xff)],
        0..4,
    )
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::Vcs), Just(Table::Log), Just(Table::Meta)]
}

fn op() -> impl Strategy<Value = Op> {
    let value = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (table(), key(), value).prop_map(|(table, key, value)| Op::Put { table, key, value }),
        2 => (table(), key()).prop_map(|(table, key)| Op::Delete { table, key }),
        1 => (key(), key()).prop_map(|(from, until)| Op::DeleteRange { table: Table::Vcs, from, until }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(op(), 0..12).prop_map(Step::Commit),
        2 => (table(), key()).prop_map(|(table, key)| Step::Get(table, key)),
        2 => (table(), key(), 0_usize..5).prop_map(|(table, from, limit)| Step::Range(table, from, limit)),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_stores_give_the_same_answers(script in proptest::collection::vec(step(), 1..20)) {
        let dir = TempDir::new()?;
        let mut redb = open(dir.path());
        let memory = MemoryStore::new();
        let faulty = FaultStore::default();
        for step in script {
            match step {
                Step::Commit(ops) => {
                    for store in [&redb as &dyn Store, &memory, &faulty] {
                        store.commit(&ops)?;
                    }
                }
                Step::Get(table, key) => {
                    let expected = memory.get(table, &key)?;
                    prop_assert_eq!(redb.get(table, &key)?, expected.clone());
                    prop_assert_eq!(faulty.get(table, &key)?, expected);
                }
                Step::Range(table, from, limit) => {
                    let expected = memory.range(table, &from, limit)?;
                    prop_assert!(expected.is_sorted() && expected.len() <= limit);
                    prop_assert_eq!(redb.range(table, &from, limit)?, expected.clone());
                    prop_assert_eq!(faulty.range(table, &from, limit)?, expected);
                }
                Step::Reopen => {
                    drop(redb);
                    let (reopened, opened) = RedbStore::open(dir.path())?;
                    prop_assert_eq!(opened.last_run, LastRun::Clean);
                    redb = reopened;
                    faulty.crash();
                    faulty.restart();
                }
            }
            for table in Table::ALL {
                prop_assert_eq!(redb.len(table)?, memory.len(table)?);
                prop_assert_eq!(faulty.len(table)?, memory.len(table)?);
            }
        }
        drop(redb);
        let redb = open(dir.path());
        prop_assert_eq!(redb.verify(), vec![]);
        prop_assert_eq!(everything(&redb), everything(&memory));
        prop_assert_eq!(everything(&faulty), everything(&memory));
    }
}

// --- The folder ---------------------------------------------------------------------------------

#[test]
fn a_new_folder_is_its_owners_only() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path().join("deep/data");
    let (store, opened) = RedbStore::open(&dir).unwrap();
    assert_eq!(
        (opened.last_run, opened.migrated_from),
        (LastRun::None, None)
    );
    assert!(store.bytes_on_disk() > 0);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("medium.redb")), 0o600);
    drop(store);
    assert_eq!(mode(&dir.join("medium.sums")), 0o600);
}

#[test]
fn a_newer_folder_is_refused_and_stays_as_it_is() {
    let dir = TempDir::new().unwrap();
    open(dir.path())
        .commit(&[put(Table::Meta, FORMAT_KEY, &7_u32.to_le_bytes())])
        .unwrap();
    for _ in 0..2 {
        let refused = RedbStore::open(dir.path()).unwrap_err();
        assert_eq!(refused, StoreError::Version { found: 7, known: 1 });
    }
}

#[test]
fn an_older_folder_is_migrated_once() {
    let dir = TempDir::new().unwrap();
    let row = put(Table::Names, b"cat", b"vc");
    open(dir.path())
        .commit(&[put(Table::Meta, FORMAT_KEY, &0_u32.to_le_bytes()), row])
        .unwrap();
    let (store, opened) = RedbStore::open(dir.path()).unwrap();
    assert_eq!(opened.migrated_from, Some(0));
    assert_eq!(
        store.get(Table::Names, b"cat").unwrap().as_deref(),
        Some(&b"vc"[..])
    );
    drop(store);
    assert_eq!(RedbStore::open(dir.path()).unwrap().1.migrated_from, None);
}

#[test]
fn a_folder_without_its_format_is_damaged() {
    let dir = TempDir::new().unwrap();
    let delete = Op::Delete {
        table: Table::Meta,
        key: FORMAT_KEY.to_vec(),
    };
    open(dir.path()).commit(&[delete]).unwrap();
    assert!(matches!(
        RedbStore::open(dir.path()),
        Err(StoreError::Corrupt { .. })
    ));
}

const CHILD: &str = "MEDIUM_STORE_CHILD";

/// Not a test by itself: what the child of the next one does. It commits until it is killed, and
/// says so each time.
#[test]
fn child_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&dir));
    for index in 0_u64.. {
        let rows: Vec<Op> = (0..8)
            .map(|row| {
                put(
                    Table::Journal,
                    &[index.to_be_bytes(), [row; 8]].concat(),
                    &[row; 300],
                )
            })
            .collect();
        store.commit(&rows).unwrap();
        println!("committed {index}");
    }
}

#[test]
fn a_live_node_keeps_its_folder_and_a_killed_one_loses_no_commit() {
    let dir = TempDir::new().unwrap();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_commits_until_it_is_killed", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut last = None;
        while last.is_none_or(|last: u64| last < 5) {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child ended");
            last = line
                .split("committed ")
                .nth(1)
                .and_then(|n| n.trim().parse().ok())
                .or(last);
        }

        let expected = format!("{}, process {}", dir.path().display(), child.id());
        assert_eq!(
            RedbStore::open(dir.path()).unwrap_err(),
            StoreError::InUse { what: expected }
        );

        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        // A last line may be cut off.
        let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut said = whole
            .lines()
            .filter_map(|line| line.split("committed ").nth(1)?.parse().ok());
        let last = said.next_back().or(last).unwrap();

        let (store, opened) = RedbStore::open(dir.path()).unwrap();
        assert_eq!(opened.last_run, LastRun::Unclean, "round {round}");
        let rows = store.len(Table::Journal).unwrap();
        assert_eq!(rows % 8, 0, "a commit is whole");
        for index in 0..=last {
            let key = [index.to_be_bytes(), [7; 8]].concat();
            assert_eq!(store.get(Table::Journal, &key).unwrap(), Some(vec![7; 300]));
        }
        assert_eq!(store.verify(), vec![]);
    }
}

/// A node was killed, and then a byte of its file changed: redb took the damaged last commit for a torn
/// one and rolled it back in silence, although it had been acknowledged. Now every page is damaged in
/// turn, and the last commit is there or the damage is named.
#[test]
fn damage_after_a_kill_never_rolls_an_acknowledged_commit_back() {
    const LAST: u64 = 40;
    let dir = TempDir::new().unwrap();
    // Killed: what was committed is in the file, and nothing was closed.
    let store = open(dir.path());
    for index in 0..=LAST {
        let value = [u8::try_from(index).unwrap(); 300];
        store.commit(&[put(Table::Vcs, b"one", &value)]).unwrap();
    }
    let file = std::fs::read(dir.path().join("medium.redb")).unwrap();
    drop(store);

    let want = vec![u8::try_from(LAST).unwrap(); 300];
    let (mut right, mut named) = (0, 0);
    for page in (0..file.len()).step_by(4_096) {
        for at in [page + 100, page + 400, page + 2_000, page + 4_000] {
            if file[at] == 0 {
                continue; // Mostly pages that are not in use.
            }
            let damaged = TempDir::new().unwrap();
            let mut bytes = file.clone();
            bytes[at] ^= 0x40;
            std::fs::write(damaged.path().join("medium.redb"), bytes).unwrap();
            let seen = RedbStore::open(damaged.path())
                .and_then(|(store, _)| store.get(Table::Vcs, b"one"));
            match seen {
                Ok(value) => {
                    assert_eq!(
                        value.as_ref(),
                        Some(&want),
                        "byte {at}: an older commit is served"
                    );
                    right += 1;
                }
                Err(StoreError::Corrupt { .. }) => named += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
    assert!(right > 0 && named > 0, "{right} right, {named} named");
}

// --- Damage -------------------------------------------------------------------------------------

type Known = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// A closed store of some thousand rows, some of them over several pages, and what it holds.
fn template() -> &'static (TempDir, Known) {
    static TEMPLATE: OnceLock<(TempDir, Known)> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path());
        let mut known = Known::new();
        for batch in 0..6_u32 {
            let mut ops = Vec::new();
            for row in 0..600_u32 {
                // Each batch overwrites a part of the one before, so that old copies lie around.
                let number = batch * 400 + row;
                let table = Table::ALL[1 + number as usize % 4];
                let key = blake3::hash(&number.to_le_bytes()).as_bytes()[..16].to_vec();
                let len = if row % 100 == 0 {
                    9_000
                } else {
                    20 + number as usize % 300
                };
                let mut value = vec![0; len];
                blake3::Hasher::new()
                    .update(&key)
                    .update(&[batch.to_le_bytes()[0]])
                    .finalize_xof()
                    .fill(&mut value);
                ops.push(put(table, &key, &value));
                known.insert((table, key), value);
            }
            store.commit(&ops).unwrap();
        }
        (dir, known)
    })
}

fn copy(with_sums: bool) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::copy(
        template().0.path().join("medium.redb"),
        dir.path().join("medium.redb"),
    )
    .unwrap();
    if with_sums {
        std::fs::copy(
            template().0.path().join("medium.sums"),
            dir.path().join("medium.sums"),
        )
        .unwrap();
    }
    dir
}

/// Flips bits of a file at offsets.
fn flip(path: &Path, flips: impl IntoIterator<Item = (u64, u8)>) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    for (offset, bits) in flips {
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ bits], offset).unwrap();
    }
}

/// Flips bits somewhere in a file.
fn flip_somewhere(path: &Path, flips: &[(Index, u8)]) {
    let len = std::fs::read(path).unwrap().len();
    flip(
        path,
        flips.iter().map(|(at, bits)| (at.index(len) as u64, *bits)),
    );
}

/// Reads everything in every way: what is not an error is right. Says how many rows could be read.
fn check_damaged(store: &RedbStore) -> usize {
    let known = &template().1;
    let mut read = 0;
    for ((table, key), value) in known {
        match store.get(*table, key) {
            Ok(found) => {
                assert_eq!(found.as_ref(), Some(value));
                read += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Corrupt { .. }), "{error}"),
        }
        let mut other = key.clone();
        other.push(0);
        if let Ok(found) = store.get(*table, &other) {
            assert_eq!(found, None);
        }
    }
    for table in Table::ALL {
        if table == Table::Meta {
            continue;
        }
        let rows = || {
            known
                .range((table, vec![])..)
                .take_while(|((at, _), _)| *at == table)
        };
        if let Ok(found) = store.range(table, &[], usize::MAX) {
            assert!(
                found
                    .into_iter()
                    .eq(rows().map(|((_, key), value)| (key.clone(), value.clone())))
            );
        }
        if let Ok(len) = store.len(table) {
            assert_eq!(len, rows().count() as u64);
        }
    }
    read
}

fn flips() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec((any::<Index>(), 1_u8..), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_file_damaged_at_rest_is_named_never_served(flips in flips(), with_sums: bool) {
        let dir = copy(with_sums);
        flip_somewhere(&dir.path().join("medium.redb"), &flips);
        match RedbStore::open(dir.path()) {
            Ok((store, _)) => {
                check_damaged(&store);
            }
            Err(error) => prop_assert!(matches!(error, StoreError::Corrupt { .. }), "{}", error),
        }
    }


    #[test]
    fn damaged_checksums_and_cut_files_are_named(at: Index, bits in 1_u8.., cut: bool) {
        let dir = copy(true);
        if cut {
            let path = dir.path().join("medium.redb");
            let len = at.index(std::fs::read(&path)?.len());
            std::fs::File::options().write(true).open(path)?.set_len(len as u64)?;
        } else {
            flip_somewhere(&dir.path().join("medium.sums"), &[(at, bits)]);
        }
        let error = RedbStore::open(dir.path()).unwrap_err();
        prop_assert!(matches!(error, StoreError::Corrupt { .. }), "{}", error);
    }
}

proptest! {
    // Each case reads every row without a cache.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_file_damaged_while_open_is_named_and_the_rest_is_served(flips in flips()) {
        let dir = copy(true);
        let (store, _) = RedbStore::open_with_cache(dir.path(), 0)?;
        flip_somewhere(&dir.path().join("medium.redb"), &flips);
        let read = check_damaged(&store);
        // A flip takes a leaf, or a branch with the leaves below it.
        let damage = store.verify();
        prop_assert!(read == template().1.len() || !damage.is_empty(), "{} rows, {:?}", read, damage);
        // What cannot be read does not keep others from being written.
        if store.commit(&[put(Table::Ledger, b"account", b"1")]).is_ok() {
            prop_assert_eq!(store.get(Table::Ledger, b"account")?, Some(b"1".to_vec()));
        }
    }
}

#[test]
fn a_damaged_row_is_named_with_its_table_and_key() {
    let dir = copy(true);
    let (store, _) = RedbStore::open_with_cache(dir.path(), 0).unwrap();
    let ((table, key), value) = template()
        .1
        .iter()
        .find(|(_, value)| value.len() == 9_000)
        .unwrap();
    let bytes = std::fs::read(dir.path().join("medium.redb")).unwrap();
    let places = bytes
        .windows(64)
        .enumerate()
        .filter(|(_, window)| *window == &value[..64]);
    let flips: Vec<_> = places.map(|(at, _)| (at as u64 + 30, 1)).collect();
    assert!(!flips.is_empty());
    flip(&dir.path().join("medium.redb"), flips);
    let error = store.get(*table, key).unwrap_err().to_string();
    let name = format!(
        "stored data is damaged: table {table}, key {:02x}{:02x}",
        key[0], key[1]
    );
    assert!(
        error.starts_with(&name) && error.contains("damaged bytes of medium.redb"),
        "{error}"
    );
    assert_eq!(
        check_damaged(&store) + 1,
        template().1.len(),
        "only the row is lost"
    );
}
