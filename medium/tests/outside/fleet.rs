//! Several programs as one directory: a fleet.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Node;
use crate::{ECHO, has, logged, until};

/// Asks its sibling `echo` all it is asked, and hears of those who are gone.
const CLERK: &str = r#"
import json, os, sys
def say(line): print(json.dumps(line), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get("channel") == "fleet/down":
        say({"emit": "heard of " + m["text"]})
        say({"done": m["id"]})
    elif "re" in m:
        say({"re": int(m["re"]), "text": "it says " + m.get("text", m.get("error", {}).get("code", "nothing"))})
        say({"done": m["id"]})
    elif m.get("text") == "pid":
        say({"re": m["id"], "text": os.readlink("/proc/self")})
    elif "text" in m:
        say({"to": "echo", "text": m["text"], "ask": str(m["id"])})
"#;

/// A fleet `shop` of two programs, `clerk` and `echo`; further fields come as JSON.
fn shop(node: &Node, more: &Value) {
    let mut vc = json!({
        "name": "shop",
        "fleet": true,
        "nested": { "clerk": "clerk/", "echo": "echo/" },
        "grants": ["send", "emit", "after"],
        "restart": { "faults_max": 8, "within_ms": 600_000, "restarts_max": 2 },
    });
    for (field, value) in more.as_object().unwrap() {
        vc[field] = value.clone();
    }
    node.write("shop/vc.json", &vc.to_string());
    for (name, program) in [("clerk", CLERK), ("echo", ECHO)] {
        member(node, &format!("shop/{name}"), name, program);
    }
}

fn member(node: &Node, folder: &str, name: &str, program: &str) {
    let vc = json!({ "name": name, "outside": ["python3", "agent.py"] });
    node.write(&format!("{folder}/vc.json"), &vc.to_string());
    node.write(&format!("{folder}/agent.py"), program);
}

fn ask(node: &Node, vc: &str, text: &str) -> String {
    node.done(&["send", vc, text, "--wait", "20000"])
}

/// The processes of its members, as each says its own.
fn pids(node: &Node, fleet: &str) -> [String; 2] {
    [
        ask(node, &format!("{fleet}/clerk"), "pid"),
        ask(
            node,
            &format!("{fleet}/echo"),
            "run os.readlink('/proc/self')",
        ),
    ]
}

fn gone(pids: &[String]) {
    until(|| {
        match pids
            .iter()
            .find(|pid| Path::new("/proc").join(pid).exists())
        {
            Some(pid) => Err(format!("process {pid} is there")),
            None => Ok(()),
        }
    });
}

#[test]
fn a_fleet_is_spawned_shown_asked_and_stopped_as_one() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    let spawned = node.run(&["spawn", "./shop"]);
    for member in ["clerk", "echo"] {
        let what = format!("of shop/{member}: python3 agent.py");
        assert!(spawned.stderr.contains(&what), "{}", spawned.stderr);
    }
    spawned.done();
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");

    let shown_before = node.json(&["show", "shop"]);
    let names: Vec<_> = shown_before["members"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    for (member, name) in names.iter().zip(["clerk", "echo"]) {
        assert_eq!(member["name"], name);
        assert_eq!(member["program"]["command"], json!(["python3", "agent.py"]));
    }
    let shown = node.done(&["show", "shop"]);
    assert!(shown.contains("clerk  awake  python3 agent.py"), "{shown}");
    let listed = node.done(&["ps", "--all"]);
    let at = |what: &str| {
        listed
            .find(what)
            .unwrap_or_else(|| panic!("{what}: {listed}"))
    };
    assert!(at(" shop ") < at("  shop/clerk") && at("  shop/clerk") < at("  shop/echo"));
    // One that is not expected among them is enough, and none of them comes.
    let digest = |n: usize| {
        shown_before["members"][n]["program"]["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (clerk, echo) = (digest(0), digest(1));
    let refused = node.run(&["spawn", "./shop", "--expect", &clerk]);
    assert!(refused.refused().contains("another one of the same name"));
    let both = format!("{clerk},{echo}");
    node.done(&["spawn", "./shop", "--name", "shop2", "--expect", &both]);
    // The powers of the fleet are those of its members.
    let clerk = node.json(&["show", "shop/clerk"]);
    assert_eq!(clerk["grants"], json!(["send", "emit", "after"]));

    let pids = pids(&node, "shop");
    node.done(&["stop", "shop"]);
    gone(&pids);
    assert_eq!(node.json(&["show", "shop/echo"])["life"], "stopped");
}

#[test]
fn a_fleet_without_a_front_says_who_its_members_are() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({}));
    node.done(&["spawn", "./shop"]);
    let refused = node.run(&["send", "shop", "hello", "--wait", "20000"]);
    let said = refused.refused();
    assert!(said.contains("its members are clerk, echo"), "{said}");
    assert!(said.contains("medium send FLEET/MEMBER"), "{said}");
    assert_eq!(ask(&node, "shop/echo", "hello"), "echo: hello");
}

#[test]
fn a_member_that_crashes_too_often_is_stopped_and_the_others_go_on() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    node.done(&["spawn", "./shop"]);
    let clerk = ask(&node, "shop", "pid");
    // Its rule is that of the fleet: two new starts, and no third.
    for _ in 0..3 {
        let crashed = node.run(&["send", "shop/echo", "crash", "--wait", "20000"]);
        assert!(crashed.refused().contains("exited with code 3"));
    }
    logged(&node, "shop", "down: echo faults");
    logged(&node, "shop/clerk", "heard of echo faults");
    let shown = node.json(&["show", "shop"]);
    let member = |name: &str| {
        let all = shown["members"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(member("echo")["reason"], "faults");
    assert_ne!(member("clerk")["life"], "stopped");
    assert_eq!(ask(&node, "shop", "hello"), "it says stopped");
    assert_eq!(ask(&node, "shop", "pid"), clerk, "it was not started again");
}

#[test]
fn one_member_is_replaced_and_the_others_go_on() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    node.done(&["spawn", "./shop"]);
    let clerk = ask(&node, "shop", "pid");
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
    member(&node, "echo2", "echo", &ECHO.replace("echo: ", "echo 2: "));
    node.done(&["upgrade", "shop/echo", "./echo2"]);
    until(|| match ask(&node, "shop", "hello") {
        said if said == "it says echo 2: hello" => Ok(()),
        said => Err(said),
    });
    assert_eq!(ask(&node, "shop", "pid"), clerk);
}

#[test]
fn a_fleet_comes_back_after_a_kill_and_after_its_sleep() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    node.done(&["spawn", "./shop"]);
    let before = pids(&node, "shop");
    let node = node.killed();
    gone(&before);
    // Nobody asks anything: they run because they ran.
    logged(&node, "shop/echo", r#""run":2"#);
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
    let after = pids(&node, "shop");

    until(|| {
        let slept = node.run(&["sleep", "shop"]);
        if slept.code == Some(0) {
            Ok(())
        } else {
            Err(slept.stderr)
        }
    });
    gone(&after);
    assert_eq!(node.json(&["show", "shop/echo"])["life"], "dormant");
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
}

#[test]
fn forks_and_images_of_a_fleet_take_its_programs_along() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    node.done(&["spawn", "./shop"]);
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
    let first = pids(&node, "shop");
    node.done(&["fork", "shop", "--name", "shop2"]);
    let second = pids(&node, "shop2");
    assert!(first.iter().all(|pid| !second.contains(pid)));
    node.done(&["stop", "shop"]);
    gone(&first);
    assert_eq!(ask(&node, "shop2", "hello"), "it says echo: hello");

    node.done(&["freeze", "shop2", "-o", "shop.image"]);
    let image = node.home().join("shop.image");
    let elsewhere = Node::start();
    let spawned = elsewhere.run(&["spawn", image.to_str().unwrap(), "--name", "shop3"]);
    assert!(
        spawned.stderr.contains("of shop3/echo: python3 agent.py"),
        "{}",
        spawned.stderr
    );
    spawned.done();
    logged(&elsewhere, "shop3/echo", r#""run":3"#);
    assert_eq!(ask(&elsewhere, "shop3", "hello"), "it says echo: hello");
}

#[test]
fn what_a_frozen_program_asks_for_is_granted_where_it_goes_on() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    let vc = json!({
        "name": "feed",
        "outside": { "command": ["python3", "agent.py"], "network": true },
        "grants": ["send", "emit"],
    });
    node.write("feed/vc.json", &vc.to_string());
    node.write("feed/agent.py", ECHO);
    node.done(&["spawn", "./feed", "--network"]);
    assert_eq!(ask(&node, "feed", "hello"), "echo: hello");
    node.done(&["freeze", "feed", "-o", "feed.image"]);
    let image = node.home().join("feed.image");
    let image = image.to_str().unwrap();
    let elsewhere = Node::start();
    let refused = elsewhere.run(&["spawn", image]);
    let said = refused.refused().to_owned();
    assert!(
        said.contains("asks for more than it is granted: --network"),
        "{said}"
    );
    assert_eq!(
        elsewhere.run(&["show", "feed"]).code,
        Some(1),
        "nothing was born"
    );
    elsewhere.done(&["spawn", image, "--network"]);
    assert_eq!(ask(&elsewhere, "feed", "hello"), "echo: hello");
}

#[test]
fn members_live_on_the_purse_of_their_fleet() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    node.done(&["spawn", "./shop", "--budget", "messages=300"]);
    let left = |vc: &str| {
        node.json(&["show", vc])["purse"]["messages"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(
        [left("shop"), left("shop/clerk"), left("shop/echo")],
        [100; 3]
    );
    // What is left of one that is stopped is the fleet's again.
    node.done(&["stop", "shop/echo"]);
    assert_eq!(left("shop"), 200);
}

#[test]
fn a_fleet_sleeps_in_a_pod_and_rises_with_its_programs() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    let id = node.done(&["spawn", "./shop"]);
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
    let before = pids(&node, "shop");
    let place = until(|| {
        let slept = node.run(&["persist", &id, "--sleep"]);
        if slept.code == Some(0) {
            Ok(slept.done())
        } else {
            Err(slept.stderr)
        }
    });
    gone(&before);
    assert_eq!(ask(&node, "shop", "hello"), "it says echo: hello");
    // A fork of what is in the pod has programs of its own.
    let place = place.split_whitespace().next().unwrap().to_owned();
    node.done(&["fork", &place, "--name", "shop2"]);
    assert_eq!(ask(&node, "shop2", "hello"), "it says echo: hello");
    let (first, second) = (pids(&node, "shop"), pids(&node, "shop2"));
    assert!(first.iter().all(|pid| !second.contains(pid)));
}

#[test]
fn what_one_member_was_granted_no_other_comes_by() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    shop(&node, &json!({ "front": "clerk" }));
    let asks = |name: &str| {
        let outside = json!({ "command": ["python3", "agent.py"], "secrets": ["SHOP_KEY"] });
        json!({ "name": name, "outside": outside }).to_string()
    };
    node.write("shop/echo/vc.json", &asks("echo"));
    let mut spawn = node.command(&["spawn", "./shop", "--secret", "SHOP_KEY"]);
    let spawned = spawn.env("SHOP_KEY", "hush").output().unwrap();
    crate::harness::Run::of(&["spawn"], spawned).done();
    let key = "run os.environ.get('SHOP_KEY')";
    assert_eq!(ask(&node, "shop/echo", key), "hush");
    // A program that asks for it in the place of another is refused, and that one goes on.
    let clerk = ask(&node, "shop", "pid");
    node.write("thief/vc.json", &asks("clerk"));
    node.write("thief/agent.py", ECHO);
    let refused = node.run(&["upgrade", "shop/clerk", "./thief"]);
    assert!(
        refused.refused().contains("--secret SHOP_KEY"),
        "{}",
        refused.stderr
    );
    assert_eq!(ask(&node, "shop", "pid"), clerk);
}
