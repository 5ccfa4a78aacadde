//! What is wrong with recipes, and how it is said: file, line, column, field.

use std::fmt::Write as _;

use adapters::recipe::{Recipe, lint};

use crate::formats::read;

/// Everything that is said of a recipe, a line each.
fn said(text: &str) -> String {
    let (_, findings) = Recipe::examine("recipe.json", text.as_bytes());
    let mut lines = String::new();
    for finding in findings {
        writeln!(
            lines,
            "{:?} {} [{}]",
            finding.severity, finding, finding.rule
        )
        .unwrap();
    }
    lines
}

#[test]
fn all_errors_are_said_with_their_places() {
    insta::assert_snapshot!(
        "all_errors",
        said(
            r#"{
  "name": "a/b",
  "public": "yes",
  "golem": {
    "exec": "cat 'x",
    "payload": [{"ref": "12", "data": "/a.zip"}, {"data": "/a.zip"}],
    "output": {"share": "../x"}
  }
}"#
        )
    );
}

#[test]
fn what_is_missing_is_named() {
    insta::assert_snapshot!("nothing", said(r#"{"golem": {}}"#));
    insta::assert_snapshot!("no_kind", said(r#"{"name": "x"}"#));
    insta::assert_snapshot!("no_json", said("{\n  \"name\": \"x\",\n}"));
}

#[test]
fn what_is_odd_is_a_warning() {
    insta::assert_snapshot!(
        "odd",
        said(
            r#"{"name": "x", "golem": {"exec": "cat a | sort", "oputput": 1}, "pods": [], "author": null}"#
        )
    );
}

#[test]
fn a_cycle_is_printed() {
    let text = r#"{"name": "t", "steps": {
  "a": {"pod": "./x", "needs": ["b"]},
  "b": {"pod": "./x", "inputs": ["c"]},
  "c": {"pod": "./x", "each": {"from": "a"}},
  "d": {"pod": "./x", "needs": ["a"]}
}}"#;
    insta::assert_snapshot!("cycle", said(text));
    insta::assert_snapshot!(
        "self_cycle",
        said(r#"{"name": "t", "steps": {"a": {"pod": "./x", "needs": ["a"]}}}"#)
    );
    insta::assert_snapshot!(
        "unknown_step",
        said(r#"{"name": "t", "steps": {"a": {"pod": "./x", "needs": ["z"]}}}"#)
    );
}

#[test]
fn no_path_leads_out_of_the_recipe() {
    for path in ["../x", "./../x", "/etc/passwd", "./a/../../x", "./a\u{0}b"] {
        let text = serde_json::json!({"name": "t", "steps": {"a": {"pod": path}}}).to_string();
        assert!(said(&text).contains("Error"), "{path}");
        let text =
            serde_json::json!({"name": "t", "golem": {"exec": "x", "output": path}}).to_string();
        let is_refused = said(&text).contains("Error");
        assert!(
            is_refused || path.starts_with("/etc"),
            "{path}: {}",
            said(&text)
        );
    }
    // A leading `/` is the pod's root.
    let text = r#"{"name": "t", "golem": {"exec": "x", "output": "/results"}}"#;
    assert!(read(text).to_json().contains("/results"));
}

#[test]
fn deep_and_wide_texts_are_bounded() {
    let deep = format!(
        r#"{{"name": "x", "golem": {{"exec": "x"}}, "y": {}{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    assert!(said(&deep).contains("levels"), "{}", said(&deep));
    let deeper = format!(r#"{{"y": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(said(&deeper).contains("levels"));
    let steps: Vec<_> = (0..1_025).map(|_| "./a").collect();
    let wide = serde_json::json!({"name": "x", "pods": steps}).to_string();
    assert!(said(&wide).contains("at most 1024"), "{}", said(&wide));
}

#[test]
fn lint_looks_at_the_directory_too() {
    let home = tempfile::tempdir().unwrap();
    let pod = home.path().join("pod");
    std::fs::create_dir_all(pod.join("script")).unwrap();
    std::fs::write(
        pod.join("recipe.json"),
        r#"{"name": "x", "golem": {"exec": "python3 script/a.py [@]script/b.py", "script": "script", "payload": "payload"}}"#,
    )
    .unwrap();
    std::fs::write(pod.join("script/a.py"), "import yapapi\n").unwrap();
    std::fs::write(pod.join("creds.json"), "{}").unwrap();
    std::fs::write(pod.join("notes"), "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    let linted = lint(&pod).unwrap();
    assert!(linted.is_fine());
    let rules: Vec<_> = linted.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules,
        [
            "no-payload",
            "no-placeholder",
            "no-program",
            "secret",
            "secret",
            "needs-yagna"
        ]
    );
    std::os::unix::fs::symlink("/etc/passwd", pod.join("out")).unwrap();
    let linted = lint(&pod).unwrap();
    assert!(!linted.is_fine());
    assert!(linted.findings.last().unwrap().what.contains("leads out"));
    assert!(
        lint(&home.path().join("nothing"))
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
}
