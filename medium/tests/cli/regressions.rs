//! What a user found wrong, and shall not find again.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Node, Process, Run, is_id, medium};

/// Regression: images had neither checksum nor signature, `freeze` did not say what it wrote, and any
/// file at all was sent to the node as one.
#[test]
fn a_frozen_vc_is_whole_or_refused() {
    let node = Node::start();
    node.done(&["spawn", "counter"]);
    let frozen = node.run(&["freeze", "counter", "-o", "c.image"]);
    let digest = node.json(&["freeze", "counter", "-o", "c2.image"])["digest"].clone();
    assert!(
        frozen.stderr.contains(digest.as_str().unwrap()),
        "{}",
        frozen.stderr
    );
    assert_eq!(frozen.done(), "");
    let piped = node.run(&["show", "counter", "--json"]);
    assert_eq!(piped.code, Some(0));
    node.done(&["remove", "counter", "--force"]);

    let path = node.home().join("c.image");
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.starts_with(b"medium/1 image\n"));
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(
        node.run(&["spawn", "c.image"])
            .refused()
            .contains("damaged")
    );
    std::fs::write(&path, &whole).unwrap();
    assert!(is_id(&node.done(&["spawn", "c.image"]), "vc:"));
    node.write("letter.txt", "Dear VC");
    let none = node.run(&["spawn", "letter.txt"]);
    assert!(
        none.refused().contains("not the file of a frozen VC"),
        "{}",
        none.stderr
    );
}

/// Regression: `medium spawn echo` worked once, and then not again.
#[test]
fn a_pod_is_spawned_twice() {
    let node = Node::start();
    node.done(&["spawn", "echo"]);
    let second = node.run(&["spawn", "echo"]);
    assert!(
        second.stderr.contains("note: another VC is called `echo`"),
        "{}",
        second.stderr
    );
    assert!(is_id(&second.done(), "vc:"));
    assert_eq!(node.json(&["spawn", "echo"])["name"], Value::Null);
    assert_eq!(
        node.run(&["spawn", "echo", "--name", "echo", "--json"])
            .code(),
        "conflict"
    );
}

/// Regression: names that no address can hold were sent as one, and long ones were shown whole.
#[test]
fn names_are_checked_before_an_address_is_made_of_them() {
    let node = Node::start();
    for name in ["", ".", "..", "a\nb", "a//b"] {
        for verb in ["show", "stop", "logs"] {
            let code = node.run(&[verb, name, "--json"]).code();
            assert_eq!(code, "malformed", "{verb} {name:?}");
        }
    }
    for name in ["--name=-x", "--name=.x", "--name="] {
        assert_eq!(
            node.run(&["spawn", "echo", name, "--json"]).code(),
            "malformed"
        );
    }
    let long = node.run(&["show", &"x".repeat(500)]);
    let what = long.refused().lines().next().unwrap();
    assert!(what.contains("500") && what.len() < 120, "{what}");
    assert_eq!(
        node.run(&[
            "spawn",
            "msg:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "--json"
        ])
        .code(),
        "unknown"
    );
}

/// Regression: an upload that was refused ended in a broken pipe, which was told as `no node answers`.
#[test]
fn what_is_refused_is_told_by_its_reason() {
    let node = Node::start();
    node.done(&["spawn", "echo"]);
    node.write("long.bin", &"x".repeat(3_000_000));
    let long = node.run(&["send", "nobody", "--file", "long.bin", "--json"]);
    assert_eq!(long.code(), "unknown");
    let part = node.run(&["internalize", "echo", "long.bin", "--json"]);
    assert_eq!(part.code(), "too-large");
    // The node takes nothing in any more: it says so before it hangs up.
    let contents = node.home().join("data/contents");
    std::fs::remove_dir_all(&contents).unwrap();
    let long = node.run(&["send", "echo", "--file", "long.bin", "--json"]);
    assert_eq!(long.code, Some(2), "{}", long.stderr);
    assert!(long.stderr.contains(r#"{"code":"io""#), "{}", long.stderr);
}

/// Regression: `doctor` called a folder wrong whose node had been killed, and did not look at its store.
#[test]
fn doctor_looks_behind_a_node_that_was_killed() {
    let node = Node::start();
    node.done(&["spawn", "notary"]);
    let Node { process, home, .. } = node;
    process.signal("KILL");
    process.exit_code();
    assert!(home.path().join("data/node.json").exists());
    let mut doctor = medium(home.path());
    doctor
        .args(["doctor", "--json", "--data"])
        .arg(home.path().join("data"));
    let found = Run::of(&["doctor"], doctor.output().unwrap()).done();
    let found: Value = serde_json::from_str(&found).unwrap();
    let check = |name: &str| {
        let checks = found["checks"].as_array().unwrap().iter();
        checks
            .clone()
            .find(|check| check["check"] == name)
            .unwrap_or(&Value::Null)
            .clone()
    };
    assert_eq!(check("node")["state"], "note", "{found}");
    assert!(
        check("node")["text"]
            .as_str()
            .unwrap()
            .contains("was killed")
    );
    assert_eq!(check("store")["state"], "ok", "{found}");
}

/// Regression: data folders that cannot be, and announcements that cannot be read, ended with exit code 2.
#[test]
fn a_folder_that_cannot_be_is_for_the_user_to_fix() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Run::of(
            arguments,
            medium(home.path()).args(arguments).output().unwrap(),
        )
    };
    for folder in ["/dev/null", "/proc/x"] {
        let up = run(&["up", "--api", "127.0.0.1:0", "--data", folder]);
        assert!(up.refused().contains("hint: "), "{}", up.stderr);
    }
    assert!(
        run(&["ps", "--data", "/dev/null"])
            .refused()
            .contains("hint: ")
    );
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("node.json"), "{}").unwrap();
    assert!(
        run(&["ps", "--data", "data"])
            .refused()
            .contains("node.json")
    );
    let mode = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(data.join("node.json"), mode).unwrap();
    // Whoever runs this as root may read it all the same.
    run(&["ps", "--data", "data"]).refused();
}

/// Regression: what usage showed depended on variables, `medium help` was unknown, and with `--json` a
/// usage error lost the arguments it was about.
#[test]
fn usage_is_the_same_everywhere() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], data: Option<&str>| {
        let mut command = medium(home.path());
        command.args(arguments);
        if let Some(data) = data {
            command
                .env("MEDIUM_DATA", data)
                .env("MEDIUM_API", "127.0.0.1:1");
        }
        Run::of(arguments, command.output().unwrap())
    };
    let without = run(&["send"], None);
    assert_eq!(without.refused(), run(&["send"], Some("/x")).refused());
    assert!(run(&["help"], None).done().contains("spawn"));
    assert!(run(&["help", "spawn"], None).done().contains("--grant"));
    let json = run(&["send", "--json"], None);
    assert_eq!(json.code(), "malformed");
    assert!(json.stderr.contains("<VC>"), "{}", json.stderr);
    assert!(
        run(&["ps"], Some("/nowhere"))
            .refused()
            .contains("127.0.0.1:1")
    );
    for arguments in [&["find", "all", "-k", "0"][..], &["ps", "--limit", "0"]] {
        run(arguments, None).refused();
    }
}

/// Regression: `find` kept quiet about what it cut off and about a VC that needs nothing, and `lineage`
/// called gone what had only never been here.
#[test]
fn lists_say_what_is_not_in_them() {
    let node = Node::start();
    node.done(&["spawn", "echo"]);
    node.done(&["spawn", "counter"]);
    let cut = node.run(&["find", "all", "-k", "1"]);
    assert!(
        cut.stderr.contains("there may be more than these 1"),
        "{}",
        cut.stderr
    );
    assert!(
        !node
            .run(&["find", "all", "-k", "100"])
            .stderr
            .contains("more")
    );
    let fed = node.run(&["find", "--feeds", "echo"]);
    assert!(
        fed.stderr.contains("echo hungers for nothing"),
        "{}",
        fed.stderr
    );
    assert_eq!(fed.done(), "");
    assert_eq!(node.json(&["find", "--feeds", "echo"]), json!([]));
    node.done(&["fork", "echo", "--name", "copy"]);
    node.done(&["remove", "echo", "--force"]);
    assert!(node.done(&["lineage", "copy"]).contains("not here"));
}

/// Regression: what a VC could not do for want of a power showed only when it failed; and whom it knows
/// and who may change it could not be said at its birth.
#[test]
fn a_birth_says_what_is_missing_and_who_is_known() {
    let node = Node::start();
    node.write(
        "shy/vc.json",
        r#"{ "name": "shy", "parts": [{ "native": "echo" }], "grants": [] }"#,
    );
    let shy = node.run(&["spawn", "shy"]);
    assert!(shy.stderr.contains("--grant send"), "{}", shy.stderr);
    let smith = node.done(&["spawn", "echo", "--name", "smith"]);
    let made = ["spawn", "echo", "--name", "made", "--reshaper", "smith"];
    let more = ["--contact", "maker=smith", "--own-actor"];
    node.done(&[&made[..], &more].concat());
    let shown = node.json(&["show", "made"]);
    assert_eq!(shown["reshapers"], json!([smith]));
    assert_eq!(
        shown["contacts"][0],
        json!({ "name": "maker", "id": smith })
    );
    assert_eq!(shown["seat"], "actor");
    let nobody = node.run(&["spawn", "echo", "--reshaper", "nobody", "--json"]);
    assert_eq!(nobody.code(), "unknown");
}

/// A message that comes back is about what the user sent: exit code 1.
#[test]
fn a_bounce_is_the_users_to_fix() {
    let node = Node::start();
    node.done(&["spawn", "counter"]);
    let back = node.run(&["send", "counter", "not a number"]);
    back.refused();
    let asked = node.json(&["send", "counter", "1"]);
    let reply = asked["reply"]["message"].as_str().unwrap();
    assert_eq!(node.json(&["show", reply])["contents"]["text"], "1");
    let mut follower = Process::start(node.command(&["logs", "counter", "-f"]));
    follower.signal("INT");
    drop(follower.lines());
}
