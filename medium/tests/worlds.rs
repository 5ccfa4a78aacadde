//! Worlds that a node holds, from outside: the same digests as without a node, whatever is done to them and
//! whenever the node dies.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "cli/harness.rs"]
#[allow(
    dead_code,
    reason = "the harness is that of the tests of the command line"
)]
mod harness;

use std::path::Path;
use std::sync::Arc;

use actors::clock::VirtualClock;
use genesis::id::VcId;
use harness::{Node, Process};
use medium::worlds::folder::Folder;
use medium::worlds::held::Held;
use serde_json::Value;
use sims::crew::Crew;
use sims::ids::AgentId;
use sims::live::Live;
use sims::model::Setting;
use sims::models;
use sims::params::Value as Parameter;

/// A world without a node.
fn straight(model: &str, seed: u64, set: &[(&str, &str)]) -> Box<dyn Live> {
    let set = set.iter();
    let setting = Setting {
        seed,
        set: set
            .map(|(name, value)| ((*name).to_owned(), Parameter::Text((*value).to_owned())))
            .collect(),
        ..Setting::default()
    };
    models::find(model).unwrap().begin(&setting).unwrap()
}

fn ticks(live: &mut dyn Live, ticks: u64) -> String {
    for _ in 0..ticks {
        live.tick(&Crew::alone()).unwrap();
    }
    live.digest().to_string()
}

/// Ends a node as `kill -9` does, and starts another on its folder.
fn kill(node: Node) -> Node {
    let Node { process, home, .. } = node;
    process.signal("KILL");
    process.exit_code();
    on(home)
}

fn on(home: tempfile::TempDir) -> Node {
    let (process, ready): (Process, Value) = Node::on(home.path());
    Node {
        process,
        ready,
        home,
    }
}

fn begin(node: &Node, model: &str, name: &str, more: &[&str]) -> Value {
    let arguments = ["sim", "run", model, "--in-node", name, "--seed", "7"];
    node.json(&[&arguments, more].concat())
}

#[test]
fn a_world_in_a_node_is_the_world_it_is_without_one() {
    let node = Node::start();
    let world = begin(
        &node,
        "flocking",
        "flock",
        &["--paused", "--set", "birds=50"],
    );
    assert_eq!(
        (&world["tick"], &world["state"]),
        (&0.into(), &"resting".into())
    );
    let mut live = straight("flocking", 7, &[("birds", "50")]);
    for steps in [1_u64, 10] {
        let digest = node.done(&["sim", "step", "flock", &steps.to_string()]);
        assert_eq!(digest, ticks(live.as_mut(), steps));
    }
    // It is a VC like any other.
    assert!(node.done(&["ps"]).contains("flock"));
    let said = node.done(&["send", "flock", "what are you?"]);
    assert!(
        said.starts_with("a world of flocking with seed 7"),
        "{said}"
    );
    let shown = node.json(&["show", "flock"]);
    assert_eq!(
        (&shown["world"]["tick"], &shown["life"]),
        (&11.into(), &"awake".into())
    );

    let bird = node.json(&["show", "flock/birds/17"]);
    let fields = live.show("birds", AgentId(17)).unwrap();
    let (name, value) = &fields[0];
    assert_eq!(bird["fields"][name].as_f64(), Some(value.number()));
    assert_eq!((&bird["tick"], &bird["kind"]), (&11.into(), &"Bird".into()));
    let page = node.json(&["show", "flock/birds", "-n", "20", "--after", "29"]);
    assert_eq!(page["agents"].as_array().unwrap().len(), 20);
    assert_eq!(
        (&page["agents"][0]["agent"], &page["next"]),
        (&"30".into(), &Value::Null)
    );
    for (address, code) in [
        ("flock/bird/1", "unknown"),
        ("flock/birds/50", "unknown"),
        ("flock/birds/x", "malformed"),
        ("flock/birds/1/2", "unknown"),
    ] {
        assert_eq!(
            node.run(&["show", address, "--json"]).code(),
            code,
            "{address}"
        );
    }
    let unheard = node.run(&["send", "flock/birds/1", "hello", "--json"]);
    assert_eq!(unheard.code(), "malformed");
    assert_eq!(
        node.run(&["sim", "run", "floking", "--in-node", "f", "--json"])
            .code(),
        "unknown"
    );
    let taken = node.run(&["sim", "run", "money", "--in-node", "flock", "--json"]);
    assert_eq!(taken.code(), "conflict");

    assert_eq!(node.done(&["stop", "flock"]), "stopped");
    assert_eq!(
        node.run(&["sim", "step", "flock", "--json"]).code(),
        "unknown"
    );
    assert_eq!(node.done(&["remove", "flock"]), "removed");
    let folder = node.home().join("data/worlds");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

/// What is done to a world in a node and to one without.
fn interventions(node: &Node, live: &mut dyn Live) {
    assert_eq!(node.done(&["sim", "step", "market", "5"]), ticks(live, 5));
    let told = node.json(&["send", "market/traders/3", "give 5"]);
    assert!(
        told["reply"]["text"]
            .as_str()
            .unwrap()
            .starts_with("tick 5: money="),
        "{told}"
    );
    live.send("traders", AgentId(3), "give 5").unwrap();
    assert_eq!(node.done(&["sim", "step", "market", "2"]), ticks(live, 2));
    node.done(&["remove", "--force", "market/traders/4"]);
    live.take("traders", AgentId(4)).unwrap();
    assert_eq!(
        node.run(&["show", "market/traders/4", "--json"]).code(),
        "unknown"
    );
    node.done(&["sim", "take", "market/traders/5", "--name", "trader"]);
    let trader = live.take("traders", AgentId(5)).unwrap();
    assert_eq!(node.done(&["sim", "step", "market", "3"]), ticks(live, 3));
    assert_eq!(
        node.done(&["sim", "put", "market", "trader"]),
        "market/traders/5.1"
    );
    assert_eq!(live.put(&trader).unwrap().to_string(), "5.1");
    assert_eq!(node.run(&["show", "trader", "--json"]).code(), "unknown");
    assert_eq!(node.done(&["sim", "step", "market", "1"]), ticks(live, 1));
}

#[test]
fn what_is_done_to_a_world_is_done_again() {
    let node = Node::start();
    begin(
        &node,
        "money",
        "market",
        &["--paused", "--set", "traders=50"],
    );
    let mut live = straight("money", 7, &[("traders", "50")]);
    interventions(&node, live.as_mut());
    let verified = node.json(&["sim", "recompute", "market"]);
    assert_eq!(verified["digest"], live.digest().to_string());
    assert_eq!(verified["ticks"], 11);

    // Killed, it is made again from its journal; then from a checkpoint that a clean end left.
    let node = kill(node);
    let seen = node.json(&["sim", "step", "market", "0"]);
    assert_eq!(
        (&seen["tick"], &seen["digest"]),
        (&11.into(), &live.digest().to_string().into())
    );
    let node = node.restart();
    assert_eq!(
        node.done(&["sim", "step", "market", "4"]),
        ticks(live.as_mut(), 4)
    );
    assert_eq!(node.json(&["sim", "recompute", "market"])["ticks"], 15);
    let folder = node.home().join("data/worlds/1");
    let folder = folder.to_str().unwrap();
    let digest = live.digest().to_string();
    let said = node.done(&["sim", "recompute", "--folder", folder]);
    assert_eq!(said, format!("= recorded {digest}"));

    // A copy goes its own way, from all that led here.
    node.done(&["fork", "market", "--name", "other"]);
    assert_eq!(
        node.done(&["sim", "step", "other", "2"]),
        ticks(live.as_mut(), 2)
    );
    assert_eq!(node.json(&["sim", "step", "market", "0"])["tick"], 15);
    assert_eq!(node.json(&["sim", "recompute", "other"])["ticks"], 17);

    let journal = Path::new(folder).join("journal");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replace("give 5", "give 6")).unwrap();
    let refused = node.run(&["sim", "recompute", "--folder", folder, "--json"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("journal was changed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_agent_lives_alone_and_in_another_world() {
    let node = Node::start();
    for name in ["a", "b"] {
        begin(&node, "money", name, &["--paused", "--set", "traders=20"]);
    }
    begin(&node, "flocking", "sky", &["--paused", "--set", "birds=20"]);
    node.done(&["sim", "step", "a", "3"]);

    // A copy, alone: it hears what it would hear in its world, which goes on without noticing.
    let before = node.json(&["sim", "step", "a", "0"]);
    let copy = node.done(&["fork", "a/traders/2", "--name", "copy"]);
    assert!(harness::is_id(&copy, "vc:"));
    let money = |text: &str| -> u64 { text.strip_prefix("money=").unwrap().parse().unwrap() };
    let had = money(&node.done(&["send", "copy", "fields"]));
    assert_eq!(money(&node.done(&["send", "copy", "give 7"])), had + 7);
    assert_eq!(
        node.run(&["send", "copy", "hello", "--json"]).code(),
        "malformed"
    );
    assert_eq!(
        node.json(&["sim", "step", "a", "0"])["digest"],
        before["digest"]
    );

    // Frozen in a file it is whoever it was, so it is not brought back while it lives in its world.
    node.done(&["freeze", "a/traders/3", "-o", "three.image"]);
    assert_eq!(
        node.run(&["spawn", "three.image", "--json"]).code(),
        "conflict"
    );
    node.done(&["remove", "--force", "a/traders/3"]);
    let three = node.done(&["spawn", "three.image", "--name", "three"]);
    assert!(harness::is_id(&three, "vc:"));
    node.done(&["send", "three", "give 1000"]);
    let put = node.done(&["sim", "put", "b", "three"]);
    assert_eq!(put, "b/traders/20");
    let there = node.json(&["show", "b/traders/20"]);
    assert!(there["fields"]["money"].as_u64().unwrap() >= 1000);
    assert_eq!(node.run(&["show", "three", "--json"]).code(), "unknown");

    // Where there is no place for it, it stays what it was.
    let refused = node.run(&["sim", "put", "sky", "copy", "--json"]);
    assert_eq!(refused.code(), "conflict");
    assert!(
        refused.stderr.contains("birds of kind Bird"),
        "{}",
        refused.stderr
    );
    assert_eq!(money(&node.done(&["send", "copy", "fields"])), had + 7);
    node.done(&["spawn", "echo", "--name", "e"]);
    assert_eq!(
        node.run(&["sim", "put", "b", "e", "--json"]).code(),
        "malformed"
    );
    for verb in ["stop", "sleep", "wake"] {
        assert_eq!(
            node.run(&[verb, "a/traders/1", "--json"]).code(),
            "conflict"
        );
    }
    assert_eq!(
        node.run(&["freeze", "a", "-o", "a.image", "--json"]).code(),
        "too-large"
    );
    let node = kill(node);
    assert_eq!(money(&node.done(&["send", "copy", "fields"])), had + 7);
    assert_eq!(node.json(&["sim", "recompute", "b"])["ticks"], 0);
}

/// Killed at any moment while it goes, a world comes to where a straight run comes.
#[test]
fn a_world_that_goes_survives_kills() {
    let mut node = Node::start();
    begin(
        &node,
        "money",
        "market",
        &["--steps", "3000", "--set", "traders=2000"],
    );
    for _ in 0..3 {
        node = kill(node);
        assert_eq!(node.json(&["show", "market"])["world"]["until"], 3000);
    }
    let seen = node.json(&["sim", "step", "market", "0"]);
    let mut live = straight("money", 7, &[("traders", "2000")]);
    assert_eq!(seen["tick"], 3000);
    assert_eq!(seen["digest"], ticks(live.as_mut(), 3000));
}

/// The folder of the only world of a node that does not run, opened as the node opens it.
fn held(home: &Path) -> Held {
    let folder = Folder::at(home.join("data/worlds/1"));
    Held::open(folder, 1, Arc::new(VirtualClock::default())).unwrap()
}

/// Shows an address until it is as wanted: what a killed node left is ended in the background.
fn until(node: &Node, address: &str, there: bool) {
    let seen = (0..1_000).any(|_| (node.run(&["show", address]).code == Some(0)) == there);
    assert!(seen, "{address}: {there}");
}

/// A node that dies between the journal of a world and the VC that an agent was or becomes ends it when it starts.
#[test]
fn an_agent_on_its_way_arrives_whenever_the_node_dies() {
    let node = Node::start();
    begin(
        &node,
        "money",
        "market",
        &["--paused", "--set", "traders=10"],
    );
    node.done(&["sim", "take", "market/traders/2", "--name", "two"]);
    let Node { process, home, .. } = node;
    process.signal("KILL");
    process.exit_code();

    // The journal says that one is taken out, and that another one came in; for neither a VC was touched.
    let mut world = held(home.path());
    let one: VcId = VcId::root(&[7; 32], 1);
    let (name, vc) = (Some("one".to_owned()), Some(one.to_string()));
    world.take("traders", AgentId(1), vc, name).unwrap();
    drop(world);
    let node = on(home);
    until(&node, "one", true);
    assert_eq!(node.done(&["send", "one", "fields"]), "money=10");
    assert_eq!(
        node.run(&["show", "market/traders/1", "--json"]).code(),
        "unknown"
    );
    let two = node.json(&["show", "two"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let Node { process, home, .. } = node;
    process.signal("KILL");
    process.exit_code();

    let mut world = held(home.path());
    assert!(world.unsettled.is_empty());
    let agent = world.copy("traders", AgentId(3)).unwrap();
    world.put(&agent, two).unwrap();
    drop(world);
    let node = on(home);
    until(&node, "two", false);
    let node = kill(node);
    assert_eq!(node.json(&["show", "market/traders"])["count"], 9);
    assert_eq!(node.done(&["send", "one", "fields"]), "money=10");
    node.done(&["sim", "recompute", "market"]);
}

/// A parameter that changes is part of the journal; one that shapes the world is not changed.
#[test]
fn parameters_change_between_ticks() {
    let node = Node::start();
    begin(
        &node,
        "flocking",
        "flock",
        &["--paused", "--set", "birds=30"],
    );
    let mut live = straight("flocking", 7, &[("birds", "30")]);
    assert_eq!(
        node.done(&["sim", "step", "flock", "3"]),
        ticks(live.as_mut(), 3)
    );
    node.done(&["sim", "set", "flock", "vision=4.1"]);
    live.set("vision", &Parameter::F64(4.1)).unwrap();
    assert_eq!(
        node.done(&["sim", "step", "flock", "3"]),
        ticks(live.as_mut(), 3)
    );
    for (wrong, code) in [
        ("vison=3", "unknown"),
        ("vision=-1", "malformed"),
        ("vision=far", "malformed"),
        ("birds=31", "malformed"),
    ] {
        let refused = node.run(&["sim", "set", "flock", wrong, "--json"]);
        assert_eq!(refused.code(), code, "{wrong}");
    }
    let node = kill(node);
    assert_eq!(
        node.done(&["sim", "step", "flock", "2"]),
        ticks(live.as_mut(), 2)
    );
    // It goes until it is told to rest, and comes to where a straight run comes.
    node.done(&["sim", "go", "flock"]);
    assert_eq!(
        node.run(&["sim", "step", "flock", "--json"]).code(),
        "conflict"
    );
    node.done(&["sim", "pause", "flock"]);
    let seen = node.json(&["sim", "step", "flock", "0"]);
    let more = seen["tick"].as_u64().unwrap() - 8;
    assert_eq!(seen["digest"], ticks(live.as_mut(), more));
    assert_eq!(
        node.json(&["sim", "recompute", "flock"])["digest"],
        seen["digest"]
    );
    assert_eq!(node.json(&["sim", "worlds"])[0]["name"], "flock");
}
