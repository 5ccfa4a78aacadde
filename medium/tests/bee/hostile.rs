//! Requests that nobody sends by mistake, and what a node answers to those that somebody does.

use adapters::swarm::SPAN_BYTES;
use medium::node::{Node, NodeConfig};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node without a folder that serves Bee's API, and a batch that pays.
struct Served {
    node: Node,
    client: Client,
    batch: String,
}

impl Served {
    async fn start() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let config = NodeConfig {
            api: any,
            bee_api: Some(any),
            workers: 1,
            ..NodeConfig::default()
        };
        let client = Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none());
        let mut served = Self {
            node: Node::start(config).await.unwrap(),
            client: client.build().unwrap(),
            batch: String::new(),
        };
        let bought = served.request(Method::POST, "/stamps/1000000000/20");
        let bought: Value = bought.send().await.unwrap().json().await.unwrap();
        bought["batchID"]
            .as_str()
            .unwrap()
            .clone_into(&mut served.batch);
        served
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.node.bee_address().unwrap();
        self.client.request(method, format!("http://{base}{path}"))
    }

    /// An upload that is paid for.
    fn upload(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("swarm-postage-batch-id", &self.batch)
            .body(body)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn reference(&self, request: RequestBuilder) -> String {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let said: Value = answer.json().await.unwrap();
        said["reference"].as_str().unwrap().to_owned()
    }
}

/// Refusals have a status, the same number in JSON, and say what was wrong.
async fn refused(request: RequestBuilder, status: u16) -> String {
    let answer = request.send().await.unwrap();
    let (url, found) = (answer.url().clone(), answer.status());
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let said = answer.text().await.unwrap();
    assert_eq!(found.as_u16(), status, "{url}: {said}");
    assert_eq!(kind, "application/json; charset=utf-8");
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["code"], status);
    assert!(
        json["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty())
    );
    said
}

#[tokio::test]
async fn what_is_no_reference_is_refused() {
    let node = Served::start().await;
    let long = "a".repeat(127);
    let upper_limit = "f".repeat(30_000);
    for bad in [
        "x",
        "0x12",
        "ab",
        "%00",
        "..%2f..",
        &long,
        &"g".repeat(64),
        &upper_limit,
    ] {
        for path in ["/bytes/", "/chunks/", "/pins/", "/stewardship/"] {
            refused(node.request(Method::GET, &format!("{path}{bad}")), 400).await;
        }
        refused(node.request(Method::GET, &format!("/bzz/{bad}/x")), 400).await;
        refused(node.request(Method::GET, &format!("/soc/{bad}/{bad}")), 400).await;
        refused(node.request(Method::GET, &format!("/stamps/{bad}")), 400).await;
    }
    let owner = "ab".repeat(20);
    for topic in ["zz", "a", &"ab".repeat(300)] {
        refused(
            node.request(Method::GET, &format!("/feeds/{owner}/{topic}")),
            400,
        )
        .await;
    }
    refused(
        node.request(Method::GET, &format!("/feeds/{owner}/aa?after=-1")),
        400,
    )
    .await;
    refused(node.request(Method::GET, "/tags/-1"), 400).await;
    refused(node.request(Method::GET, "/nothing/here"), 404).await;
    refused(node.request(Method::DELETE, "/bytes"), 405).await;
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused() {
    let node = Served::start().await;
    for (name, value, status) in [
        ("swarm-pin", "perhaps", 400),
        ("swarm-encrypt", "2", 400),
        ("swarm-tag", "-1", 400),
        ("swarm-tag", "18446744073709551616", 400),
        ("swarm-tag", "999", 404),
        ("swarm-redundancy-level", "1", 400),
        ("swarm-redundancy-level", "5", 400),
        ("swarm-redundancy-level", "x", 400),
        ("swarm-act", "true", 501),
    ] {
        let said = refused(node.upload("/bytes", "x").header(name, value), status).await;
        let about_it = said.contains(name) || said.contains("tag not found") || status == 501;
        assert!(about_it, "{said}");
    }
    for batch in ["", "zz", "ab"] {
        let bare = node.request(Method::POST, "/bytes").body("x");
        refused(bare.header("swarm-postage-batch-id", batch), 400).await;
    }
    refused(node.request(Method::POST, "/bytes").body("x"), 400).await;
    let read = node.request(Method::GET, &format!("/bytes/{}", "ab".repeat(32)));
    refused(read.header("swarm-act-publisher", "02ab"), 501).await;
}

#[tokio::test]
async fn chunks_of_a_wrong_length_are_refused() {
    let node = Served::start().await;
    refused(node.upload("/chunks", vec![0; SPAN_BYTES - 1]), 400).await;
    refused(node.upload("/chunks", ""), 400).await;
    // Too long for a content-addressed chunk, and signed by nobody.
    refused(node.upload("/chunks", vec![0; 4200]), 400).await;
    refused(node.upload("/chunks", vec![0; 4202]), 413).await;
    refused(node.upload("/chunks", vec![0; 3_000_000]), 413).await;
    let soc = format!("/soc/{}/{}", "ab".repeat(20), "cd".repeat(32));
    refused(node.upload(&soc, vec![0; 100]), 400).await; // not signed
    refused(node.upload(&format!("{soc}?sig=12"), vec![0; 100]), 400).await;
    let signed = format!("{soc}?sig={}", "11".repeat(65));
    refused(node.upload(&signed, vec![0; 100]), 401).await;
    refused(node.upload(&signed, vec![0; 7]), 400).await;
    refused(node.upload(&signed, vec![0; 4105]), 413).await;
    refused(node.upload("/pins", "x"), 405).await;
}

fn tar(name: &[u8], kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut tar = [&header[..], contents].concat();
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

#[tokio::test]
async fn collections_lead_nowhere_else() {
    let node = Served::start().await;
    let collection = |tar: Vec<u8>| {
        node.upload("/bzz", tar)
            .header("content-type", "application/x-tar")
            .header("swarm-collection", "true")
    };
    for name in [
        &b"../../etc/passwd"[..],
        b"a/../../b",
        b"/etc/passwd",
        b"\xff\xfe",
    ] {
        let said = refused(collection(tar(name, b'0', b"x")), 400).await;
        assert!(said.contains("invalid path"), "{said}");
    }
    // Nothing but what is no file: a link, a device, a directory.
    for kind in [b'1', b'2', b'3', b'5', b'6'] {
        let said = refused(collection(tar(b"link", kind, b"")), 400).await;
        assert!(said.contains("no files in root directory"), "{said}");
    }
    refused(collection(Vec::new()), 400).await;
    refused(collection(vec![b'x'; 2000]), 400).await;
    let mut cut_off = tar(b"a", b'0', &[1; 5000]);
    cut_off.truncate(2000);
    refused(collection(cut_off), 400).await;
    let slashed = collection(tar(b"a", b'0', b"x")).header("swarm-index-document", "a/b");
    refused(slashed, 400).await;
    let other = node.upload("/bzz", "x").header("swarm-collection", "true");
    refused(other.header("content-type", "text/plain"), 400).await;
    refused(node.upload("/bzz?name=/x", "x"), 400).await;
    refused(
        node.upload(&format!("/bzz?name={}", "n".repeat(1100)), "x"),
        400,
    )
    .await;
    let form = |body: String| {
        let kind = "multipart/form-data; boundary=b";
        node.upload("/bzz", body).header("content-type", kind)
    };
    for name in ["../x", "/x", "a/../../x"] {
        let part =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n--b--\r\n");
        refused(form(part), 400).await;
    }
    refused(form("no part".to_owned()), 400).await;
    // A header without an end.
    refused(form(format!("--b\r\nX: {}", "y".repeat(3_000_000))), 400).await;
    let unbounded = node
        .upload("/bzz", "x")
        .header("content-type", "multipart/form-data");
    refused(unbounded, 400).await;
}

/// Chunks that contradict each other, put there one by one by somebody who wants a reader to hang or to fail badly.
#[tokio::test]
async fn trees_that_lie_are_not_read() {
    let node = Served::start().await;
    let chunk = |span: u64, payload: &[u8]| [&span.to_le_bytes()[..], payload].concat();
    let leaf = node
        .reference(node.upload("/chunks", chunk(3, b"abc")))
        .await;
    let leaf = data_encoding::HEXLOWER.decode(leaf.as_bytes()).unwrap();
    let deep = u64::MAX >> 1;
    for (span, payload) in [
        (9_000, leaf.repeat(2)),           // children that span less
        (deep, leaf.repeat(128)),          // as deep as can be
        (5_000, vec![1; 50]),              // no references
        ((1 << 63) + 5_000, leaf.clone()), // a level of redundancy
        (100, vec![2; 4000]),              // more than it says
    ] {
        let root = node
            .reference(node.upload("/chunks", chunk(span, &payload)))
            .await;
        for path in [
            format!("/bytes/{root}"),
            format!("/bzz/{root}/x"),
            format!("/bzz/{root}/"),
        ] {
            let answer = node.get(&path).await;
            let status = answer.status();
            let read = answer.bytes().await;
            assert!(
                !status.is_success() || read.is_err(),
                "{path}: {status}, {read:?}"
            );
        }
        let looked: Value = node
            .get(&format!("/stewardship/{root}"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(looked["isRetrievable"], false, "{span}");
        refused(node.request(Method::POST, &format!("/pins/{root}")), 404).await;
    }
}

#[tokio::test]
async fn ranges_that_make_no_sense_get_all_or_416() {
    let node = Served::start().await;
    let path = format!(
        "/bytes/{}",
        node.reference(node.upload("/bytes", "0123456789")).await
    );
    for (range, status, expected) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=-3", 206, "789"),
        ("bytes=8-999999999999999999999", 200, "0123456789"),
        ("bytes=8-99999", 206, "89"),
        ("bytes=4-2", 200, "0123456789"),
        ("bytes=0-1,4-5", 200, "0123456789"),
        ("lines=1-2", 200, "0123456789"),
        ("\u{7f}", 200, "0123456789"),
    ] {
        let request = node.request(Method::GET, &path);
        let Ok(value) = reqwest::header::HeaderValue::from_str(range) else {
            continue;
        };
        let answer = request.header("range", value).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{range}");
        assert_eq!(answer.text().await.unwrap(), expected, "{range}");
    }
    refused(
        node.request(Method::GET, &path)
            .header("range", "bytes=10-"),
        416,
    )
    .await;
    let head = node.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["accept-ranges"], "bytes");
}

#[tokio::test]
async fn web_pages_change_nothing_and_strange_hosts_are_refused() {
    let node = Served::start().await;
    let base = format!("http://{}", node.node.bee_address().unwrap());
    let evil = node
        .request(Method::GET, "/stamps")
        .header("host", "evil.example");
    refused(evil, 403).await;
    let foreign = node
        .request(Method::GET, "/stamps")
        .header("origin", "http://evil.example");
    refused(foreign, 403).await;
    // A page that was served from here, and so has the right origin.
    let page = node
        .request(Method::POST, "/stamps/1000000000/20")
        .header("origin", &base);
    refused(page, 403).await;
    let reads = node.request(Method::GET, "/stamps").header("origin", &base);
    assert_eq!(reads.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn huge_headers_end_the_connection_and_nothing_else() {
    let node = Served::start().await;
    let mut stream = TcpStream::connect(node.node.bee_address().unwrap())
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        .await
        .unwrap();
    for number in 0..20_000 {
        let line = format!("x-{number}: {}\r\n", "y".repeat(100));
        if stream.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await; // it may have been reset
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
    let answer = node.get("/").await;
    assert_eq!(answer.text().await.unwrap(), "Ethereum Swarm Bee\n");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_upload() {
    let node = Served::start().await;
    let address = node.node.bee_address().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /bytes HTTP/1.1\r\nHost: 127.0.0.1\r\nSwarm-Postage-Batch-Id: {}\r\nContent-Length: 100000\r\n\r\n",
        node.batch
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[7; 5000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 400"),
        "{said}"
    );
    let tags: Value = node.get("/tags").await.json().await.unwrap();
    let named = |tag: &Value| tag["address"] != "0".repeat(64);
    assert!(
        !tags["tags"].as_array().unwrap().iter().any(named),
        "{tags}"
    );
}

#[tokio::test]
async fn a_batch_that_is_full_says_so_and_one_that_is_no_batch_is_not_bought() {
    let node = Served::start().await;
    for (path, status) in [
        ("/stamps/1000000000/16", 400),
        ("/stamps/1000000000/200", 400),
        ("/stamps/1/20", 400),
        ("/stamps/-1/20", 400),
        ("/stamps/x/20", 400),
        ("/stamps/340282366920938463463374607431768211455/32", 400),
    ] {
        refused(node.request(Method::POST, path), status).await;
    }
    let mutable = node.request(Method::POST, "/stamps/1000000000/20");
    refused(mutable.header("immutable", "false"), 501).await;
    // Two chunks fit a bucket of the smallest batch: chunks enough to fill one.
    let small = node
        .request(Method::POST, "/stamps/1000000000/17")
        .send()
        .await
        .unwrap();
    let small: Value = small.json().await.unwrap();
    let contents: Vec<u8> = (0..3_000_000u64).flat_map(u64::to_le_bytes).collect();
    let upload = node.request(Method::POST, "/bytes").body(contents);
    let id = small["batchID"].as_str().unwrap();
    let said = refused(upload.header("swarm-postage-batch-id", id), 402).await;
    assert!(
        said.contains("batch is overissued") && said.contains("is full"),
        "{said}"
    );
}

#[tokio::test]
async fn it_is_not_reached_from_elsewhere_unless_that_was_said() {
    let config = |anywhere| NodeConfig {
        api: "127.0.0.1:0".parse().unwrap(),
        // An address that belongs to nobody: it is refused before anything is bound.
        bee_api: Some("192.0.2.1:1633".parse().unwrap()),
        bee_listen_anywhere: anywhere,
        ..NodeConfig::default()
    };
    let denied = Node::start(config(false)).await.unwrap_err();
    assert_eq!(denied.code, genesis::refusal::Code::Denied);
    assert!(denied.hint.unwrap().contains("--bee-listen-anywhere"));
}
