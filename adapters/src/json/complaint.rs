//! What a JSON Schema says against a value: enough of it to hold our schemas against our parsers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What `schema` says against `value`, if anything.
///
/// `root` is the schema that references lead into; `fits` says whether a text has the form of a pattern. Only the
/// keywords that our schemas use are known; others panic, so that nothing in them goes unchecked.
pub(crate) fn complaint(
    root: &Value,
    schema: &Value,
    value: &Value,
    fits: &dyn Fn(&str, &str) -> bool,
) -> Option<String> {
    let complaint = |schema: &Value, value: &Value| complaint(root, schema, value, fits);
    let object = value.as_object();
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().find_map(|(keyword, rule)| {
        let each = |schema: &Value, name: &str, value: &Value| {
            complaint(schema, value).map(|inner| format!("{name}: {inner}"))
        };
        let bound = || rule.as_u64().expect("a bound is a whole number");
        let len = || value.as_str().map(|text| text.chars().count() as u64);
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_of_type(one, value)),
                one => is_of_type(one, value),
            },
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = root.pointer(pointer.expect("a local reference"));
                complaint(target.expect("the reference leads somewhere"), value).is_none()
            }
            "required" => object.is_none_or(|object| {
                rule.as_array()
                    .into_iter()
                    .flatten()
                    .all(|field| object.contains_key(field.as_str().expect("a field's name")))
            }),
            "dependentRequired" => object.is_none_or(|object| {
                rule.as_object()
                    .into_iter()
                    .flatten()
                    .all(|(field, needed)| {
                        !object.contains_key(field)
                            || complaint(&json!({ "required": needed }), value).is_none()
                    })
            }),
            "properties" => {
                return object.into_iter().flatten().find_map(|(field, value)| {
                    rule.get(field)
                        .and_then(|schema| each(schema, field, value))
                });
            }
            "additionalProperties" => {
                let known = |field: &str| {
                    keywords
                        .get("properties")
                        .is_some_and(|known| known.get(field).is_some())
                };
                return object
                    .into_iter()
                    .flatten()
                    .filter(|(field, _)| !known(field))
                    .find_map(|(field, value)| match rule {
                        Value::Bool(false) => Some(format!("{field}: not known")),
                        schema => each(schema, field, value),
                    });
            }
            "propertyNames" => {
                return object
                    .into_iter()
                    .flatten()
                    .find_map(|(field, _)| each(rule, field, &json!(field)));
            }
            "minProperties" => object.is_none_or(|object| object.len() as u64 >= bound()),
            "maxProperties" => object.is_none_or(|object| object.len() as u64 <= bound()),
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                return items
                    .map(|(index, item)| each(rule, &format!("[{index}]"), item))
                    .find_map(|found| found);
            }
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= bound()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= bound()),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                let texts: BTreeSet<_> = items.iter().map(ToString::to_string).collect();
                texts.len() == items.len()
            }),
            "minLength" => len().is_none_or(|len| len >= bound()),
            "maxLength" => len().is_none_or(|len| len <= bound()),
            "minimum" => value
                .as_i64()
                .is_none_or(|value| u64::try_from(value).is_ok_and(|value| value >= bound())),
            "maximum" => value.as_u64().is_none_or(|value| value <= bound()),
            "enum" => rule.as_array().expect("a list").contains(value),
            "const" => rule == value,
            "not" => complaint(rule, value).is_some(),
            "anyOf" => {
                let mut options = rule.as_array().into_iter().flatten();
                options.any(|option| complaint(option, value).is_none())
            }
            "oneOf" => {
                let options = rule.as_array().into_iter().flatten();
                options
                    .filter(|option| complaint(option, value).is_none())
                    .count()
                    == 1
            }
            "pattern" => value
                .as_str()
                .is_none_or(|text| fits(rule.as_str().expect("a pattern"), text)),
            other => panic!("unknown keyword {other}"),
        };
        (!holds).then(|| format!("{value} against {keyword} {rule}"))
    })
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a type's name") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("unknown type {other}"),
    }
}
