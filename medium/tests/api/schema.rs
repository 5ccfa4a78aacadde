//! As much of JSON Schema as the API's documents use; another keyword panics, so that nothing in them
//! goes unchecked.

use serde_json::Value;

/// Where a reference leads, if the value is one.
pub(crate) fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let path = reference
                .strip_prefix('#')
                .expect("references stay inside the document");
            document
                .pointer(path)
                .unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => value,
    }
}

/// What a schema says against a value, if anything.
pub(crate) fn complaint(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = follow(document, schema);
    let rules = schema.as_object().expect("a schema is an object");
    let within = |what: &str, inner: &Value, value: &Value| {
        complaint(document, inner, value).map(|wrong| format!("{what}: {wrong}"))
    };
    rules.iter().find_map(|(keyword, rule)| {
        let number = || rule.as_u64().expect("a bound is a whole number");
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "contentEncoding" | "contentMediaType" => true,
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(value, kind)),
                kind => is_of(value, kind),
            },
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "required" => {
                let names = rule
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter_map(Value::as_str);
                let missing: Vec<_> = names.filter(|name| value.get(name).is_none()).collect();
                if !missing.is_empty() {
                    return Some(format!("{} missing", missing.join(", ")));
                }
                true
            }
            "properties" => {
                return rule
                    .as_object()
                    .expect("an object")
                    .iter()
                    .find_map(|(name, inner)| {
                        value.get(name).and_then(|value| within(name, inner, value))
                    });
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten();
                let mut others =
                    others.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
                match rule {
                    Value::Bool(false) => others.next().is_none(),
                    inner => return others.find_map(|(name, value)| within(name, inner, value)),
                }
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                return { items }.find_map(|(n, value)| within(&n.to_string(), rule, value));
            }
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= number()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= number()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.len() as u64 >= number()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.len() as u64 <= number()),
            "minimum" => {
                !value.is_number() || value.as_u64().is_some_and(|value| value >= number())
            }
            "maximum" => {
                !value.is_number() || value.as_u64().is_some_and(|value| value <= number())
            }
            "pattern" => value
                .as_str()
                .is_none_or(|text| fits(rule.as_str().expect("text"), text)),
            "oneOf" => {
                let branches = rule.as_array().expect("a list").iter();
                branches
                    .filter(|inner| complaint(document, inner, value).is_none())
                    .count()
                    == 1
            }
            other => panic!("the keyword `{other}` is not known here"),
        };
        (!holds).then(|| format!("{value} is not as `{keyword}` wants: {rule}"))
    })
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().expect("a type is text") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type `{other}` is not known here"),
    }
}

/// The three patterns there are: ids of VCs and messages, and digests.
fn fits(pattern: &str, text: &str) -> bool {
    let base32 = |rest: &str| {
        rest.len() == 52
            && rest
                .bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b))
    };
    match pattern {
        "^vc:[a-z2-7]{52}$" => text.strip_prefix("vc:").is_some_and(base32),
        "^msg:[a-z2-7]{52}$" => text.strip_prefix("msg:").is_some_and(base32),
        "^[0-9a-f]{64}$" => {
            text.len() == 64
                && text
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        }
        other => panic!("the pattern `{other}` is not known here"),
    }
}
