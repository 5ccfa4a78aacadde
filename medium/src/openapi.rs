//! What the API says of itself. Both documents are written by hand; tests compare them with the router
//! and with live answers.

/// The OpenAPI 3.1 document of the API, served at `/openapi.json`.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The JSON Schema of the frames of the event socket, served at `/v1/events.schema.json`.
pub const EVENTS_SCHEMA: &str = include_str!("events.schema.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use genesis::power::Power;
    use genesis::purse::Coin;
    use genesis::refusal::Code;
    use serde_json::Value;

    use super::*;
    use crate::server::{is_private, routes};

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    fn names(value: &Value) -> BTreeSet<&str> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect()
    }

    #[test]
    fn the_document_has_the_endpoints_of_the_router_and_no_others() {
        let document = document();
        let written: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| *key != "parameters");
                methods.map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let routed: BTreeSet<_> = routes()
            .iter()
            .map(|route| (route.method.to_owned(), route.path.to_owned()))
            .collect();
        assert_eq!(written, routed);
    }

    #[test]
    fn every_endpoint_says_what_it_takes_and_gives() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let shared = item
                .get("parameters")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                assert!(
                    ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                    "{path}"
                );
                assert!(operation["summary"].is_string(), "{method} {path}");
                let responses = operation["responses"].as_object().unwrap();
                assert!(
                    responses
                        .keys()
                        .any(|status| status.starts_with(['1', '2'])),
                    "{method} {path}"
                );
                assert!(
                    responses.contains_key("default"),
                    "{method} {path} says nothing of refusals"
                );
                let guarded = operation["security"] != serde_json::json!([]);
                assert_eq!(
                    guarded,
                    method != "get" || is_private(path),
                    "{method} {path}: writes need the token, and so do pods"
                );
                for (at, _) in path.match_indices('{') {
                    let name = path[at + 1..].split('}').next().unwrap();
                    let named = shared.iter().any(|parameter| {
                        let parameter = resolve(&document, parameter);
                        parameter["name"] == name && parameter["in"] == "path"
                    });
                    assert!(named, "{path}: {{{name}}} is not described");
                }
            }
        }
    }

    fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => value,
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn follow(document: &Value, value: &Value) {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(reference)) = object.get("$ref") {
                        let path = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(path).is_some(), "{reference}");
                    }
                    object.values().for_each(|value| follow(document, value));
                }
                Value::Array(array) => array.iter().for_each(|value| follow(document, value)),
                _ => {}
            }
        }
        for text in [DOCUMENT, EVENTS_SCHEMA] {
            let document = serde_json::from_str(text).unwrap();
            follow(&document, &document);
        }
    }

    #[test]
    fn the_words_are_those_of_the_protocol() {
        let document = document();
        let schema = |name: &str| document["components"]["schemas"][name].clone();
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(
            names(&schema("Refusal")["properties"]["code"]["enum"]),
            codes
        );
        let powers: BTreeSet<_> = Power::ALL.iter().map(|power| power.name()).collect();
        assert_eq!(names(&schema("Power")["enum"]), powers);
        let coins: BTreeSet<_> = Coin::ALL.iter().map(|coin| coin.name()).collect();
        assert_eq!(names(&schema("Purse")["required"]), coins);
    }
}
