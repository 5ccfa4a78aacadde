//! `http`.

use genesis::refusal::Code;
use serde_json::{Value, json};

use super::home::Home;
use super::server::{Reply, Server};

fn http(origin: &str, more: &Value) -> Value {
    let mut argument = json!({ "origins": [origin], "methods": ["GET", "POST"] });
    for (name, value) in more.as_object().into_iter().flatten() {
        argument[name] = value.clone();
    }
    json!({
        "pod": { "native": "http", "argument": argument.to_string() },
        "name": "web",
        "outside": { "origins": [origin] },
    })
}

#[tokio::test]
async fn who_asks_gets_what_the_server_says() {
    let server = Server::start(|_, asked| {
        let path = asked.line.split(' ').nth(1).unwrap().to_owned();
        match path.as_str() {
            "/hello" => Reply::new(
                "200 OK",
                &["content-type: text/plain", "x-private: 1"],
                "Grüß",
            ),
            "/bytes" => Reply::new("200 OK", &[], vec![0xff, 0x00]),
            "/big" => Reply::new("200 OK", &[], "é".repeat(40_000)),
            "/zeros" => Reply::new("200 OK", &[], vec![0; 44 * 1024]),
            "/moved" => Reply::new("301 Moved", &["location: http://127.0.0.1:1/"], ""),
            "/echo" => Reply::new("201 Created", &[], asked.body.clone()),
            _ => Reply::new("404 Not Found", &[], "no"),
        }
    })
    .await;
    let home = Home::new().await;
    let born = home
        .spawn(&http(&server.origin, &json!({ "bytes_max": 45056 })))
        .await;
    assert_eq!(
        born["programs"][0]["may"],
        json!([format!("call {} by GET, POST", server.origin)])
    );
    let at = |path: &str| format!("{}{path}", server.origin);
    let got = async |asked: String| -> Value {
        serde_json::from_str(&home.says("web", &asked).await).unwrap()
    };
    let hello = got(at("/hello")).await;
    assert_eq!(
        (&hello["status"], &hello["text"]),
        (&json!(200), &json!("Grüß"))
    );
    assert_eq!(hello["headers"], json!({ "content-type": "text/plain" }));
    assert_eq!(got(at("/bytes")).await["base64"], "/wA=");
    let big = got(at("/big")).await;
    assert_eq!(big["truncated"], true);
    assert_eq!(big["text"].as_str().unwrap().len(), 45056);
    assert_eq!(
        got(at("/zeros")).await["base64"].as_str().unwrap().len(),
        60076
    );
    assert_eq!(
        got(at("/moved")).await["headers"]["location"],
        "http://127.0.0.1:1/"
    );
    assert_eq!(got(at("/none")).await["status"], 404);
    let posted = json!({ "method": "POST", "url": at("/echo"), "body": "x" }).to_string();
    let posted = got(posted).await;
    assert_eq!(
        (&posted["status"], &posted["text"]),
        (&json!(201), &json!("x"))
    );
    let asked = server.asked().len();
    let other = "http://127.0.0.1:1/".to_owned();
    home.refuses("web", &other, Code::Denied, "127.0.0.1:1")
        .await;
    let put = json!({ "method": "PUT", "url": at("/echo") }).to_string();
    home.refuses("web", &put, Code::Denied, "`PUT`").await;
    assert_eq!(server.asked().len(), asked);
}

#[tokio::test]
async fn bounds_are_named() {
    let server = Server::start(|_, _| Reply::Hangs).await;
    let home = Home::new().await;
    let mut birth = http(&server.origin, &json!({ "timeout_ms": 50, "calls_max": 1 }));
    home.spawn(&birth).await;
    home.refuses("web", &server.origin, Code::Timeout, "within 50 ms")
        .await;
    birth["name"] = "slow".into();
    let slow = json!({ "origins": [server.origin], "calls_max": 1, "timeout_ms": 600_000 });
    birth["pod"]["argument"] = slow.to_string().into();
    home.spawn(&birth).await;
    home.send("slow", &server.origin).await;
    home.refuses("slow", &server.origin, Code::Busy, "`calls_max`")
        .await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_made_again() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Hangs,
        _ => Reply::new("200 OK", &[], "here"),
    })
    .await;
    let home = Home::new().await;
    home.spawn(&http(&server.origin, &json!({ "calls_max": 1 })))
        .await;
    home.send("web", &server.origin).await;
    server.was_asked(1).await;
    let _home = home.again().await;
    server.was_asked(2).await;
    let key = |n: usize| server.asked()[n].headers.clone();
    assert_eq!(key(0), key(1));
}
