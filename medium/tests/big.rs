//! Contents that are larger than the memory a node may have go through it and come back the same.
//!
//! A real node, whose address space is limited, and whose resident memory is read at its highest
//! (`VmHWM`): under 256 MiB. With `MEDIUM_BIG=1` the contents have 8 GiB, which takes as much of the disk;
//! else 256 MiB.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use futures_util::{StreamExt, stream};
use genesis::id::{Digest, Digester};
use serde_json::Value;

/// What a node may have resident, in KiB.
const RESIDENT_KIB_MAX: u64 = 256 * 1024;
/// What it may have mapped, in KiB: threads and arenas, but not the contents.
const MAPPED_KIB_MAX: u64 = 4 * 1024 * 1024;
/// How many bytes are made at once.
const PIECE_BYTES: usize = 1 << 20;

/// Ends with its test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Node {
    /// A number of `/proc/PID/status`, in KiB.
    fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))
            .expect("the node is alive");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("{name}: {status}"))
    }

    /// The seconds of CPU time it took, of its code and of the system for it.
    fn cpu_s(&self) -> (f64, f64) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))
            .expect("the node is alive");
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .expect("fields")
            .split_whitespace()
            .collect();
        // A hundred ticks are a second, on every Linux there is.
        let seconds = |at: usize| fields[at].parse::<f64>().expect("ticks") / 100.0;
        (seconds(11), seconds(12))
    }
}

/// Piece `n` of contents that repeat nothing.
fn piece(n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    while piece.len() < PIECE_BYTES {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        piece.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    piece
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_larger_than_memory_go_through_a_node() {
    let full = std::env::var_os("MEDIUM_BIG").is_some_and(|big| big == "1");
    let pieces: u64 = if full { 8 * 1024 } else { 256 };
    let bytes = pieces * PIECE_BYTES as u64;
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MAPPED_KIB_MAX} && exec \"$@\"")])
        .args([
            "sh",
            env!("CARGO_BIN_EXE_medium"),
            "up",
            "--quiet",
            "--json",
        ])
        .args(["--api", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .expect("the node starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it has a standard output");
    let node = Node(child);
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("it says that it is ready");
    let ready: Value = serde_json::from_str(&line).expect("its first line is JSON");
    let api = ready["api"].as_str().expect("an address").to_owned();
    let record = std::fs::read_to_string(data.join("node.json")).expect("it left its address");
    let record: Value = serde_json::from_str(&record).expect("node.json is JSON");
    let token = record["token"].as_str().expect("a token");
    let client = reqwest::Client::new();
    let post = |path: &str| client.post(format!("{api}{path}")).bearer_auth(token);
    let born = post("/v1/vcs").body(r#"{"pod":{"native":"echo"},"name":"echo"}"#);
    assert_eq!(born.send().await.expect("an answer").status(), 201);

    let began = tokio::time::Instant::now();
    let body = stream::iter(0..pieces).map(|n| Ok::<_, std::io::Error>(piece(n)));
    let body = reqwest::Body::wrap_stream(body);
    let sent = post("/v1/vcs/echo/messages?wait=60000")
        .body(body)
        .send()
        .await;
    let sent: Value = sent.expect("an answer").json().await.expect("JSON");
    let there = began.elapsed();
    let reply = &sent["reply"];
    assert_eq!(reply["bytes"], bytes, "{sent}");
    let named = reply["ref"].as_str().expect("a reference");

    let mut expected = Digester::default();
    (0..pieces).for_each(|n| expected.update(&piece(n)));
    assert_eq!(
        named,
        expected.digest().to_string(),
        "the node named them rightly"
    );
    let began = tokio::time::Instant::now();
    let mut back = client
        .get(format!("{api}/v1/contents/{named}"))
        .send()
        .await
        .expect("they come back");
    let (mut digester, mut received) = (Digester::default(), 0);
    while let Some(piece) = back.chunk().await.expect("a piece") {
        digester.update(&piece);
        received += piece.len() as u64;
    }
    let came = began.elapsed();
    assert_eq!(
        (received, digester.digest()),
        (bytes, named.parse::<Digest>().expect("a digest"))
    );

    let (resident, (user, system)) = (node.status_kib("VmHWM:"), node.cpu_s());
    println!(
        "{bytes} bytes{}: there in {} ms, back in {} ms, {user} s + {system} s of the node's CPU, {resident} KiB \
         resident at the most of {RESIDENT_KIB_MAX}",
        if full {
            ""
        } else {
            " (8 GiB with MEDIUM_BIG=1)"
        },
        there.as_millis(),
        came.as_millis(),
    );
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB were resident");
}
