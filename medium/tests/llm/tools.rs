//! Contacts as tools of `llm`.

use genesis::refusal::Code;
use serde_json::json;

use super::home::{Home, llm, told};
use super::server::{Reply, Server};

#[tokio::test]
async fn tools_are_contacts() {
    let server = Server::start(|number, _| match number {
        0 => Reply::calls(&[
            ("notary", r#"{"text": "one"}"#),
            ("pupil__math_add", r#"{"of": [1, 2]}"#),
            ("stranger", r#"{"text": "hi"}"#),
            ("notary", "{\"text\": \"br"),
        ]),
        _ => Reply::words(&["done"], Some((20, 1))),
    })
    .await;
    let home = Home::new().await;
    for name in ["notary", "pupil", "secretive"] {
        let echo = json!({ "pod": { "native": "echo" }, "name": name });
        home.spawn(&echo).await;
    }
    let add = json!({
        "channel": "math/add",
        "description": "Adds.",
        "parameters": { "type": "object", "properties": { "of": { "type": "array" } } },
    });
    let tools = json!({ "tools": { "notary": { "description": "Repeats." }, "pupil": add } });
    let mut birth = llm(&server.origin, &tools);
    birth["contacts"] = json!({ "notary": "notary", "pupil": "pupil", "secretive": "secretive" });
    home.spawn(&birth).await;
    assert_eq!(home.says("llm", "Do it.").await, "done");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    let offered = asked[0].json();
    let names = offered["tools"].as_array().unwrap().iter();
    let names = names.map(|tool| tool["function"]["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["notary", "pupil__math_add"]);
    let answered = told(&asked[1].json());
    let contents: Vec<_> = answered
        .iter()
        .map(|(_, content)| content.as_str())
        .collect();
    assert_eq!(contents[..3], ["Do it.", "", "one"]);
    // Echo answers on its main channel only.
    assert!(contents[3].starts_with("error: "), "{contents:?}");
    assert!(
        contents[4].contains("there is no tool `stranger`"),
        "{contents:?}"
    );
    assert!(contents[5].contains("not JSON"), "{contents:?}");
}

#[tokio::test]
async fn what_a_program_says_of_its_channels_is_offered() {
    let server = Server::start(|number, _| match number {
        0 => Reply::calls(&[("weather__sky_forecast", r#"{"place": "Bern"}"#)]),
        _ => Reply::words(&["no idea"], None),
    })
    .await;
    let home = Home::new().await;
    // A program that attaches itself, and does not: it is late.
    let parameters = json!({ "type": "object", "properties": { "place": { "type": "string" } } });
    let forecast = json!({ "description": "The weather.", "parameters": parameters });
    let program = json!({ "channels": { "sky/forecast": forecast } });
    let weather =
        json!({ "pod": { "native": "outside", "argument": program.to_string() }, "name": "w" });
    home.spawn(&weather).await;
    let mut birth = llm(&server.origin, &json!({ "tool_timeout_ms": 50 }));
    birth["contacts"] = json!({ "weather": "w" });
    home.spawn(&birth).await;
    assert_eq!(home.says("llm", "Rain?").await, "no idea");
    let asked = server.asked();
    let function = &asked[0].json()["tools"][0]["function"];
    assert_eq!(function["name"], "weather__sky_forecast");
    assert_eq!(function["description"], "The weather.");
    assert_eq!(function["parameters"], parameters);
    let answered = told(&asked[1].json());
    let (role, content) = &answered[2];
    assert_eq!(role, "tool");
    assert!(content.starts_with("error: timeout"), "{content}");
}

#[tokio::test]
async fn a_model_that_only_calls_tools_is_stopped() {
    let server = Server::start(|_, _| Reply::calls(&[("echo", r#"{"text": "x"}"#)])).await;
    let home = Home::new().await;
    home.spawn(&json!({ "pod": { "native": "echo" }, "name": "echo" }))
        .await;
    let spec = json!({ "rounds_max": 3, "tools": { "echo": { "description": "Repeats." } } });
    let mut birth = llm(&server.origin, &spec);
    birth["contacts"] = json!({ "echo": "echo" });
    home.spawn(&birth).await;
    home.refuses("llm", "Go.", Code::Budget, "`rounds_max`")
        .await;
    assert_eq!(server.asked().len(), 3);
}
