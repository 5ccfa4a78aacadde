//! `llm`.

use std::sync::Arc;

use genesis::refusal::Code;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::home::{Home, has, llm, told};
use super::server::{Reply, Server, head};

#[tokio::test]
async fn who_asks_gets_an_answer() {
    let server = Server::start(|_, _| Reply::words(&["Grüß", " dich", "!"], Some((7, 3)))).await;
    let home = Home::new().await;
    let born = home
        .spawn(&llm(
            &server.origin,
            &json!({ "system": "Be brief.", "tokens_max": 1000 }),
        ))
        .await;
    let program = &born["programs"][0];
    assert_eq!(program["command"], json!(["llm", "tiny"]));
    assert_eq!(
        program["may"],
        json!([format!("call {}/v1", server.origin)])
    );
    // Through somebody who has it as a contact, as agents do.
    let agent =
        json!({ "pod": { "native": "relay" }, "name": "agent", "contacts": { "llm": "llm" } });
    home.spawn(&agent).await;
    assert_eq!(home.says("agent", "Hello?").await, "Grüß dich!");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].line.starts_with("POST /v1/chat/completions "));
    let key = format!("idempotency-key: {}-1", born["id"].as_str().unwrap());
    assert!(asked[0].headers.contains(&key), "{}", asked[0].headers);
    let body = asked[0].json();
    assert_eq!(
        (&body["model"], &body["stream"]),
        (&json!("tiny"), &json!(true))
    );
    let system = ("system".to_owned(), "Be brief.".to_owned());
    assert_eq!(
        told(&body),
        [system, ("user".to_owned(), "Hello?".to_owned())]
    );
    let log = home.log("llm").await;
    assert!(
        log.contains("call 1: 7 tokens in, 3 out; 10 of 1000 spent"),
        "{log}"
    );
}

#[tokio::test]
async fn servers_in_trouble_are_asked_again() {
    let server = Server::start(|number, _| match number {
        0 => Reply::new("429 Too Many Requests", &["retry-after: 0"], "slow down"),
        1 => Reply::new(
            "503 Service Unavailable",
            &[],
            "{\"error\":{\"message\":\"busy\"}}",
        ),
        2 => Reply::Breaks(
            head(
                "200 OK",
                &["content-type: text/event-stream", "content-length: 9999"],
            ),
            b"data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n".to_vec(),
        ),
        3 => Reply::new(
            "200 OK",
            &["content-type: text/event-stream"],
            "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n",
        ),
        _ => Reply::words(&["Whole"], Some((4, 1))),
    })
    .await;
    let home = Home::new().await;
    home.spawn(&llm(&server.origin, &json!({}))).await;
    assert_eq!(home.says("llm", "Hello?").await, "Whole");
    assert_eq!(server.asked().len(), 5);
    let log = home.log("llm").await;
    for tried in [
        "try 1 of 5: busy: the server answered 429 Too Many Requests: slow down; again in 0 ms",
        "try 2 of 5: unreachable: the server answered 503 Service Unavailable: busy; again in 2 ms",
        "try 3 of 5: unreachable",
        "try 4 of 5: unreachable: the answer broke off",
    ] {
        assert!(log.contains(tried), "{tried}: {log}");
    }
    // What broke off was paid for as well.
    assert!(log.contains("call 1: about "), "{log}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_named() {
    let server = Server::start(|_, _| Reply::words(&["x"], None)).await;
    let origin = server.origin.clone();
    drop(server);
    let home = Home::new().await;
    home.spawn(&llm(&origin, &json!({ "tries": 3 }))).await;
    home.refuses("llm", "Hello?", Code::Unreachable, &origin)
        .await;
    let log = home.log("llm").await;
    assert!(log.contains("try 3 of 3"), "{log}");
}

#[tokio::test]
async fn what_is_no_answer_is_refused_by_name() {
    let server = Server::start(|_, asked| {
        let events = &["content-type: text/event-stream"];
        let big = "a".repeat(1000);
        let piece = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{big}\"}}}}]}}\n\n");
        match asked.json()["messages"][0]["content"].as_str() {
            Some("huge") => Reply::new("200 OK", events, piece.repeat(100)),
            Some("line") => Reply::new("200 OK", events, vec![b'a'; 1 << 20]),
            Some("garbage") => Reply::new("200 OK", events, "data: <html>\n\n"),
            Some("json") => Reply::new("200 OK", &["content-type: application/json"], "{\"a\""),
            Some("refused") => Reply::new(
                "400 Bad Request",
                &[],
                "{\"error\":{\"message\":\"no cats\"}}",
            ),
            Some("moved") => Reply::new("302 Found", &["location: http://127.0.0.1:1/"], ""),
            _ => Reply::Hangs,
        }
    })
    .await;
    let home = Home::new().await;
    let quick = json!({ "tries": 1, "timeout_ms": 50 });
    home.spawn(&llm(&server.origin, &json!({ "tries": 1 })))
        .await;
    for (asked, code, named) in [
        ("huge", Code::TooLarge, "more than 32768 bytes"),
        ("line", Code::TooLarge, "more than 262144 bytes"),
        ("garbage", Code::Malformed, "form of `/chat/completions`"),
        ("json", Code::Malformed, "form of `/chat/completions`"),
        ("refused", Code::Malformed, "400 Bad Request: no cats"),
        ("moved", Code::Malformed, "302 Found"),
        (
            r#"{"text": "a", "messages": []}"#,
            Code::Malformed,
            "either",
        ),
    ] {
        home.refuses("llm", asked, code, named).await;
    }
    let mut birth = llm(&server.origin, &quick);
    birth["name"] = "hasty".into();
    home.spawn(&birth).await;
    home.refuses("hasty", "hang", Code::Timeout, "within 50 ms")
        .await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_made_again() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Hangs,
        _ => Reply::words(&["late"], Some((1, 1))),
    })
    .await;
    let home = Home::new().await;
    home.spawn(&llm(&server.origin, &json!({}))).await;
    let agent =
        json!({ "pod": { "native": "relay" }, "name": "agent", "contacts": { "llm": "llm" } });
    home.spawn(&agent).await;
    home.send("agent", "Hello?").await;
    server.was_asked(1).await;
    let home = home.again().await;
    server.was_asked(2).await;
    let asked = server.asked();
    assert_eq!(asked[0].body, asked[1].body);
    let key = |headers: &str| {
        headers
            .lines()
            .find(|l| l.starts_with("idempotency"))
            .map(str::to_owned)
    };
    assert_eq!(key(&asked[0].headers), key(&asked[1].headers));
    // The next is another call, and the state is as if nothing had happened.
    assert_eq!(home.says("llm", "And now?").await, "late");
    let log = home.log("llm").await;
    assert!(
        log.contains("call 1: 1 tokens in") && log.contains("call 2: 1"),
        "{log}"
    );
}

/// Asks the model for what it is asked, and answers with how many pieces came and what they said together.
const AGENT: &str = r#"
import json, sys

open_id, pieces = None, []
for line in sys.stdin:
    said = json.loads(line)
    answer = {"done": said.get("id")}
    if said.get("channel") == "llm/chunk":
        piece = said["json"]
        assert piece["re"] == "k" and piece["at"] == len("".join(pieces).encode()), piece
        pieces.append(piece["text"])
    elif said.get("re") == "asked":
        same = said["text"] == "".join(pieces)
        print(json.dumps({"re": open_id, "json": {"pieces": len(pieces), "same": same}}), flush=True)
    elif "text" in said:
        open_id, answer = said["id"], None
        question = {"text": said["text"], "stream": True, "re": "k"}
        print(json.dumps({"to": "llm", "json": question, "ask": "asked"}), flush=True)
    if answer and answer["done"]:
        print(json.dumps(answer), flush=True)
"#;

#[tokio::test]
async fn a_program_hears_the_answer_while_it_comes() {
    if !has("python3") {
        return;
    }
    let long = "wörd ".repeat(1000);
    let server = Server::start(move |_, _| {
        let words: Vec<_> = long.split_inclusive(' ').collect();
        Reply::words(&words, Some((1, 1000)))
    })
    .await;
    let home = Home::new().await;
    home.spawn(&llm(&server.origin, &json!({}))).await;
    let program = json!({ "command": ["python3", "agent.py"], "files": { "agent.py": AGENT } });
    home.spawn(&json!({
        "pod": { "native": "outside", "argument": program.to_string() },
        "name": "agent",
        "contacts": { "llm": "llm" },
    }))
    .await;
    let heard = home.says("agent", "Go on.").await;
    let heard: Value = serde_json::from_str(&heard).unwrap();
    assert_eq!(heard["same"], true, "{heard}");
    assert!(heard["pieces"].as_u64().unwrap() > 1, "{heard}");
}

#[tokio::test]
async fn a_stop_gives_calls_up_and_sleep_does_not() {
    let go = Arc::new(Notify::new());
    let late = go.clone();
    let server =
        Server::start(
            move |_, asked| match asked.json()["messages"][0]["content"].as_str() {
                Some("never") => Reply::Hangs,
                _ => Reply::Waits(
                    late.clone(),
                    Box::new(Reply::words(&["late"], Some((1, 1)))),
                ),
            },
        )
        .await;
    let home = Home::new().await;
    home.spawn(&llm(&server.origin, &json!({}))).await;
    let asked = async {
        server.was_asked(1).await;
        let slept = home.post("/v1/vcs/llm/sleep", "{}".to_owned()).await;
        assert_eq!(slept["life"], "dormant", "{slept}");
        go.notify_one();
    };
    let (said, ()) = tokio::join!(home.says("llm", "slowly"), asked);
    assert_eq!(said, "late");
    home.send("llm", "never").await;
    server.was_asked(2).await;
    home.post("/v1/vcs/llm/stop", "{}".to_owned()).await;
    server.was_left().await;
}

/// A pod of two files, as `docs/llm.md` shows it: who asks it with a tool, what it spends, what replays of it.
#[tokio::test]
async fn a_run_replays_with_the_server_gone() {
    let server = Server::start(|number, _| match number {
        1 => Reply::calls(&[("notary", r#"{"text": "one"}"#)]),
        3 => Reply::new("400 Bad Request", &[], "no"),
        _ => Reply::words(&["said"], Some((40, 2))),
    })
    .await;
    let home = Home::new().await;
    home.spawn(&json!({ "pod": { "embedded": "notary" } }))
        .await;
    let pod = tempfile::tempdir().unwrap();
    let vc_json = json!({
        "name": "llm",
        "description": "Answers questions.",
        "grants": ["send", "emit"],
        "contacts": { "notary": "notary" },
        "parts": [{ "native": "llm", "argument": { "file": "llm.json" } }],
        "purse": { "outside": 1000, "motes": 5000 },
    });
    let llm_json = json!({
        "base": format!("{}/v1", server.origin),
        "model": "tiny",
        "history": 2,
        "price": { "in_motes_per_1000": 1, "out_motes_per_1000": 4 },
    });
    std::fs::write(pod.path().join("vc.json"), vc_json.to_string()).unwrap();
    std::fs::write(pod.path().join("llm.json"), llm_json.to_string()).unwrap();
    home.spawn(&json!({
        "pod": { "path": pod.path() },
        "outside": { "origins": [server.origin] },
        "record": 1000,
    }))
    .await;
    assert_eq!(home.says("llm", "a").await, "said");
    assert_eq!(home.says("llm", "b").await, "said");
    home.refuses("llm", "c", Code::Malformed, "400").await;
    // What the notary says of itself is what the model was told of it.
    let tool = &server.asked()[0].json()["tools"][0]["function"];
    assert_eq!(tool["name"], "notary");
    assert_eq!(
        server.asked()[2].json()["messages"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    drop(server);
    let home = home.again().await;
    let replayed = home.post("/v1/vcs/llm/replay", "{}".to_owned()).await;
    assert_eq!(replayed["first"], Value::Null, "{replayed}");
    assert!(replayed["messages"].as_u64().unwrap() >= 8, "{replayed}");
}

#[tokio::test]
async fn who_asked_before_is_remembered_if_wanted() {
    let server =
        Server::start(|number, _| Reply::words(&[&format!("answer {number}")], None)).await;
    let home = Home::new().await;
    home.spawn(&llm(&server.origin, &json!({ "history": 2 })))
        .await;
    for question in ["a", "b", "c", "d"] {
        home.says("llm", question).await;
    }
    let last = told(&server.asked()[3].json());
    let contents: Vec<_> = last.iter().map(|(_, content)| content.as_str()).collect();
    assert_eq!(contents, ["b", "answer 1", "c", "answer 2", "d"]);
}

#[tokio::test]
async fn secrets_are_seen_by_the_server_alone() {
    const SECRET: &str = "sk-very-secret-0123456789";
    let server = Server::start(|_, asked| {
        if asked.json()["messages"][0]["content"] == "wrong" {
            let said = format!("{{\"error\":{{\"message\":\"Incorrect API key: {SECRET}\"}}}}");
            return Reply::new("401 Unauthorized", &[], said);
        }
        let (left, right) = SECRET.split_at(9);
        Reply::words(&["you sent ", left, right, "!"], None)
    })
    .await;
    let home = Home::new().await;
    let mut birth = llm(&server.origin, &json!({ "key": "API_KEY" }));
    let refused = home.try_spawn(&birth).await;
    assert_eq!(refused["code"], "denied", "{refused}");
    assert!(
        refused["what"]
            .as_str()
            .unwrap()
            .contains("--secret API_KEY"),
        "{refused}"
    );
    birth["outside"]["secrets"] = json!({ "API_KEY": SECRET });
    let born = home.spawn(&birth).await;
    assert_eq!(born["programs"][0]["secrets"], json!(["API_KEY"]));
    assert_eq!(home.says("llm", "hello").await, "you sent [API_KEY]!");
    let streamed = r#"{"text": "hello", "stream": true}"#;
    assert_eq!(home.says("llm", streamed).await, "you sent [API_KEY]!");
    let why = home
        .refuses("llm", "wrong", Code::Denied, "[API_KEY]")
        .await;
    let bearer = format!("authorization: bearer {SECRET}");
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.headers.contains(&bearer))
    );
    let mut seen = vec![born, why];
    for path in [
        "/v1/vcs/llm",
        "/v1/vcs/llm/logs",
        "/v1/vcs/llm/journal",
        "/v1/vcs",
        "/v1/node",
        "/v1/events",
    ] {
        let url = format!("{}{path}", home.node.base());
        let said = reqwest::get(url).await.unwrap().text().await.unwrap();
        seen.push(Value::String(said));
    }
    for value in seen {
        assert!(!value.to_string().contains("very-secret"), "{value}");
    }
    // On disk it is in one place: what the node was told to keep for this VC, for its user alone.
    home.node.stop().await.unwrap();
    let mut found = Vec::new();
    let mut folders = vec![home.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .unwrap()
                .windows(11)
                .any(|w| w == b"very-secret")
            {
                found.push(path);
            }
        }
    }
    let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["granted.json"], "{found:?}");
}

#[tokio::test]
async fn an_address_that_was_not_granted_is_not_called() {
    let server = Server::start(|_, _| Reply::words(&["x"], None)).await;
    let home = Home::new().await;
    let mut birth = llm(&server.origin, &json!({}));
    for origins in [json!([]), json!(["http://127.0.0.1:1"])] {
        birth["outside"] = json!({ "origins": origins });
        let refused = home.try_spawn(&birth).await;
        assert_eq!(refused["code"], "denied", "{refused}");
        let what = refused["what"].as_str().unwrap();
        assert!(
            what.contains(&format!("--origin {}", server.origin)),
            "{what}"
        );
    }
    assert!(server.asked().is_empty());
}
