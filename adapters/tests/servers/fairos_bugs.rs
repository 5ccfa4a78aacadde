//! What the real FairOS-DFS does wrong, and that nobody notices.

use adapters::http::{Http, Patience};
use adapters::pods::{PodPath, Pods, Source};
use serde_json::{Value, json};

use crate::start;
use crate::users::{get, path, pod, put, session, told, tree, user};

/// A call of the server without the client that is tested: its status and what it says.
fn raw(token: &str, method: &str, at: &[&str], body: &Value) -> Value {
    let http = Http::new(
        "raw",
        &start::servers().unwrap().fairos,
        Patience::default(),
    )
    .unwrap();
    let token = adapters::http::Secret::new(token);
    let request = match method {
        "DELETE" => http.delete(at),
        _ => http.post(at),
    };
    let answer = request.json(body).bearer(&token).send().unwrap();
    answer.json().unwrap()
}

/// A token of a user, for raw calls.
fn token(user: &str) -> String {
    let body = json!({"userName": user, "password": "correct horse battery"});
    let told = raw("", "POST", &["v2", "user", "login"], &body);
    told["accessToken"].as_str().unwrap().to_owned()
}

/// The server: a success, and an empty fork, for text that is no reference.
#[test]
fn a_fork_of_what_is_no_reference_is_refused() {
    let Some(ana) = user("no-reference") else {
        return;
    };
    let body = json!({"forkName": "empty", "podSharingReference": "no hex"});
    let answer = raw(
        &token("no-reference"),
        "POST",
        &["v1", "pod", "fork-from-reference"],
        &body,
    );
    assert_eq!(
        answer["message"], "pod forked successfully",
        "the bug is still there"
    );
    ana.remove_pod(&pod("empty")).unwrap();

    for text in [
        "no hex",
        "",
        "abc",
        &"0".repeat(63),
        &"g".repeat(64),
        &"0".repeat(127),
    ] {
        let from = Source::Reference(text.to_owned());
        let refused = told(ana.fork(&from, &pod("empty")));
        assert!(
            refused.contains("references have 64 or 128 hexadecimal digits"),
            "{refused}"
        );
    }
    let unknown = "0".repeat(64);
    insta::assert_snapshot!(told(ana.find(&unknown)), @"`0000000000000000000000000000000000000000000000000000000000000000` leads nowhere: pod receive info: Not Found");
    insta::assert_snapshot!(told(ana.fork(&Source::Reference(unknown), &pod("empty"))), @"`0000000000000000000000000000000000000000000000000000000000000000` leads nowhere: public pod file download: Not Found");
    insta::assert_snapshot!(told(ana.find(&"0".repeat(128))), @"`00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000` leads nowhere: file receive info: Not Found");
    assert_eq!(ana.pods().unwrap(), []);
}

/// The server: any JSON is a pod's reference; opening it fails later, and a fork of it is empty.
#[test]
fn a_reference_to_something_else_is_refused() {
    let Some(ana) = user("something-else") else {
        return;
    };
    let bee = Http::new("Bee", &start::servers().unwrap().bee, Patience::default()).unwrap();
    let upload = |text: &'static str| {
        let request = bee.post(&["bytes"]).bytes("application/octet-stream", text);
        let batch = "0".repeat(63) + "1";
        let answer = request
            .header("swarm-postage-batch-id", &batch)
            .send()
            .unwrap();
        let told: Value = answer.json().unwrap();
        told["reference"].as_str().unwrap().to_owned()
    };
    for text in [
        "not JSON",
        "{}",
        r#"{"podName": "x", "podAddress": "12", "password": "p", "userAddress": "12"}"#,
        r#"{"podName": "x", "podAddress": "00112233445566778899aabbccddeeff00112233", "password": "p", "userAddress": ""}"#,
    ] {
        let reference = upload(text);
        let refused = told(ana.find(&reference));
        assert!(refused.contains("leads nowhere"), "{text}: {refused}");
        let from = Source::Reference(reference);
        let refused = told(ana.fork(&from, &pod("empty")));
        assert!(refused.contains("leads nowhere"), "{text}: {refused}");
    }
    assert_eq!(ana.pods().unwrap(), []);
}

/// The server: `rmdir /a/b` takes `/b` out of the root's list and leaves `b` in that of `/a`.
#[test]
fn removing_a_directory_takes_no_other_with_it() {
    let Some(ana) = user("rmdir") else {
        return;
    };
    let body = json!({"podName": "broken", "dirPath": "/a/b"});
    ana.create(&pod("broken"), false).unwrap();
    put(&ana, "broken", "/b/keep", b"");
    put(&ana, "broken", "/a/b/gone", b"");
    let broken = Source::pod(&pod("broken"));
    assert_eq!(tree(&ana, &broken).len(), 5);
    raw(&token("rmdir"), "DELETE", &["v1", "dir", "rmdir"], &body);
    assert_eq!(tree(&ana, &broken), ["/a/"], "the bug is still there");

    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    for at in ["/b/keep", "/a/b/gone", "/a/keep", "/c/keep", "/a/b/c/gone"] {
        put(&ana, "p", at, at.as_bytes());
    }
    let mut edit = ana.edit(&pod("p")).unwrap();
    edit.remove(&path("/a/b"), true).unwrap();
    edit.commit("").unwrap();
    let left = ["/a/", "/a/keep=7", "/b/", "/b/keep=7", "/c/", "/c/keep=7"];
    assert_eq!(tree(&ana, &here), left);
    assert_eq!(tree(&session("rmdir").unwrap(), &here), left);
    put(&ana, "p", "/a/b/c/gone", b"back");
    assert_eq!(get(&ana, &here, "/a/b/c/gone").unwrap(), b"back");
    ana.remove_pod(&pod("p")).unwrap();
}

/// The server: `rename` of a directory with directories in it takes others of their names out of the lists.
#[test]
fn moving_a_directory_takes_no_other_with_it() {
    let Some(ana) = user("mvdir") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    for at in ["/b/keep", "/a/b/moves", "/a/b/b/moves"] {
        put(&ana, "p", at, at.as_bytes());
    }
    let mut edit = ana.edit(&pod("p")).unwrap();
    edit.rename(&path("/a"), &path("/z/y")).unwrap();
    edit.commit("").unwrap();
    let all = [
        "/b/",
        "/b/keep=7",
        "/z/",
        "/z/y/",
        "/z/y/b/",
        "/z/y/b/b/",
        "/z/y/b/b/moves=12",
        "/z/y/b/moves=10",
    ];
    assert_eq!(tree(&ana, &here), all);
    assert_eq!(get(&ana, &here, "/z/y/b/b/moves").unwrap(), b"/a/b/b/moves");
    put(&ana, "p", "/a/b/moves", b"new");
    assert_eq!(
        get(&ana, &here, "/a/b/moves").unwrap(),
        b"new",
        "the old place is free"
    );
}

/// The server: a session answers from what it knew when it opened a pod, and writes that back.
#[test]
fn two_sessions_lose_nothing_of_each_other() {
    let Some(one) = user("sessions") else {
        return;
    };
    let two = session("sessions").unwrap();
    one.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    assert_eq!(
        two.pods().unwrap().len(),
        1,
        "asking for its address opens it"
    );
    for round in 0..4 {
        put(&one, "p", &format!("/one {round}"), b"1");
        put(&two, "p", &format!("/two {round}"), b"2");
        put(&one, "p", "/both", format!("one {round}").as_bytes());
        assert_eq!(
            get(&two, &here, "/both").unwrap(),
            format!("one {round}").into_bytes()
        );
    }
    assert_eq!(tree(&one, &here).len(), 9);
    assert_eq!(tree(&two, &here), tree(&one, &here));
}

/// The server: whatever is below a file makes it die with a lock held, and then it answers no more.
#[test]
fn nothing_below_a_file_is_asked_for() {
    let (Some(ana), Some(ben)) = (user("below"), user("below-too")) else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    let here = Source::pod(&pod("p"));
    put(&ana, "p", "/f", b"");
    put(&ana, "p", "/d/f", b"text");
    let key = ana.share(&pod("p"), &PodPath::root()).unwrap();
    for (who, from) in [(&ana, &here), (&ben, &Source::Reference(key))] {
        for at in ["/f/x", "/f/x/y", "/d/f/x", "/d/f/x/y"] {
            let refused = told(who.stat(from, &path(at)));
            assert!(refused.ends_with(&format!("has no `{at}`")), "{refused}");
            told(get(who, from, at));
            told(who.list(from, &path(at)));
        }
    }
    let mut edit = ana.edit(&pod("p")).unwrap();
    for at in ["/f/x", "/d/f/x/y"] {
        told(edit.make_directory(&path(at)));
        told(edit.remove(&path(at), true));
        told(edit.copy(&path("/d/f"), &path(at)));
    }
    drop(edit);
    assert_eq!(tree(&ana, &here), ["/d/", "/d/f=4", "/f=0"]);
}

/// The server: of two requests at once one may leave entries of a directory out of its list, or write an old list back.
#[test]
fn threads_that_share_a_client_lose_nothing() {
    let Some(ana) = user("threads") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ana = &ana;
            scope.spawn(move || {
                for file in 0..3 {
                    put(ana, "p", &format!("/{thread}-{file}"), b"x");
                }
            });
        }
    });
    assert_eq!(tree(&ana, &Source::pod(&pod("p"))).len(), 12);
}

/// The server: its secret is another after a restart, and a session ends after a day.
#[test]
fn a_session_that_ended_begins_again() {
    let Some(ana) = user("expired") else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    put(&ana, "p", "/a", b"text");
    // The session of another client is the one that ends here: a token for each, one server.
    raw(
        &token("expired"),
        "POST",
        &["v1", "user", "logout"],
        &json!({}),
    );
    assert_eq!(get(&ana, &Source::pod(&pod("p")), "/a").unwrap(), b"text");
    ana.log_out().unwrap();
    put(&ana, "p", "/b", b"more");
    assert_eq!(tree(&ana, &Source::pod(&pod("p"))), ["/a=4", "/b=4"]);
}

/// The server: a pod that was received cannot be told from one's own by its calls.
#[test]
fn a_received_pod_is_read_and_not_changed() {
    let (Some(ana), Some(ben)) = (user("sender"), user("receiver")) else {
        return;
    };
    ana.create(&pod("theirs"), false).unwrap();
    put(&ana, "theirs", "/a", b"text");
    let key = ana.share(&pod("theirs"), &PodPath::root()).unwrap();
    let http = Http::new(
        "raw",
        &start::servers().unwrap().fairos,
        Patience::default(),
    )
    .unwrap();
    let token = adapters::http::Secret::new(token("receiver"));
    let request = http
        .get(&["v1", "pod", "receive"])
        .query("sharingRef", &key);
    request.bearer(&token).send().unwrap();

    assert_eq!(ben.pods().unwrap()[0].name, "theirs");
    let theirs = Source::pod(&pod("theirs"));
    assert_eq!(get(&ben, &theirs, "/a").unwrap(), b"text");
    insta::assert_snapshot!(told(ben.edit(&pod("theirs")).map(drop)), @"FairOS-DFS at http://HOST cannot change a pod that somebody else shares | fork it, and change the fork");
    insta::assert_snapshot!(told(ben.share(&pod("theirs"), &PodPath::root())), @"FairOS-DFS at http://HOST cannot share somebody else's pod | pass on the reference that it was received by");
    insta::assert_snapshot!(told(ben.create(&pod("theirs"), false)), @"there is a pod `theirs` already");
    ben.fork(&theirs, &pod("mine")).unwrap();
    ben.remove_pod(&pod("theirs")).unwrap();
    assert_eq!(tree(&ben, &Source::pod(&pod("mine"))), ["/a=4"]);
    assert_eq!(tree(&ana, &theirs), ["/a=4"], "its owner keeps it");
}
