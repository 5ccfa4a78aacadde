//! Programs that run already, and attach themselves.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::Node;

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

#[tokio::test]
async fn a_program_attaches_itself_with_a_token_of_its_own() {
    let node = Node::start();
    node.write(
        "desk/vc.json",
        r#"{"name": "desk", "outside": {}, "grants": ["send", "emit"]}"#,
    );
    node.done(&["spawn", "./desk"]);
    // What comes before anybody is there waits.
    node.done(&["send", "desk", "early", "--wait", "0"]);
    let url = node.done(&["attach", "desk"]);
    let other = node.done(&["spawn", "echo"]);
    assert!(
        node.run(&["attach", "echo"])
            .refused()
            .contains("does not speak for a program")
    );
    for wrong in [
        url.replace("token=", "token=0"),
        url.replace(
            &node.json(&["show", "desk"])["id"].as_str().unwrap()[3..],
            &other[3..],
        ),
    ] {
        assert!(
            connect_async(wrong).await.is_err(),
            "another token opens nothing"
        );
    }
    let (mut socket, _) = connect_async(&url).await.unwrap();
    let mut next = async || -> Value {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    };
    let hello = next().await;
    assert_eq!((&hello["medium"], &hello["run"]), (&json!(1), &json!(1)));
    let early = next().await;
    assert_eq!(
        (&early["id"], &early["text"], &early["again"]),
        (&json!(1), &json!("early"), &Value::Null)
    );
    let line = |value: Value| Message::Text(value.to_string().into());
    socket.send(line(json!({"done": 1}))).await.unwrap();
    let asked = {
        let mut command = node.command(&["send", "desk", "question", "--wait", "20000"]);
        std::thread::spawn(move || command.output().unwrap())
    };
    let question = loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            break serde_json::from_str::<Value>(&text).unwrap();
        }
    };
    socket
        .send(line(json!({"re": question["id"], "text": "answer"})))
        .await
        .unwrap();
    let answered = tokio::task::spawn_blocking(move || asked.join().unwrap())
        .await
        .unwrap();
    assert_eq!(String::from_utf8(answered.stdout).unwrap(), "answer\n");
    // A second one is turned away; when the first has gone, there is room.
    let (mut second, _) = connect_async(&url).await.unwrap();
    let turned = loop {
        match second.next().await {
            Some(Ok(Message::Close(frame))) => break frame.unwrap().reason.to_string(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(
        turned.contains("somebody else speaks for this VC"),
        "{turned}"
    );
    socket.close(None).await.unwrap();
    drop(socket);
    crate::logged(&node, "desk", "it detached itself");
    let (mut third, _) = connect_async(&url).await.unwrap();
    let Message::Text(text) = third.next().await.unwrap().unwrap() else {
        panic!("a line")
    };
    let hello: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&hello["run"], &hello["last"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn who_watches_turns_hears_of_each_that_is_recorded() {
    let node = Node::start();
    node.done(&["spawn", "echo"]);
    let base = node.ready["api"]
        .as_str()
        .unwrap()
        .replacen("http", "ws", 1);
    let open = async |query: &str| {
        connect_async(format!("{base}/v1/events{query}"))
            .await
            .unwrap()
            .0
    };
    let (mut watching, mut other) = (open("?turns=true").await, open("").await);
    let asked = node.json(&["send", "echo", "hello"]);
    node.done(&["spawn", "echo", "--name", "last"]);
    let until_the_last = async |socket: &mut Socket| -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            let event: Value = serde_json::from_str(&text).unwrap();
            let is_last = event["kind"] == "born";
            seen.push(event);
            if is_last {
                return seen;
            }
        }
    };
    let seen = until_the_last(&mut watching).await;
    let handled: Vec<_> = seen
        .iter()
        .filter(|event| event["kind"] == "handled")
        .collect();
    let data = handled.first().unwrap()["data"].as_str().unwrap();
    assert!(
        data.ends_with("on main, 5 bytes, 110 fuel: consumed"),
        "{data} {asked}"
    );
    let seen = until_the_last(&mut other).await;
    assert!(
        seen.iter().all(|event| event["kind"] != "handled"),
        "{seen:?}"
    );
}
