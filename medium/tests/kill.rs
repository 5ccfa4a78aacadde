//! `kill -9`, again and again: nothing acknowledged is lost, nothing is counted twice.
//!
//! A real node on a real data folder; senders that retry with the same idempotency key what was not
//! acknowledged, as a careful client would. With `CI=true` for two minutes, else for a few seconds, and
//! never under forty kills.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

const KILLS_MIN: u64 = 40;
const SENDERS: u64 = 16;
/// How often a sender meets a dead or dying node before the test gives up on it.
const TRIES_MAX: u64 = 200;

struct Node {
    child: Child,
    api: String,
    token: String,
}

impl Node {
    fn up(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_medium"))
            .args(["up", "--quiet", "--json", "--api", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .stdin(Stdio::null())
            .spawn()
            .expect("the node starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it has a standard output"))
            .read_line(&mut line)
            .expect("it says that it is ready");
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the first line is JSON ({error}): {line:?}"));
        assert_eq!(ready["event"], "ready");
        let record = std::fs::read_to_string(data.join("node.json")).expect("it left its address");
        let record: Value = serde_json::from_str(&record).expect("node.json is JSON");
        Self {
            child,
            api: ready["api"].as_str().expect("an address").to_owned(),
            token: record["token"].as_str().expect("a token").to_owned(),
        }
    }

    fn kill_9(mut self) {
        self.child.kill().expect("SIGKILL is delivered");
        self.child.wait().expect("it is gone");
    }
}

/// `SplitMix64`: the kills fall where the seed says, counted in acknowledgements, not in time.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

async fn post(
    client: &reqwest::Client,
    node: (&str, &str),
    path: &str,
    key: Option<&str>,
    body: String,
) -> Result<(u16, Value), reqwest::Error> {
    let (api, token) = node;
    let mut request = client
        .post(format!("{api}{path}"))
        .bearer_auth(token)
        .body(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client");
    let mut node = Node::up(&data);
    let spawned = post(
        &client,
        (&node.api, &node.token),
        "/v1/vcs",
        None,
        r#"{"pod":{"embedded":"notary"},"name":"notary"}"#.to_owned(),
    );
    let (status, answer) = spawned.await.expect("the node answers");
    assert_eq!(status, 201, "{answer}");

    let budget = if std::env::var_os("CI").is_some() {
        120
    } else {
        12
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(budget);
    let mut seed = 41;
    let mut next_key = 0_u64;
    let mut unsettled: BTreeSet<u64> = BTreeSet::new();
    let mut acknowledged = 0_u64;
    let mut ordinals: BTreeSet<u64> = BTreeSet::new();
    let mut kills = 0_u64;
    while kills < KILLS_MIN || tokio::time::Instant::now() < deadline {
        // Senders work through the keys of this life until enough were acknowledged, then the node dies
        // with the rest of them under way.
        let die_after = 20 + draw(&mut seed) % 200;
        let acks = Arc::new(AtomicU64::new(0));
        let first = next_key;
        next_key += die_after + SENDERS * 4;
        unsettled.extend(first..next_key);
        let work: Vec<u64> = unsettled.iter().copied().collect();
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..SENDERS {
            let mine: Vec<u64> = work
                .iter()
                .copied()
                .filter(|key| key % SENDERS == sender)
                .collect();
            let (client, api, token) = (client.clone(), node.api.clone(), node.token.clone());
            let acks = Arc::clone(&acks);
            senders.spawn(async move {
                let mut settled = Vec::new();
                for key in mine {
                    let name = format!("key-{key}");
                    let path = "/v1/vcs/notary/messages?wait=10000";
                    let sent = post(
                        &client,
                        (&api, &token),
                        path,
                        Some(&name),
                        format!("m{key}"),
                    );
                    // An error or a refusal is no acknowledgement: the key is sent again to the next life.
                    let Ok((200, answer)) = sent.await else { break };
                    let ordinal: u64 = answer["reply"]["text"]
                        .as_str()
                        .and_then(|text| text.parse().ok())
                        .unwrap_or_else(|| panic!("an ordinal: {answer}"));
                    settled.push((key, ordinal));
                    acks.fetch_add(1, Ordering::SeqCst);
                }
                settled
            });
        }
        while acks.load(Ordering::SeqCst) < die_after && !senders.is_empty() {
            tokio::task::yield_now().await;
            if senders.len() < usize::try_from(SENDERS).expect("few") {
                break;
            }
        }
        node.kill_9();
        kills += 1;
        while let Some(settled) = senders.join_next().await {
            for (key, ordinal) in settled.expect("a sender ends") {
                assert!(unsettled.remove(&key), "key {key} was settled before");
                assert!(
                    ordinals.insert(ordinal),
                    "ordinal {ordinal} was given twice"
                );
                acknowledged += 1;
            }
        }
        node = Node::up(&data);
        assert!(kills < TRIES_MAX * KILLS_MIN, "the node never settles");
    }
    // What was never acknowledged is sent once more; then every key has been counted exactly once.
    for key in unsettled {
        let name = format!("key-{key}");
        let path = "/v1/vcs/notary/messages?wait=10000";
        let sent = post(
            &client,
            (&node.api, &node.token),
            path,
            Some(&name),
            format!("m{key}"),
        );
        let (status, answer) = sent.await.expect("the node answers");
        assert_eq!(status, 200, "{answer}");
        let ordinal = answer["reply"]["text"]
            .as_str()
            .and_then(|text| text.parse().ok());
        assert!(
            ordinals.insert(ordinal.expect("an ordinal")),
            "an ordinal was given twice: {answer}"
        );
    }
    let path = "/v1/vcs/notary/messages?wait=10000";
    let counted = post(
        &client,
        (&node.api, &node.token),
        path,
        None,
        "count".to_owned(),
    );
    let (_, answer) = counted.await.expect("the node answers");
    assert_eq!(
        answer["reply"]["text"],
        next_key.to_string(),
        "{kills} kills"
    );
    assert_eq!(ordinals, (1..=next_key).collect(), "ordinals are gapless");

    let stats: Value = client
        .get(format!("{}/v1/stats", node.api))
        .send()
        .await
        .expect("the node answers")
        .json()
        .await
        .expect("stats");
    let number = |name: &str| {
        stats[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {stats}"))
    };
    assert_eq!(
        number("accepted"),
        number("queued") + number("consumed") + number("bounced") + number("dead"),
        "{stats}"
    );
    println!(
        "{kills} kills, {acknowledged} acknowledged while killing, {next_key} counted once each"
    );
    node.kill_9();
    assert_eq!(replayed(&data), 1);
}

/// Computes all VCs of a folder again, which nobody closed; how many there are.
fn replayed(data: &Path) -> usize {
    let done = Command::new(env!("CARGO_BIN_EXE_medium"))
        .args(["replay", "--all", "--json", "--data"])
        .arg(data)
        .output()
        .expect("it runs");
    let said = String::from_utf8(done.stdout).expect("JSON is text");
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}{why}");
    for line in said.lines() {
        let found: Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(found["first"], Value::Null, "{found}");
        assert!(found["messages"].as_u64() > Some(0), "{found}");
    }
    said.lines().count()
}

/// What was accepted with long contents has them after a kill, and is answered with them once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_of_an_acknowledged_message_survive_a_kill() {
    const LEN: usize = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let client = reqwest::Client::new();
    let mut node = Node::up(&data);
    let born = r#"{"pod":{"native":"echo"},"name":"echo"}"#.to_owned();
    let spawned = post(&client, (&node.api, &node.token), "/v1/vcs", None, born);
    assert_eq!(spawned.await.expect("the node answers").0, 201);
    let mut answered = 0;
    for kill in 0..10 {
        let key = format!("key-{kill}");
        let body: String = (0..LEN)
            .map(|n| char::from(b"abcdefghijklmnopqrstuvwxyz"[(n + kill) % 26]))
            .collect();
        let told = (&*node.api, &*node.token);
        let path = "/v1/vcs/echo/messages";
        let sent = post(&client, told, path, Some(&key), body.clone()).await;
        let (status, receipt) = sent.expect("the node answers");
        assert_eq!(status, 202, "{receipt}");
        node.kill_9();
        node = Node::up(&data);
        // Nothing that is needed is swept out, however little time it has been there.
        let told = (&*node.api, &*node.token);
        let sweep = "/v1/contents/sweep?idle=0";
        let swept = post(&client, told, sweep, None, String::new()).await;
        assert_eq!(swept.expect("the node answers").0, 200);
        let path = "/v1/vcs/echo/messages?wait=10000";
        let asked = post(&client, told, path, Some(&key), String::new()).await;
        let (status, answer) = asked.expect("the node answers");
        assert_eq!(
            (status, &answer["duplicate"]),
            (200, &true.into()),
            "{answer}"
        );
        assert_eq!(answer["message"], receipt["message"]);
        let digest = answer["reply"]["ref"].as_str().expect("a reference");
        let url = format!("{}/v1/contents/{digest}", node.api);
        let back = client.get(url).send().await.expect("the node answers");
        assert!(back.text().await.expect("contents") == body, "kill {kill}");
        answered += 1;
    }
    node.kill_9();
    assert_eq!(replayed(&data), 1);
    println!("{answered} messages of {LEN} bytes survived a kill each");
}
