//! Contents of any size over HTTP: in, out, in ranges, damaged, cut off, by reference in messages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream;
use genesis::id::Digest;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::Code;
use medium::node::NodeConfig;
use medium::server::REFERENCE_TYPE;
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{Served, ephemeral, is_text, refused};

fn bytes(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// A node on a folder.
async fn served() -> (Served, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Served::start(NodeConfig {
        data: Some(folder.path().join("data")),
        ..ephemeral()
    })
    .await;
    (node, folder)
}

async fn store(node: &Served, bytes: Vec<u8>) -> String {
    let request = node.write(Method::POST, "/v1/contents").body(bytes);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CREATED);
    let stored: Value = answer.json().await.expect("JSON");
    is_text(&stored["digest"]).to_owned()
}

fn file_of(folder: &TempDir, digest: &str) -> PathBuf {
    let contents = folder.path().join("data/contents");
    contents.join(&digest[..2]).join(digest)
}

/// Files below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let count = |path: PathBuf| if path.is_dir() { files(&path) } else { 1 };
    entries.map(|entry| count(entry.path())).sum()
}

#[tokio::test]
async fn contents_come_back_whole_and_in_ranges() {
    let (node, _folder) = served().await;
    let bytes = bytes(1_000_000);
    let digest = Digest::of(&bytes).to_string();
    let put = node.write(Method::PUT, &format!("/v1/contents?digest={digest}&pin"));
    let answer = put.body(bytes.clone()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let stored: Value = answer.json().await.unwrap();
    assert_eq!(stored, json!({"digest": digest, "bytes": 1_000_000}));

    let path = format!("/v1/contents/{digest}");
    let whole = node.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    assert_eq!(whole.headers()["content-length"], "1000000");
    assert_eq!(whole.headers()["etag"], format!("\"{digest}\""));
    assert_eq!(whole.bytes().await.unwrap(), bytes);
    let head = node.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "1000000");

    for (range, from, until) in [
        ("bytes=0-0", 0, 1),
        ("bytes=16383-16384", 16_383, 16_385),
        ("bytes=300000-900000", 300_000, 900_001),
        ("bytes=999999-", 999_999, 1_000_000),
        ("bytes=-70000", 930_000, 1_000_000),
        ("bytes=500000-9999999", 500_000, 1_000_000),
    ] {
        let part = node.request(Method::GET, &path).header("range", range);
        let part = part.send().await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let said = format!("bytes {from}-{}/1000000", until - 1);
        assert_eq!(part.headers()["content-range"], said, "{range}");
        assert_eq!(part.bytes().await.unwrap(), bytes[from..until], "{range}");
    }
    let beyond = node
        .request(Method::GET, &path)
        .header("range", "bytes=1000000-");
    let beyond = beyond.send().await.unwrap();
    assert_eq!(beyond.headers()["content-range"], "bytes */1000000");
    refused(beyond, StatusCode::RANGE_NOT_SATISFIABLE, Code::Malformed).await;

    // Nothing is a content as well.
    let nothing = store(&node, Vec::new()).await;
    let nothing = node.request(Method::GET, &format!("/v1/contents/{nothing}"));
    assert_eq!(nothing.send().await.unwrap().bytes().await.unwrap(), "");
    // Pinned ones are not swept.
    let swept = node.post("/v1/contents/sweep?idle=0", &json!({})).await;
    assert_eq!(swept, json!({"removed": 1, "bytes": 0}));
    node.delete(&format!("{path}/pin")).await;
    let swept = node.post("/v1/contents/sweep?idle=0", &json!({})).await;
    assert_eq!(swept, json!({"removed": 1, "bytes": 1_000_000}));
    node.refuses(Method::GET, &path, StatusCode::NOT_FOUND, Code::Unknown)
        .await;
    let pin = format!("{path}/pin");
    node.refuses(Method::POST, &pin, StatusCode::NOT_FOUND, Code::Unknown)
        .await;
    let odd = "/v1/contents/xyz";
    node.refuses(
        Method::GET,
        odd,
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::Malformed,
    )
    .await;
}

#[tokio::test]
async fn what_is_cut_off_or_not_expected_leaves_nothing() {
    let (node, folder) = served().await;
    let contents = folder.path().join("data/contents");
    let wrong = format!("/v1/contents?digest={}", Digest::of(b"other"));
    let answer = node.write(Method::POST, &wrong).body(bytes(200_000));
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let body = refused(answer.send().await.unwrap(), status, Code::Malformed).await;
    assert!(is_text(&body["what"]).contains(&Digest::of(b"other").to_string()));

    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    for path in ["/v1/contents", "/v1/vcs/echo/messages"] {
        let pieces = (0..20).map(|n| match n {
            19 => Err(std::io::Error::other("the client dies")),
            _ => Ok(bytes(50_000)),
        });
        let body = Body::wrap_stream(stream::iter(pieces));
        let cut = node.write(Method::POST, path).body(body).send().await;
        assert!(cut.is_err(), "{path}");
    }
    // The node notices it when it notices it.
    let gone = async {
        while files(&contents) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "{} files are left", files(&contents));
    let stats = node.get("/v1/stats").await;
    assert_eq!(stats["queued"], 0);
}

/// What cannot fit on the disk is refused before any of it is read.
#[tokio::test]
async fn there_is_no_room_for_more_than_the_disk_has() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let node = Served::start(NodeConfig {
        contents_bytes_max: u64::MAX,
        ..ephemeral()
    })
    .await;
    let mut socket = tokio::net::TcpStream::connect(node.node.address())
        .await
        .unwrap();
    let request = format!(
        "POST /v1/contents HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\nhi",
        node.node.token(),
        1_u64 << 60
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 507"), "{answer}");
    assert!(answer.contains(Code::DiskFull.name()), "{answer}");
}

#[tokio::test]
async fn damage_is_never_served() {
    let (node, folder) = served().await;
    let long = bytes(1_000_000);
    let digest = store(&node, long.clone()).await;
    let path = format!("/v1/contents/{digest}");
    let file = file_of(&folder, &digest);
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[700_000] ^= 1;
    std::fs::write(&file, damaged).unwrap();

    // What is not damaged is given out, and the rest is not.
    let range = |range: &str| node.request(Method::GET, &path).header("range", range);
    let sound = range("bytes=0-600000").send().await.unwrap();
    assert_eq!(sound.bytes().await.unwrap(), long[..=600_000]);
    let body = range("bytes=700000-700000").send().await.unwrap();
    let body = refused(body, StatusCode::INTERNAL_SERVER_ERROR, Code::Corrupt).await;
    assert_eq!(body["who"], digest);
    let cut = range("bytes=0-").send().await.unwrap();
    assert!(cut.bytes().await.is_err(), "it ends before the damage");

    // Storing them again heals them.
    assert_eq!(store(&node, long.clone()).await, digest);
    let healed = node.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(healed.bytes().await.unwrap(), long);
}

#[tokio::test]
async fn messages_carry_long_contents_by_reference() {
    let (node, _folder) = served().await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    let long = bytes(CONTENTS_INLINE_MAX + 1);
    let digest = Digest::of(&long).to_string();
    let ask = "/v1/vcs/echo/messages?wait=10000";
    // A body is spooled, whether its length is announced or not.
    let announced = Body::from(long.clone());
    let pieces: Vec<_> = long
        .chunks(10_000)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    for body in [announced, Body::wrap_stream(stream::iter(pieces))] {
        let asked = node
            .write(Method::POST, ask)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(asked.status(), StatusCode::OK);
        let asked: Value = asked.json().await.unwrap();
        let reply = &asked["reply"];
        assert_eq!(
            (&reply["ref"], &reply["bytes"]),
            (&json!(digest), &json!(long.len()))
        );
        assert!(
            reply.get("text").is_none() && reply.get("base64").is_none(),
            "{reply}"
        );
        let path = format!("/v1/contents/{digest}");
        let back = node.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(back.bytes().await.unwrap(), long);
        for message in [&asked["message"], &reply["message"]] {
            let shown = node
                .get(&format!("/v1/messages/{}", is_text(message)))
                .await;
            let contents = json!({"bytes": long.len(), "digest": digest});
            assert_eq!(shown["contents"], contents);
        }
    }
    // What is named is sent without being sent again.
    let named = |digest: &str| {
        let body = json!({ "ref": digest }).to_string();
        let request = node
            .write(Method::POST, ask)
            .header("content-type", REFERENCE_TYPE);
        request.body(body)
    };
    let asked: Value = named(&digest).send().await.unwrap().json().await.unwrap();
    assert_eq!(asked["reply"]["ref"], digest);
    // Short contents travel inside.
    let short = store(&node, b"short".to_vec()).await;
    let asked: Value = named(&short).send().await.unwrap().json().await.unwrap();
    assert_eq!(asked["reply"]["text"], "short");
    let missing = named(&Digest::of(b"never stored").to_string());
    refused(
        missing.send().await.unwrap(),
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;
    let odd = named("xyz").send().await.unwrap();
    refused(odd, StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed).await;
    // A short body of which the length is not known is as it was.
    let body = Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>("hi")]));
    let asked = node
        .write(Method::POST, ask)
        .body(body)
        .send()
        .await
        .unwrap();
    let asked: Value = asked.json().await.unwrap();
    assert_eq!(asked["reply"]["text"], "hi");
}
