//! The published JSON Schema of `recipe.json`.

/// The JSON Schema (draft 2020-12) of `recipe.json`, for editors and for programs that write recipes.
///
/// It says what one file may hold. What it cannot say is checked only when a recipe is read: that
/// steps exist and need no cycle, that a command line's quotes are closed, lengths in bytes.
pub const fn schema() -> &'static str {
    include_str!("../../schemas/recipe.schema.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::parse::{
        Field, OUTPUT_FIELDS, PAYLOAD_FIELDS, POD_FIELDS, RECIPE_FIELDS, looks_like_reference,
    };
    use super::super::steps::{BUDGET_FIELDS, EACH_FIELDS, INPUT_FIELDS, STEP_FIELDS};
    use super::super::{
        EACH_MAX, Glob, PAYLOADS_MAX, RETRIES_MAX, Recipe, STEPS_MAX, TEXT_BYTES_MAX,
        TIMEOUT_S_MAX, WORDS_MAX,
    };
    use crate::pods::PodName;

    fn parsed() -> Value {
        serde_json::from_str(super::schema()).expect("the schema is JSON")
    }

    fn complaint(value: &Value) -> Option<String> {
        crate::json::complaint(
            &parsed(),
            &parsed(),
            value,
            &|pattern, text| match pattern {
                "^([0-9a-fA-F]{64}|[0-9a-fA-F]{128})$" => looks_like_reference(text),
                "^([0-9a-fA-F]{64}|[0-9a-fA-F]{128}|[^/].*/.*)$" => {
                    looks_like_reference(text) || (!text.starts_with('/') && text.contains('/'))
                }
                "^[a-zA-Z0-9_-]{1,64}$" => {
                    (1..=64).contains(&text.len())
                        && text
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                }
                other => panic!("unknown pattern {other}"),
            },
        )
    }

    #[test]
    fn the_schema_has_the_fields_of_the_parser() {
        let schema = parsed();
        let names = |fields: &[Field]| {
            fields
                .iter()
                .map(|(name, _)| *name)
                .collect::<BTreeSet<_>>()
        };
        for (pointer, fields) in [
            ("", RECIPE_FIELDS),
            ("/$defs/pod", POD_FIELDS),
            ("/$defs/external", PAYLOAD_FIELDS),
            ("/$defs/output", OUTPUT_FIELDS),
            ("/$defs/step", STEP_FIELDS),
            ("/$defs/input", INPUT_FIELDS),
            ("/$defs/each", EACH_FIELDS),
            ("/$defs/budget", BUDGET_FIELDS),
        ] {
            let object = schema.pointer(pointer).expect("it is defined");
            assert!(
                object.get("additionalProperties").is_none(),
                "{pointer}: unknown keys are kept"
            );
            let properties = object["properties"].as_object().expect("it has fields");
            let known: BTreeSet<_> = properties.keys().map(String::as_str).collect();
            assert_eq!(known, names(fields), "{pointer}");
            for (name, example) in fields {
                serde_json::from_str::<Value>(example)
                    .unwrap_or_else(|error| panic!("{pointer} {name}: {error}"));
            }
        }
    }

    #[test]
    fn the_schema_has_the_bounds_of_the_parser() {
        let schema = parsed();
        let eternity = usize::try_from(TIMEOUT_S_MAX).expect("it fits");
        for (pointer, bound) in [
            ("/properties/name/maxLength", PodName::LEN_MAX),
            ("/properties/pods/maxItems", STEPS_MAX),
            ("/properties/steps/oneOf/0/maxProperties", STEPS_MAX),
            ("/properties/steps/oneOf/1/maxItems", STEPS_MAX),
            ("/$defs/about/maxLength", TEXT_BYTES_MAX),
            ("/$defs/words/maxItems", WORDS_MAX),
            ("/$defs/path/maxLength", Glob::LEN_MAX),
            ("/$defs/externals/oneOf/1/maxItems", PAYLOADS_MAX),
            ("/$defs/external/properties/files/maxItems", PAYLOADS_MAX),
            ("/$defs/step/properties/each/oneOf/0/maxItems", EACH_MAX),
            ("/$defs/step/properties/timeout_s/maximum", eternity),
            ("/$defs/budget/properties/cpu_s/maximum", eternity),
            (
                "/$defs/step/properties/retries/maximum",
                RETRIES_MAX as usize,
            ),
        ] {
            assert_eq!(schema.pointer(pointer), Some(&json!(bound)), "{pointer}");
        }
    }

    /// What the parser reads the schema takes, and what the schema refuses the parser refuses.
    #[test]
    fn schema_and_parser_agree() {
        let reference = "ab".repeat(32);
        let fine = [
            json!({"name": "a", "golem": {"exec": "x"}}),
            json!({"name": "a", "golem": {"exec": ["x", "y"], "payload": "p", "output": {"share": "o"}, "x": 1}}),
            json!({"name": "a", "golem": {"exec": "x", "payload": [{"ref": reference, "data": "/a.zip"}, {"pod": reference, "files": ["/b"]}]}}),
            json!({"name": "a", "golem": {"exec": "x", "payload": {"pod": reference, "files": []}}}),
            json!({"name": "a", "description": null, "pods": [reference, "./b"]}),
            json!({"name": "a", "steps": {"s": {"pod": "./b", "each": ["1"], "args": ["[each]"], "retries": 2}}}),
            json!({"name": "a", "steps": [{"name": "s", "pod": "./b"}, {"name": "t", "pod": "./b", "inputs": ["s", {"from": "s", "path": "x/*", "to": "payload/x"}]}]}),
        ];
        for value in fine {
            assert_eq!(complaint(&value), None, "{value}");
            let read = Recipe::parse("recipe.json", value.to_string().as_bytes());
            assert!(read.is_ok(), "{value}: {read:?}");
        }
        let wrong = [
            json!([]),
            json!({"name": "a"}),
            json!({"golem": {"exec": "x"}}),
            json!({"name": "", "golem": {"exec": "x"}}),
            json!({"name": "a", "golem": {}}),
            json!({"name": "a", "golem": {"exec": 1}}),
            json!({"name": "a", "golem": {"exec": []}}),
            json!({"name": "a", "golem": {"exec": "x", "payload": [{"ref": reference}]}}),
            json!({"name": "a", "golem": {"exec": "x", "payload": [{"ref": "12", "data": "/a.zip"}]}}),
            json!({"name": "a", "golem": {"exec": "x", "output": {}}}),
            json!({"name": "a", "public": 1, "golem": {"exec": "x"}}),
            json!({"name": "a", "pods": []}),
            json!({"name": "a", "pods": ["zz"]}),
            json!({"name": "a", "steps": {}}),
            json!({"name": "a", "steps": {"s": {}}}),
            json!({"name": "a", "steps": {"a b": {"pod": "./b"}}}),
            json!({"name": "a", "steps": [{"pod": "./b"}]}),
            json!({"name": "a", "steps": {"s": {"pod": "./b", "retries": 101}}}),
        ];
        for value in wrong {
            assert!(complaint(&value).is_some(), "{value}");
            let read = Recipe::parse("recipe.json", value.to_string().as_bytes());
            assert!(read.is_err(), "{value}");
        }
    }
}
