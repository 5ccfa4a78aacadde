//! The published JSON Schema of `vc.json`.

/// The JSON Schema (draft 2020-12) of `vc.json`, for editors and for programs that write pods.
///
/// It says what one file may hold. What it cannot say is checked only when a pod is read: that files
/// exist, that patterns and contacts are well-formed, lengths in bytes.
pub const fn schema() -> &'static str {
    include_str!("../../schemas/vc.schema.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use genesis::limits;
    use genesis::power::Power;
    use serde_json::{Value, json};

    use super::super::parse::{
        self, CHANNEL_FIELDS, Field, OUTSIDE_FIELDS, PART_FIELDS, PURSE_FIELDS, RESTART_FIELDS,
        VC_FIELDS,
    };
    use super::super::{DESCRIPTION_BYTES_MAX, PATH_BYTES_MAX, embedded, is_name};

    fn parsed() -> Value {
        serde_json::from_str(super::schema()).expect("the schema is JSON")
    }

    /// What `schema`, a piece of that of `vc.json`, says against `value`, if anything.
    fn complaint(schema: &Value, value: &Value) -> Option<String> {
        crate::json::complaint(&parsed(), schema, value, &|pattern, text| {
            assert_eq!(
                pattern, "^[a-z0-9]+([-_][a-z0-9]+)*$",
                "the only one known here"
            );
            is_name(text)
        })
    }

    fn names(fields: &[Field]) -> BTreeSet<&str> {
        fields.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn every_shipped_pod_is_valid() {
        for pod in embedded() {
            for (path, bytes) in pod
                .files
                .iter()
                .filter(|(path, _)| path.ends_with("vc.json"))
            {
                let value = serde_json::from_slice(bytes).unwrap();
                assert_eq!(complaint(&parsed(), &value), None, "{}/{path}", pod.name);
            }
            let written = serde_json::from_str(&pod.open().unwrap().to_json()).unwrap();
            assert_eq!(
                complaint(&parsed(), &written),
                None,
                "{} as written",
                pod.name
            );
        }
    }

    #[test]
    fn the_schema_has_the_fields_of_the_parser() {
        let schema = parsed();
        for (pointer, fields) in [
            ("", VC_FIELDS),
            ("/$defs/part", PART_FIELDS),
            ("/$defs/purse", PURSE_FIELDS),
            ("/$defs/restart", RESTART_FIELDS),
            ("/$defs/outside", OUTSIDE_FIELDS),
            ("/$defs/channel", CHANNEL_FIELDS),
        ] {
            let object = schema.pointer(pointer).unwrap();
            assert_eq!(object["additionalProperties"], json!(false), "{pointer}");
            let properties = object["properties"].as_object().unwrap();
            assert_eq!(
                properties
                    .keys()
                    .map(String::as_str)
                    .collect::<BTreeSet<_>>(),
                names(fields)
            );
            for (name, property) in properties {
                let reference = property
                    .get("$ref")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let target = schema.pointer(reference.trim_start_matches('#'));
                let described = |schema: &Value| schema.get("description").is_some();
                assert!(
                    described(property) || target.is_some_and(described),
                    "{pointer} {name}"
                );
            }
        }
        assert_eq!(schema["required"], json!(["name"]));
        assert_eq!(
            schema["$defs"]["restart"]["required"],
            json!(["faults_max", "within_ms"])
        );
    }

    #[test]
    fn the_schema_has_the_bounds_of_the_parser() {
        let schema = parsed();
        let powers: Vec<_> = Power::ALL.iter().map(|power| power.name()).collect();
        assert_eq!(
            schema["properties"]["grants"]["items"]["enum"],
            json!(powers)
        );
        for (pointer, bound) in [
            ("/properties/description/maxLength", DESCRIPTION_BYTES_MAX),
            ("/properties/version/maxLength", limits::NAME_BYTES_MAX),
            ("/properties/parts/maxItems", limits::PARTS_MAX),
            ("/properties/nested/maxProperties", limits::PARTS_MAX),
            ("/properties/contacts/maxProperties", limits::CONTACTS_MAX),
            ("/properties/accept/maxLength", limits::PATTERN_TEXT_MAX),
            ("/properties/goal/maxLength", limits::PATTERN_TEXT_MAX),
            (
                "/properties/record/maximum",
                limits::JOURNAL_LEN_MAX as usize,
            ),
            ("/$defs/name/maxLength", limits::NAME_BYTES_MAX),
            ("/$defs/path/maxLength", PATH_BYTES_MAX),
            (
                "/$defs/part/properties/text/maxLength",
                limits::CONTENTS_INLINE_MAX,
            ),
            (
                "/$defs/part/properties/argument/oneOf/0/maxLength",
                limits::CONTENTS_INLINE_MAX,
            ),
            (
                "/properties/turn_fuel/maximum",
                usize::try_from(limits::TURN_FUEL_GRANT_MAX).unwrap(),
            ),
        ] {
            assert_eq!(schema.pointer(pointer), Some(&json!(bound)), "{pointer}");
        }
    }

    #[test]
    fn every_example_in_a_hint_is_valid() {
        for (prefix, pointer, fields) in [
            ("", "", VC_FIELDS),
            ("parts[0].", "/$defs/part", PART_FIELDS),
            ("purse.", "/$defs/purse", PURSE_FIELDS),
            ("restart.", "/$defs/restart", RESTART_FIELDS),
            ("outside.", "/$defs/outside", OUTSIDE_FIELDS),
        ] {
            for (name, _) in fields {
                let example = parse::example(&format!("{prefix}{name}"));
                let value: Value = serde_json::from_str(&format!("{{{example}}}")).unwrap();
                let schema = parsed();
                let property = &schema.pointer(pointer).unwrap()["properties"][name];
                assert_eq!(complaint(property, &value[name]), None, "{example}");
            }
        }
    }

    #[test]
    fn the_schema_refuses_what_the_parser_refuses() {
        for text in [
            r"[]",
            r"{}",
            r#"{"name": "a b"}"#,
            r#"{"name": "a", "nmae": "b"}"#,
            r#"{"name": "a", "parts": [{}]}"#,
            r#"{"name": "a", "parts": [{"file": "f", "text": "t"}]}"#,
            r#"{"name": "a", "parts": [{"text": "t", "argument": "x"}]}"#,
            r#"{"name": "a", "parts": [{"wasm": "hello", "native": "echo"}]}"#,
            r#"{"name": "a", "parts": [{"wasm": "hello", "version": 1}]}"#,
            r#"{"name": "a", "parts": [{"wasm": "hello", "argument": {"path": "x"}}]}"#,
            r#"{"name": "a", "turn_fuel": 18446744073709551615}"#,
            r#"{"name": "a", "grants": ["fly"]}"#,
            r#"{"name": "a", "grants": ["send", "send"]}"#,
            r#"{"name": "a", "contacts": {"host": "b"}}"#,
            r#"{"name": "a", "purse": {"fuel": -1}}"#,
            r#"{"name": "a", "restart": {"faults_max": 1}}"#,
            r#"{"name": "a", "record": 65537}"#,
        ] {
            let value = serde_json::from_str(text).unwrap();
            assert!(complaint(&parsed(), &value).is_some(), "{text}");
            let files = [(
                "vc.json".to_owned(),
                bytes::Bytes::from_static(text.as_bytes()),
            )];
            assert!(
                super::super::PodDir::from_files("a", &files.into()).is_err(),
                "{text}"
            );
        }
    }
}
