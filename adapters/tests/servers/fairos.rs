//! Pods kept by the real FairOS-DFS: users, pods, directories, files.

use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};

use adapters::fairos::Fairos;
use adapters::http::{Login, Secret};
use adapters::pods::{Edit, FileMeta, PodPath, Pods as _, PodsError, Progress, Quiet, Source};

use crate::start;
use crate::users::{PASSWORD, get, noise, path, pod, put, session, told, tree, user};

#[test]
fn a_user_signs_up_once_and_logs_in_with_the_password() {
    let Some(stranger) = session("known") else {
        return;
    };
    assert!(!stranger.is_known().unwrap());
    insta::assert_snapshot!(told(stranger.pods()), @"FairOS-DFS at http://HOST answered 404 to `POST /v2/user/login`: user login: no user available | `MEDIUM_FAIROS_USER` names nobody there: sign up first");
    let account = stranger.sign_up(None).unwrap();
    assert!(stranger.is_known().unwrap());
    assert_eq!(stranger.address().unwrap(), account.address);
    insta::assert_snapshot!(told(stranger.sign_up(None)), @"FairOS-DFS at http://HOST answered 400 to `POST /v2/user/signup`: user signup: user name already present | log in instead, or choose another name");

    let again = session("known").unwrap();
    assert_eq!(again.address().unwrap(), account.address);
    again.log_out().unwrap();
    assert_eq!(
        again.address().unwrap(),
        account.address,
        "it logs in again"
    );

    let address = &start::servers().unwrap().fairos;
    let login = Login {
        user: "known".to_owned(),
        password: Secret::new("another password"),
    };
    let impostor = Fairos::new(address, login).unwrap();
    insta::assert_snapshot!(told(impostor.pods()), @"FairOS-DFS at http://HOST answered 400 to `POST /v2/user/login`: user login: invalid password | correct `MEDIUM_FAIROS_PASSWORD`");
    let shown = format!("{impostor:?} {again:?}");
    assert!(
        !shown.contains(PASSWORD) && !shown.contains("another password"),
        "{shown}"
    );
}

#[test]
fn a_password_that_is_too_short_is_refused() {
    let Some(servers) = start::servers() else {
        return;
    };
    let login = Login {
        user: "short".to_owned(),
        password: Secret::new("short"),
    };
    let fairos = Fairos::new(&servers.fairos, login).unwrap();
    insta::assert_snapshot!(told(fairos.sign_up(None)), @"FairOS-DFS at http://HOST answered 500 to `POST /v2/user/signup`: user signup: password should be at least 12 characters long | choose a longer password");
    assert!(!fairos.is_known().unwrap());
}

#[test]
fn a_pod_is_made_opened_closed_and_removed() {
    let Some(ana) = user("life") else {
        return;
    };
    assert_eq!(ana.pods().unwrap(), []);
    let made = ana.create(&pod("books"), false).unwrap();
    assert!(made.open && !made.public && made.latest.is_none());
    assert_eq!(made.owner.len(), 40);
    assert_eq!(ana.pod(&pod("books")).unwrap(), made);
    insta::assert_snapshot!(told(ana.create(&pod("books"), false)), @"there is a pod `books` already");
    insta::assert_snapshot!(told(ana.create(&pod("open"), true)), @"FairOS-DFS at http://HOST cannot keep a pod unencrypted | make it private, and share it: its reference key is read by whoever has it");

    put(&ana, "books", "/a.txt", b"text");
    let closed = ana.set_open(&pod("books"), false).unwrap();
    assert!(!closed.open);
    assert_eq!(closed.owner, made.owner);
    assert!(!ana.pods().unwrap()[0].open);
    insta::assert_snapshot!(told(get(&ana, &Source::pod(&pod("books")), "/a.txt")), @"the pod `books` is closed | `medium pod open books` opens it");
    insta::assert_snapshot!(told(ana.edit(&pod("books")).map(drop)), @"the pod `books` is closed | `medium pod open books` opens it");
    insta::assert_snapshot!(told(ana.share(&pod("books"), &PodPath::root())), @"the pod `books` is closed | `medium pod open books` opens it");
    assert!(ana.set_open(&pod("books"), true).unwrap().open);
    assert_eq!(
        get(&ana, &Source::pod(&pod("books")), "/a.txt").unwrap(),
        b"text"
    );

    ana.remove_pod(&pod("books")).unwrap();
    assert_eq!(ana.pods().unwrap(), []);
    insta::assert_snapshot!(told(ana.remove_pod(&pod("books"))), @"there is no pod `books` | `medium pod ls` lists the pods of a wallet");
    ana.create(&pod("books"), false).unwrap();
    assert_eq!(
        tree(&ana, &Source::pod(&pod("books"))),
        [""; 0],
        "the name is free again"
    );
}

#[test]
fn a_missing_pod_is_said_to_be_missing_and_not_made() {
    let Some(ana) = user("missing") else {
        return;
    };
    let nowhere = Source::pod(&pod("nowhere"));
    insta::assert_snapshot!(told(ana.pod(&pod("nowhere"))), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(ana.set_open(&pod("nowhere"), true)), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(ana.list(&nowhere, &PodPath::root())), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(get(&ana, &nowhere, "/a")), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(ana.edit(&pod("nowhere")).map(drop)), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(ana.share(&pod("nowhere"), &PodPath::root())), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    insta::assert_snapshot!(told(ana.fork(&nowhere, &pod("copy"))), @"there is no pod `nowhere` | `medium pod ls` lists the pods of a wallet");
    assert_eq!(ana.pods().unwrap(), []);
}

#[test]
fn files_come_back_as_they_went() {
    let Some(ana) = user("files") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    // Nothing, a byte, what is sniffed, a block, one over, several blocks.
    let lengths = [0, 1, 511, 512, 999_999, 1_000_000, 1_000_001, 3_500_000];
    for length in lengths {
        let bytes = noise(length);
        let at = format!("/file {length}");
        let entry = put(&ana, "p", &at, &bytes);
        assert_eq!(
            (entry.bytes, entry.path.as_str()),
            (length as u64, at.as_str())
        );
        assert!(entry.modified > 0 && !entry.executable);
        assert!(get(&ana, &here, &at).unwrap() == bytes, "{length} bytes");
    }
    let list = ana.list(&here, &PodPath::root()).unwrap();
    assert_eq!(list.len(), lengths.len());

    let bytes = noise(3_500_000);
    for (range, expected) in [
        (0..5, &bytes[..5]),
        (999_990..1_000_010, &bytes[999_990..1_000_010]),
        (3_499_990..9_000_000, &bytes[3_499_990..]),
        (7..7, &[][..]),
        (8_000_000..9_000_000, &[][..]),
    ] {
        let mut out = Vec::new();
        let at = path("/file 3500000");
        let read = ana.read(&here, &at, Some(range.clone()), &mut out, &Quiet);
        assert_eq!(read.unwrap(), expected.len() as u64);
        assert!(out == expected, "{range:?}");
    }

    put(&ana, "p", "/file 1", b"longer than before");
    assert_eq!(get(&ana, &here, "/file 1").unwrap(), b"longer than before");
    put(&ana, "p", "/file 1", b"");
    assert_eq!(get(&ana, &here, "/file 1").unwrap(), b"");
    assert_eq!(
        ana.list(&here, &PodPath::root()).unwrap().len(),
        lengths.len()
    );
}

#[test]
fn a_source_of_unknown_length_is_streamed() {
    let Some(ana) = user("streamed") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    let mut source = std::io::repeat(b'r').take(40_000_000);
    let counted = Counted::default();
    let entry = edit
        .write(&path("/r"), &FileMeta::default(), &mut source, &counted)
        .unwrap();
    assert_eq!(entry.bytes, 40_000_000);
    assert_eq!(counted.0.load(Ordering::Relaxed), 40_000_000);
    edit.commit("").unwrap();
    let bytes = get(&ana, &Source::pod(&pod("p")), "/r").unwrap();
    assert!(bytes.len() == 40_000_000 && bytes.iter().all(|byte| *byte == b'r'));
}

/// Counts what is transferred.
#[derive(Default)]
struct Counted(AtomicU64);

impl Progress for Counted {
    fn moved(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Stops after so many bytes.
struct Impatient(AtomicU64, u64);

impl Progress for Impatient {
    fn moved(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= self.1
    }
}

#[test]
fn a_transfer_that_is_stopped_leaves_nothing_whole() {
    let Some(ana) = user("stopped") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    let mut edit = ana.edit(&pod("p")).unwrap();
    let impatient = Impatient(AtomicU64::new(0), 1_000_000);
    let sent = edit.write(
        &path("/big"),
        &FileMeta::default(),
        &mut std::io::repeat(0),
        &impatient,
    );
    assert!(matches!(sent.unwrap_err(), PodsError::Stopped { bytes } if bytes >= 1_000_000));
    drop(edit);

    let mut edit = ana.edit(&pod("p")).unwrap();
    let meta = FileMeta {
        bytes: Some(10),
        ..FileMeta::default()
    };
    let short = edit.write(&path("/short"), &meta, &mut &b"12345"[..], &Quiet);
    insta::assert_snapshot!(told(short), @"what is sent cannot be read: 5 bytes are missing at its end");
    drop(edit);
    // The server may keep what had come of the first when its connection ended, and nobody can take that back: it
    // does so when it likes. It is less than was to be sent, and no listing says otherwise.
    for left in tree(&ana, &here) {
        let bytes = left
            .strip_prefix("/big=")
            .expect("nothing is left of the other");
        assert!(bytes.parse::<u64>().unwrap() < 2_000_000, "{left}");
    }

    put(&ana, "p", "/whole", &noise(2_000_000));
    let impatient = Impatient(AtomicU64::new(0), 1);
    let mut out = Vec::new();
    let read = ana.read(&here, &path("/whole"), None, &mut out, &impatient);
    assert!(matches!(read.unwrap_err(), PodsError::Stopped { bytes } if bytes < 2_000_000));
}

#[test]
fn odd_names_are_kept_exactly() {
    let Some(ana) = user("odd") else {
        return;
    };
    ana.create(&pod("ö d d"), false).unwrap();
    let here = Source::pod(&pod("ö d d"));
    let names = [
        " ends with blanks ",
        "quote\"quote",
        "back\\slash",
        "100%",
        "a+b&c=d?e#f",
        "日本語",
        "ä;ö",
        "'single'",
        "...",
        "_F_x",
        "_D_x",
        "x",
        "*",
        "{}",
        "-",
        "👩‍🚀",
        "tab?no",
    ];
    let mut expected = Vec::new();
    for name in names {
        put(&ana, "ö d d", &format!("/{name}"), name.as_bytes());
        put(&ana, "ö d d", &format!("/d {name}/{name}"), name.as_bytes());
        expected.push(format!("/{name}={}", name.len()));
        expected.push(format!("/d {name}/"));
        expected.push(format!("/d {name}/{name}={}", name.len()));
    }
    let path_of = |line: &String| {
        line.trim_end_matches('/')
            .split('=')
            .next()
            .map(str::to_owned)
    };
    let mut found = tree(&ana, &here);
    found.sort_by_key(path_of);
    expected.sort_by_key(path_of);
    assert_eq!(found, expected);
    for name in names {
        let read = get(&ana, &here, &format!("/d {name}/{name}")).unwrap();
        assert_eq!(read, name.as_bytes(), "{name}");
    }
}

#[test]
fn a_tree_is_uploaded_changed_and_removed() {
    let Some(ana) = user("tree") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    let mut edit = ana.edit(&pod("p")).unwrap();
    let meta = FileMeta::default();
    for (at, text) in [
        ("/recipe.json", "{}"),
        ("/script/run.sh", "echo"),
        ("/payload/a/1.txt", "one"),
        ("/payload/a/2.txt", "two"),
        ("/payload/b/1.txt", "three"),
    ] {
        let program = FileMeta {
            executable: at == "/script/run.sh",
            ..meta.clone()
        };
        let entry = edit
            .write(&path(at), &program, &mut text.as_bytes(), &Quiet)
            .unwrap();
        assert_eq!(entry.executable, at == "/script/run.sh", "{at}");
    }
    edit.make_directory(&path("/output/logs")).unwrap();
    edit.make_directory(&path("/output")).unwrap();
    let snapshot = edit.commit("first").unwrap();
    assert_eq!((snapshot.files, snapshot.bytes), (5, 2 + 4 + 3 + 3 + 5));
    let recipe = ana.stat(&here, &path("/recipe.json")).unwrap();
    assert_eq!(recipe.content_type, "application/json");
    assert!(snapshot.at > 0 && snapshot.note == "first");
    let first = [
        "/output/",
        "/output/logs/",
        "/payload/",
        "/payload/a/",
        "/payload/a/1.txt=3",
        "/payload/a/2.txt=3",
        "/payload/b/",
        "/payload/b/1.txt=5",
        "/recipe.json=2",
        "/script/",
        "/script/run.sh=4",
    ];
    assert_eq!(tree(&ana, &here), first);

    let mut edit = ana.edit(&pod("p")).unwrap();
    edit.copy(&path("/script/run.sh"), &path("/bin/run"))
        .unwrap();
    edit.copy(&path("/payload"), &path("/copy")).unwrap();
    edit.rename(&path("/payload/a/1.txt"), &path("/moved/one"))
        .unwrap();
    edit.rename(&path("/payload"), &path("/data/in")).unwrap();
    edit.remove(&path("/output"), true).unwrap();
    edit.remove(&path("/recipe.json"), false).unwrap();
    edit.commit("").unwrap();
    let second = [
        "/bin/",
        "/bin/run=4",
        "/copy/",
        "/copy/a/",
        "/copy/a/1.txt=3",
        "/copy/a/2.txt=3",
        "/copy/b/",
        "/copy/b/1.txt=5",
        "/data/",
        "/data/in/",
        "/data/in/a/",
        "/data/in/a/2.txt=3",
        "/data/in/b/",
        "/data/in/b/1.txt=5",
        "/moved/",
        "/moved/one=3",
        "/script/",
        "/script/run.sh=4",
    ];
    assert_eq!(tree(&ana, &here), second);
    assert_eq!(get(&ana, &here, "/data/in/b/1.txt").unwrap(), b"three");
    assert!(ana.stat(&here, &path("/bin/run")).unwrap().executable);
    let other = session("tree").unwrap();
    assert_eq!(tree(&other, &here), second, "another session sees the same");

    let mut edit = ana.edit(&pod("p")).unwrap();
    edit.remove(&PodPath::root(), true).unwrap();
    edit.commit("").unwrap();
    assert_eq!(tree(&ana, &here), [""; 0]);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let Some(ana) = user("refused") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    put(&ana, "p", "/d/f", b"text");
    put(&ana, "p", "/g", b"");
    let before = tree(&ana, &here);
    let mut edit = ana.edit(&pod("p")).unwrap();
    let write = |edit: &mut Box<dyn Edit + '_>, at: &str| {
        edit.write(&path(at), &FileMeta::default(), &mut &b"x"[..], &Quiet)
    };
    insta::assert_snapshot!(told(write(&mut edit, "/d")), @"`/d` is a directory");
    insta::assert_snapshot!(told(write(&mut edit, "/g/x")), @"`/g` is a file, not a directory");
    insta::assert_snapshot!(told(write(&mut edit, "/d/index.dfs")), @"`/d/index.dfs` is no path in a pod: FairOS-DFS keeps its own lists in files named `index.dfs`");
    insta::assert_snapshot!(told(edit.make_directory(&path("/g"))), @"`/g` is a file, not a directory");
    insta::assert_snapshot!(told(edit.make_directory(&path("/d/f/e"))), @"`/d/f` is a file, not a directory");
    insta::assert_snapshot!(told(edit.remove(&path("/d"), false)), @"`/d` is not empty: 1 entries are in it");
    insta::assert_snapshot!(told(edit.remove(&path("/d/no"), true)), @"`p` has no `/d/no`");
    insta::assert_snapshot!(told(edit.remove(&path("/no/no"), true)), @"`p` has no `/no/no`");
    insta::assert_snapshot!(told(edit.copy(&path("/no"), &path("/x"))), @"`p` has no `/no`");
    insta::assert_snapshot!(told(edit.copy(&path("/d"), &path("/d/e"))), @"`/d/e` is no path in a pod: it is inside `/d`");
    insta::assert_snapshot!(told(edit.copy(&path("/d"), &path("/g"))), @"`/g` is there already");
    insta::assert_snapshot!(told(edit.rename(&path("/g"), &path("/d"))), @"`/d` is there already");
    insta::assert_snapshot!(told(edit.rename(&path("/g"), &path("/d/f/g"))), @"`/d/f` is a file, not a directory");
    insta::assert_snapshot!(told(edit.rename(&path("/d"), &path("/d/d"))), @"`/d/d` is no path in a pod: it is inside `/d`");
    insta::assert_snapshot!(told(ana.list(&here, &path("/g"))), @"`/g` is a file, not a directory");
    insta::assert_snapshot!(told(ana.list(&here, &path("/no"))), @"`p` has no `/no`");
    insta::assert_snapshot!(told(get(&ana, &here, "/no")), @"`p` has no `/no`");
    insta::assert_snapshot!(told(get(&ana, &here, "/d")), @"`/d` is a directory");
    insta::assert_snapshot!(told(ana.stat(&here, &path("/d/f/x"))), @"`p` has no `/d/f/x`");
    insta::assert_snapshot!(told(ana.history(&pod("p"))), @"FairOS-DFS at http://HOST cannot tell the history of a pod | the embedded store and Bee keep one");
    insta::assert_snapshot!(told(ana.batches()), @"FairOS-DFS at http://HOST cannot list batches | its operator chose one when it was started");
    insta::assert_snapshot!(told(ana.share(&pod("p"), &path("/d"))), @"FairOS-DFS at http://HOST cannot share a directory of a pod | share the pod, a file of it, or a pod with a copy of the directory");
    let then = Source::Pod {
        name: "p".to_owned(),
        at: Some(0),
    };
    insta::assert_snapshot!(told(ana.list(&then, &PodPath::root())), @"FairOS-DFS at http://HOST cannot read a pod as it was | the embedded store and Bee keep snapshots");
    drop(edit);
    assert_eq!(tree(&ana, &here), before);
}
