//! The command line from outside: the real binary against a real node, as a person or a script uses it.
//!
//! Each test has one node and asks it many things. What is checked everywhere ([`Run::done`],
//! [`Run::refused`]): stdout carries data and nothing else, errors are on stderr with a code and a way
//! out, and the exit code says whose fault it is.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod dormant;
#[allow(dead_code, reason = "shared with the tests of pods")]
mod harness;
mod help;
mod past;
mod pods;
mod regressions;
mod reproducible;
mod sandbox;
mod steer;

use std::io::Write;
use std::process::Stdio;

use harness::{Node, Process, Run, is_id, medium};
use serde_json::{Value, json};

#[test]
fn births_messages_and_what_is_shown_of_them() {
    let node = Node::start();
    assert_eq!(node.ready["event"], "ready");
    assert!(is_id(node.ready["id"].as_str().unwrap(), "vc:"));
    assert_eq!(node.ready["genesis"].as_str().unwrap().len(), 64);

    // `spawn` prints the id and nothing else, whatever is spawned.
    let echo = node.done(&["spawn", "echo", "--name", "e"]);
    assert!(is_id(&echo, "vc:"), "{echo}");
    node.write(
        "pods/mine/vc.json",
        r#"{ "name": "mine", "parts": [{ "native": "counter" }], "grants": ["send"] }"#,
    );
    node.done(&["spawn", "pods/mine"]);
    let relative = node.json(&["spawn", "./pods/mine", "--name", "other", "--record", "8"]);
    assert_eq!(relative["name"], "other");
    assert!(is_id(
        &node.done(&["spawn", "--text", "Hello, World!", "--name", "words"]),
        "vc:"
    ));
    node.done(&[
        "spawn",
        "counter",
        "--name",
        "poor",
        "--budget",
        "fuel=1_000_000,messages=1",
    ]);
    node.write(
        "greedy/vc.json",
        r#"{ "name": "greedy", "parts": [{ "native": "echo" }], "grants": ["send", "spawn"] }"#,
    );
    let greedy = node.run(&["spawn", "greedy"]);
    assert!(greedy.stderr.contains("--grant spawn"), "{}", greedy.stderr);
    assert!(is_id(&greedy.done(), "vc:"));
    assert_eq!(
        node.run(&["spawn", "greedy", "--name", "granted", "--grant", "spawn"])
            .stderr,
        ""
    );

    // `send` prints the reply; by id or by name.
    assert_eq!(node.done(&["send", "e", "hi"]), "hi");
    assert_eq!(node.done(&["send", &echo, "two\nlines"]), "two\nlines");
    assert_eq!(node.done(&["send", "mine", "3.5"]), "3.5");
    assert_eq!(node.done(&["send", "mine", "-1.5"]), "2");
    node.write("letter.txt", "from a file");
    assert_eq!(
        node.done(&["send", "e", "--file", "letter.txt"]),
        "from a file"
    );
    let mut piped = node.command(&["send", "e", "-"]);
    let mut piped = piped
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped
        .stdin
        .take()
        .unwrap()
        .write_all(b"from stdin")
        .unwrap();
    assert_eq!(piped.wait_with_output().unwrap().stdout, b"from stdin\n");
    let asked = node.json(&["send", "e", "hi"]);
    assert_eq!(asked["reply"]["text"], "hi");
    assert_eq!(asked["duplicate"], false);

    // Without waiting, it prints the message's id; `show` and `explain` know it.
    let message = node.done(&["send", "e", "hi", "--wait", "0"]);
    assert!(is_id(&message, "msg:"), "{message}");
    let shown = node.json(&["show", &message]);
    assert_eq!(shown["contents"]["text"], "hi");
    assert_eq!(shown["metadata"]["recipient"], json!(echo));
    assert!(node.done(&["show", &message]).contains("contents"));
    let explained = node.json(&["explain", &message]);
    assert_eq!(explained["id"], json!(message));
    assert!(
        explained["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["ok"] == true)
    );
    assert!(node.done(&["explain", &message]).contains("bounds"));

    // A key is accepted once.
    let first = node.json(&["send", "mine", "40", "--key", "order-17"]);
    assert_eq!(first["reply"]["text"], "42");
    let second = node.json(&["send", "mine", "40", "--key", "order-17", "--wait", "0"]);
    assert_eq!(
        (&second["duplicate"], &second["message"]),
        (&json!(true), &first["message"])
    );

    // Nobody answers: exit 1, and what became of the message.
    let owner = node.ready["id"].as_str().unwrap();
    let relay = json!({
        "name": "back", "parts": [{ "native": "relay" }], "grants": ["send"], "contacts": { "owner": owner },
    });
    node.write("back/vc.json", &relay.to_string());
    node.done(&["spawn", "back"]);
    let silent = node.run(&["send", "back", "anybody?", "--wait", "50"]);
    assert!(
        silent.refused().contains("within 50 ms; the message msg:"),
        "{}",
        silent.stderr
    );
    let silent = node.run(&["send", "back", "anybody?", "--wait", "50", "--json"]);
    assert_eq!(silent.code(), "timeout");
    assert!(serde_json::from_str::<Value>(&silent.stdout).unwrap()["reply"].is_null());

    // What comes back is an error, with the reason.
    node.write(
        "mute/vc.json",
        r#"{ "name": "mute", "parts": [{ "native": "echo" }], "grants": [] }"#,
    );
    node.done(&["spawn", "mute"]);
    assert!(
        node.run(&["send", "mute", "speak!"])
            .refused()
            .contains("send")
    );
    let back = node.run(&["send", "mute", "speak!", "--json"]);
    assert_eq!(back.code(), "denied");
    assert_eq!(
        serde_json::from_str::<Value>(&back.stdout).unwrap()["reply"]["kind"],
        "bounce"
    );

    // `ps` is a table, or an array of what it shows.
    let table = node.done(&["ps"]);
    assert!(table.lines().next().unwrap().starts_with("ID"), "{table}");
    let listed = node.json(&["ps"]);
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|vc| vc["name"].as_str())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| (name.is_none(), *name));
    assert_eq!(names, sorted);
    let entry = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|vc| vc["name"] == "e")
        .unwrap();
    for field in ["id", "name", "life", "parts", "mailbox", "host", "purse"] {
        assert!(entry.get(field).is_some(), "{field}: {entry}");
    }
    let page = node.run(&["ps", "--limit", "1", "--json"]);
    let next: Value = serde_json::from_str(page.stderr.lines().next().unwrap()).unwrap();
    assert!(
        next["note"].as_str().unwrap().contains("--after vc:"),
        "{next}"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&page.stdout)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    node.done(&["spawn", "ring"]);
    let count = |arguments: &[&str]| node.json(arguments).as_array().unwrap().len();
    assert!(count(&["ps", "--all"]) >= count(&["ps"]) + 5);

    // `show` says on one screen what it may do.
    let screen = node.done(&["show", "e"]);
    for label in ["grants", "contacts", "purse", "body", "mailbox"] {
        assert!(screen.contains(label), "{label}: {screen}");
    }
    assert_eq!(node.json(&["show", "e"])["id"], json!(echo));
}

#[test]
fn logs_are_read_and_followed() {
    let node = Node::start();
    let hello = node.done(&["spawn", "hello"]);
    let mut follower = Process::start(node.command(&["logs", "hello", "-f"]));
    let mut lines = follower.lines();
    for _ in 0..2 {
        assert_eq!(lines.next().unwrap(), "Hello, World!");
    }
    follower.signal("INT");
    assert_eq!(follower.exit_code(), Some(0));

    let mut follower = Process::start(node.command(&["logs", &hello, "--follow", "--json"]));
    let mut lines = follower.lines();
    let line: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!(line["text"], "Hello, World!");
    assert!(line["seq"].as_u64().unwrap() >= 1);
    node.done(&["stop", "hello"]);
    assert!(
        lines.last().is_some(),
        "the last lines are shown after the stop"
    );
    assert_eq!(follower.exit_code(), Some(0), "following ends with the VC");

    let all = node.done(&["logs", "hello"]);
    assert!(
        all.starts_with("Hello, World!\n") && all.contains("stopped"),
        "{all}"
    );
    let last = node.run(&["logs", "hello", "--json"]).done();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(
        node.done(&["logs", "hello", "--after", &last["seq"].to_string()]),
        ""
    );
}

#[test]
fn lives_forks_and_images() {
    let node = Node::start();
    let notary = node.done(&["spawn", "notary"]);
    assert_eq!(node.done(&["send", "notary", "a deed"]), "1");
    assert_eq!(node.done(&["sleep", "notary"]), "dormant");
    assert_eq!(node.json(&["show", "notary"])["life"], "dormant");
    assert_eq!(
        node.done(&["send", "notary", "another"]),
        "2",
        "a message wakes it"
    );
    assert_eq!(node.done(&["sleep", "notary"]), "dormant");
    assert_eq!(node.json(&["wake", "notary"])["life"], "awake");

    let fork = node.done(&["fork", "notary", "--name", "copy"]);
    assert!(is_id(&fork, "vc:") && fork != notary);
    assert_eq!(node.done(&["send", "copy", "a deed"]), "3");
    assert_eq!(
        node.done(&["send", "notary", "count"]),
        "2",
        "a fork goes its own way"
    );
    let line = node.json(&["lineage", "copy"]);
    assert_eq!(
        (&line[0]["id"], &line[1]["id"]),
        (&json!(fork), &json!(notary))
    );
    assert!(node.done(&["lineage", "copy"]).contains(&notary));

    // An image goes on elsewhere.
    assert_eq!(node.done(&["freeze", "notary", "-o", "notary.image"]), "");
    assert!(
        node.run(&["freeze", "notary", "-o", "notary.image"])
            .refused()
            .contains("--force")
    );
    let frozen = node.json(&["freeze", "notary", "-o", "notary.image", "--force"]);
    assert_eq!(frozen["digest"].as_str().unwrap().len(), 64);
    let bytes = node
        .command(&["freeze", "notary", "-o", "-"])
        .output()
        .unwrap()
        .stdout;
    let file = std::fs::read(node.home().join("notary.image")).unwrap();
    let image = |file: &[u8]| genesis::export::read(file).unwrap().0;
    assert_eq!(image(&bytes), image(&file));
    let other = Node::start();
    let image = node.home().join("notary.image");
    assert_eq!(
        other.done(&["spawn", image.to_str().unwrap()]),
        notary,
        "under its own id"
    );
    assert_eq!(other.done(&["send", &notary, "count"]), "2");
    assert_eq!(
        node.run(&["spawn", "notary.image", "--json"]).code(),
        "conflict"
    );

    // Shapes, and who lies where.
    node.done(&["spawn", "ring"]);
    assert!(node.done(&["shape", "ring"]).contains("depth"));
    assert!(node.json(&["shape", "ring"])["shape"]["parts"].is_number());
    assert!(
        node.done(&["shape", "--diff", "ring", "notary"])
            .contains("depth")
    );
    assert_eq!(
        node.json(&["shape", "--diff", "copy", "notary"])["diff"],
        json!({})
    );
    let found = node.json(&["find", "gives(main)", "-k", "2"]);
    assert_eq!(found.as_array().unwrap().len(), 2);

    // The end of a life.
    assert_eq!(node.run(&["remove", "copy", "--json"]).code(), "conflict");
    assert!(node.run(&["remove", "copy"]).refused().contains("hint: "));
    assert_eq!(node.done(&["stop", "copy"]), "stopped");
    assert_eq!(node.run(&["send", "copy", "x", "--json"]).code(), "stopped");
    assert_eq!(node.done(&["remove", "copy"]), "removed");
    assert_eq!(node.run(&["show", "copy", "--json"]).code(), "unknown");
    assert_eq!(
        node.json(&["remove", "notary", "--force"])["life"],
        "removed"
    );
}

#[test]
fn bodies_change_shape() {
    let node = Node::start();
    node.done(&["spawn", "echo", "--name", "e"]);
    let occurrence = node.done(&["internalize", "e", "counter", "--role", "sum"]);
    let body = node.json(&["show", "e"])["body"].clone();
    let part = body
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["role"] == "sum")
        .unwrap()
        .clone();
    assert_eq!(part["occurrence"].to_string(), occurrence);
    let upgraded = node.json(&["upgrade", "e", &occurrence, "counter"]);
    assert!(upgraded["occurrence"].is_number());
    let upgraded = upgraded["occurrence"].to_string();
    let message = node.done(&["strip", "e", &upgraded]);
    assert!(is_id(&message, "msg:"), "{message}");
    node.write("notes.txt", "remember the milk");
    let notes = node.done(&["internalize", "e", "notes.txt", "--override"]);
    assert!(notes.parse::<u64>().is_ok(), "{notes}");
    assert_eq!(node.done(&["send", "e", "still here"]), "still here");

    assert_eq!(
        node.run(&["strip", "e", "99999", "--json"]).code(),
        "unknown"
    );
    assert!(
        node.run(&["upgrade", "e", "first", "counter"])
            .refused()
            .contains("not the number")
    );
    node.run(&["internalize", "e", "no-such-behaviour"])
        .refused();
    node.run(&["internalize", "e", "./no-such-file"]).refused();
}

#[test]
fn bad_input_is_named_and_nothing_is_lost() {
    let node = Node::start();
    node.done(&["spawn", "counter"]);
    let code = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        node.run(&arguments).code()
    };
    for verb in [
        "show", "sleep", "wake", "stop", "remove", "logs", "shape", "lineage", "fork",
    ] {
        assert_eq!(code(&[verb, "nobody"]), "unknown", "{verb}");
    }
    assert_eq!(code(&["send", "nobody", "x"]), "unknown");
    assert_eq!(
        code(&["spawn", "counter", "--name", "counter"]),
        "conflict",
        "the name is taken"
    );
    assert_eq!(code(&["spawn", "./no/such/dir"]), "unknown");
    assert!(
        node.run(&["spawn", "no-such-pod"])
            .refused()
            .contains("no-such-pod")
    );
    std::fs::create_dir(node.home().join("empty")).unwrap();
    assert!(node.run(&["spawn", "empty"]).refused().contains("vc.json"));
    node.write("odd/vc.json", "{ \"name\": \"odd\",\n  \"parts\": 7 }");
    let odd = node.run(&["spawn", "odd"]);
    assert!(
        odd.refused().contains("parts") && odd.stderr.contains('2'),
        "line and field: {}",
        odd.stderr
    );
    node.write(
        "gone/vc.json",
        r#"{ "name": "gone", "parts": [{ "file": "gone.bin" }] }"#,
    );
    assert!(node.run(&["spawn", "gone"]).refused().contains("gone.bin"));
    node.write("not.image", "this is no image");
    assert_eq!(code(&["spawn", "not.image"]), "malformed");
    assert_eq!(
        code(&["spawn", "counter", "--name", "", "--grant", "send"]),
        "malformed"
    );

    node.write("long.txt", &"x".repeat(200_000));
    assert_eq!(
        code(&["send", "counter", "--file", "long.txt"]),
        "malformed"
    );
    assert_eq!(
        code(&["send", "counter", "--file", "no-such-file"]),
        "unknown"
    );
    assert_eq!(
        code(&["send", "counter", "1", "--expires", "99999999999999"]),
        "too-large"
    );
    assert_eq!(code(&["send", "counter", "not a number"]), "malformed");
    assert_eq!(
        node.done(&["send", "counter", "1"]),
        "1",
        "a failed turn changed nothing"
    );
    assert_eq!(code(&["explain", "msg:abc"]), "malformed");
    assert_eq!(
        code(&[
            "show",
            "msg:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        ]),
        "unknown"
    );
    let pattern = node.run(&["find", "bytes<2MiB & hunger=="]);
    assert!(
        pattern.refused().contains('^'),
        "a caret under the fault: {}",
        pattern.stderr
    );

    // The token, and nodes that are not there.
    let mut wrong = node.command(&["stop", "counter", "--json"]);
    let wrong = wrong.env("MEDIUM_TOKEN", "sesame").output().unwrap();
    let wrong = Run::of(&["stop"], wrong);
    assert_eq!(wrong.code(), "token");
    assert!(!wrong.stderr.contains("sesame"), "a token is not shown");
    assert_eq!(code(&["ps", "--api", "127.0.0.1:1"]), "unreachable");
    assert!(
        node.run(&["ps", "--api", "127.0.0.1:1"])
            .refused()
            .contains("hint: start one")
    );
    let second = node.run(&["up", "--api", "127.0.0.1:0"]);
    assert!(second.refused().contains("in use"), "{}", second.stderr);

    // By its address alone, a node can be looked at.
    let api = node.ready["api"].as_str().unwrap();
    let mut command = medium(node.home());
    let looked = command
        .args(["ps", "--json", "--api", api, "--data", "/nowhere"])
        .output()
        .unwrap();
    assert!(Run::of(&["ps"], looked).done().contains("counter"));

    let checkup = node.json(&["doctor"]);
    assert_eq!(checkup["ok"], true, "{checkup}");
    let checks: Vec<_> = checkup["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["check"].as_str().unwrap())
        .collect();
    for check in [
        "folder", "space", "node", "token", "versions", "store", "counters",
    ] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    let sick = node.run(&["doctor", "--api", "127.0.0.1:1"]);
    assert_eq!(
        (sick.code, sick.stdout.contains("medium up")),
        (Some(1), true),
        "{}",
        sick.stdout
    );
}

#[test]
fn a_node_stops_cleanly_and_goes_on() {
    let node = Node::start();
    node.done(&["spawn", "notary"]);
    assert_eq!(node.done(&["send", "notary", "a deed"]), "1");
    node.done(&["spawn", "hello"]);
    let mut follower = Process::start(node.command(&["logs", "hello", "-f"]));
    let (mut said, mut notes) = (follower.lines(), follower.errors());
    assert_eq!(said.next().unwrap(), "Hello, World!");
    let Node {
        process,
        ready,
        home,
    } = node;
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert!(!home.path().join("data/node.json").exists());

    let offline = |arguments: &[&str]| {
        let mut command = medium(home.path());
        let output = command
            .args(arguments)
            .env("MEDIUM_DATA", home.path().join("data"))
            .output();
        Run::of(arguments, output.unwrap())
    };
    assert!(offline(&["ps"]).refused().contains("medium up"));
    let checkup = offline(&["doctor", "--json"]).done();
    let checkup: Value = serde_json::from_str(&checkup).unwrap();
    let checks = checkup["checks"].as_array().unwrap();
    let store = checks
        .iter()
        .find(|check| check["check"] == "store")
        .unwrap();
    assert_eq!(store["state"], "ok", "{checkup}");

    let (process, again) = Node::on(home.path());
    assert_eq!(again["id"], ready["id"], "the same owner");
    let node = Node {
        process,
        ready: again,
        home,
    };
    assert_eq!(node.done(&["send", "notary", "count"]), "1");

    // Whoever followed a log finds the node again, though it has another port now.
    assert!(notes.any(|note| note.contains("answers again")));
    assert_eq!(said.next().unwrap(), "Hello, World!");
    follower.signal("INT");
    assert_eq!(follower.exit_code(), Some(0));
    node.process.signal("INT");
    assert_eq!(node.process.exit_code(), Some(0));
}

#[test]
fn an_ephemeral_node_says_how_to_reach_it() {
    let home = tempfile::tempdir().unwrap();
    let mut command = medium(home.path());
    command.args([
        "up",
        "--json",
        "--ephemeral",
        "--deterministic",
        "--seed",
        "7",
        "--api",
        "127.0.0.1:0",
    ]);
    let mut process = Process::start(command);
    let ready: Value = serde_json::from_str(&process.lines().next().unwrap()).unwrap();
    let mut command = medium(home.path());
    command.env("MEDIUM_API", ready["api"].as_str().unwrap());
    command.env("MEDIUM_TOKEN", ready["token"].as_str().unwrap());
    let spawned = command.args(["spawn", "echo"]).output().unwrap();
    assert!(is_id(&Run::of(&["spawn", "echo"], spawned).done(), "vc:"));
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "it leaves nothing"
    );
}

#[test]
fn the_tour_runs_anywhere_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let scratch = home.path().join("tmp");
    std::fs::create_dir(&scratch).unwrap();
    let demo = |arguments: &[&str]| {
        let output = medium(home.path())
            .args(arguments)
            .env("TMPDIR", &scratch)
            .output()
            .unwrap();
        Run::of(arguments, output).done()
    };
    let tour = demo(&["demo"]);
    for step in [
        "node", "births", "echo", "counter", "ring", "hello", "notary", "sleep", "fork", "restart",
        "refusal",
    ] {
        assert!(tour.contains(step), "{step}: {tour}");
    }
    assert_eq!(
        std::fs::read_dir(&scratch).unwrap().count(),
        0,
        "nothing is left"
    );

    let steps = demo(&["demo", "--json", "--keep", "kept"]);
    let steps: Vec<Value> = steps
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let step = |name: &str| steps.iter().find(|step| step["step"] == name).unwrap();
    assert_eq!(step("restart")["count"], "101");
    assert_eq!(step("sleep")["before"], "dormant");
    let stats = &step("summary")["stats"];
    let counted = |name: &str| stats[name].as_u64().unwrap();
    let ended = counted("queued") + counted("consumed") + counted("bounced") + counted("dead");
    assert_eq!(counted("accepted"), ended);
    assert!(home.path().join("kept/pods/echo/vc.json").exists());
    let again = medium(home.path())
        .args(["demo", "--keep", "kept"])
        .output()
        .unwrap();
    assert!(Run::of(&["demo"], again).refused().contains("not empty"));
}
