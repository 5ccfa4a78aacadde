//! What is refused, and how it is said.

use std::fs;
use std::path::Path;

use adapters::pod_dir::{
    Contents, PartSource, PartSpec, PodDir, PodError, VC_JSON_BYTES_MAX, VCS_MAX,
};
use bytes::Bytes;
use genesis::limits;

use super::directory;

/// What a person reads of the error that reading gave.
fn report(result: Result<PodDir, PodError>) -> String {
    match result {
        Ok(pod) => panic!("`{}` was read", pod.name),
        Err(error) => format!("error: {error}\nhint: {}", error.hint()),
    }
}

/// The error that a pod has whose files in memory are these.
fn refuse_files(files: &[(&str, &str)]) -> String {
    let file = |&(path, text): &(&str, &str)| (path.to_owned(), Bytes::from(text.to_owned()));
    report(PodDir::from_files("pod", &files.iter().map(file).collect()))
}

/// The error that a pod has that is one `vc.json`.
fn refuse(vc_json: &str) -> String {
    refuse_files(&[("vc.json", vc_json)])
}

/// The error that a directory has; the directory is called `pod` in it.
fn refuse_dir(dir: &Path) -> String {
    report(PodDir::read(dir)).replace(&dir.display().to_string(), "pod")
}

// --- Directories and files ------------------------------------------------------------------------

#[test]
fn a_directory_that_is_not_there() {
    insta::assert_snapshot!(report(PodDir::read("no/such/pod".as_ref())), @"
    error: there is no directory `no/such/pod`
    hint: check the path; a pod is a directory with a `vc.json` in it
    ");
}

#[test]
fn a_file_instead_of_a_directory() {
    let dir = directory(&[("vc.json", "{}")]);
    let file = dir.path().join("vc.json");
    insta::assert_snapshot!(refuse_dir(&file), @"
    error: `pod` is not a directory
    hint: name the directory that holds `vc.json`, not a file in it
    ");
}

#[test]
fn a_directory_without_vc_json() {
    insta::assert_snapshot!(refuse_dir(directory(&[("readme.md", "")]).path()), @r#"
    error: directory `pod` has no `vc.json`
    hint: create `vc.json` there; the least one is {"name": "my-vc"}
    "#);
    insta::assert_snapshot!(refuse_files(&[]), @r#"
    error: directory `pod` has no `vc.json`
    hint: create `vc.json` there; the least one is {"name": "my-vc"}
    "#);
}

#[test]
fn a_directory_called_vc_json() {
    insta::assert_snapshot!(refuse_dir(directory(&[("vc.json/x", "")]).path()), @"
    error: pod/vc.json: `vc.json` is a directory, not a file
    hint: `vc.json` and what `file`, `wasm` and `decoder` name are files, what `nested` names are directories
    ");
}

#[test]
fn a_vc_json_that_is_too_long_is_not_parsed() {
    let long = " ".repeat(usize::try_from(VC_JSON_BYTES_MAX).unwrap() + 1);
    insta::assert_snapshot!(refuse(&long), @r#"
    error: pod/vc.json is longer than the 1048576 bytes that are read
    hint: move long texts into files of their own: {"file": "story.txt"}
    "#);
    assert_eq!(
        refuse(&long),
        refuse_dir(directory(&[("vc.json", &long)]).path())
    );
}

#[test]
fn a_part_file_that_is_missing() {
    let vc_json = r#"{
  "name": "reader",
  "parts": [
    { "text": "one" },
    { "file": "lib/main.wasm" }
  ]
}"#;
    insta::assert_snapshot!(refuse(vc_json), @"
    error: pod/vc.json:5:15 parts[1].file: there is no file `lib/main.wasm` in the pod
    hint: create it, or correct the path; paths begin at the directory of this `vc.json`
    ");
    assert_eq!(
        refuse(vc_json),
        refuse_dir(directory(&[("vc.json", vc_json)]).path())
    );
    // A path through a file leads to nothing either.
    let through = directory(&[("vc.json", vc_json), ("lib", "a file")]);
    assert_eq!(refuse(vc_json), refuse_dir(through.path()));
}

#[test]
fn a_part_file_that_is_a_directory() {
    let files = [
        ("vc.json", r#"{"name": "a", "parts": [{"file": "lib"}]}"#),
        ("lib/x", ""),
    ];
    insta::assert_snapshot!(refuse_files(&files), @"
    error: pod/vc.json:1:34 parts[0].file: `lib` is a directory, not a file
    hint: `vc.json` and what `file`, `wasm` and `decoder` name are files, what `nested` names are directories
    ");
    assert_eq!(refuse_files(&files), refuse_dir(directory(&files).path()));
}

#[test]
fn a_nested_vc_that_is_a_file() {
    let files = [
        ("vc.json", r#"{"name": "a", "nested": {"b": "lib/"}}"#),
        ("lib", ""),
    ];
    insta::assert_snapshot!(refuse_files(&files), @"
    error: pod/vc.json:1:31 nested.b: `lib` is a file, not a directory
    hint: `vc.json` and what `file`, `wasm` and `decoder` name are files, what `nested` names are directories
    ");
    assert_eq!(refuse_files(&files), refuse_dir(directory(&files).path()));
}

#[test]
fn a_nested_vc_that_is_missing() {
    let files = [("vc.json", r#"{"name": "a", "nested": {"b": "lib/"}}"#)];
    insta::assert_snapshot!(refuse_files(&files), @"
    error: pod/vc.json:1:31 nested.b: there is no directory `lib` in the pod
    hint: create it, or correct the path; paths begin at the directory of this `vc.json`
    ");
    assert_eq!(refuse_files(&files), refuse_dir(directory(&files).path()));
}

#[test]
fn a_nested_vc_without_vc_json() {
    let files = [
        ("vc.json", r#"{"name": "a", "nested": {"b": "lib/"}}"#),
        ("lib/x", ""),
    ];
    insta::assert_snapshot!(refuse_files(&files), @r#"
    error: directory `pod/lib` has no `vc.json`
    hint: create `vc.json` there; the least one is {"name": "my-vc"}
    "#);
    assert_eq!(refuse_files(&files), refuse_dir(directory(&files).path()));
}

#[test]
fn an_error_in_a_nested_vc_names_its_file() {
    let files = [
        ("vc.json", r#"{"name": "a", "nested": {"b": "lib/b/"}}"#),
        ("lib/b/vc.json", "{\n\"name\": \"B\"}"),
    ];
    insta::assert_snapshot!(refuse_files(&files), @"
    error: pod/lib/b/vc.json:2:9 name: `B` is not a name: it has words of a-z 0-9 with single `-` or `_` between them
    hint: for example: `b`
    ");
    assert_eq!(refuse_files(&files), refuse_dir(directory(&files).path()));
}

#[test]
fn a_path_that_leads_out_of_the_pod() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"file": "../secret"}]}"#), @"
    error: pod/vc.json:1:34 parts[0].file: the path `../secret` leads out of the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"file": "/etc/passwd"}]}"#), @"
    error: pod/vc.json:1:34 parts[0].file: the path `/etc/passwd` begins at the root, not in the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "nested": {"b": "./b/"}}"#), @"
    error: pod/vc.json:1:31 nested.b: the path `./b` has a step that is empty or `.`
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"file": "C:\\secret"}]}"#), @r#"
    error: pod/vc.json:1:34 parts[0].file: the path `C:\secret` has a `\`, a `:` or a control character
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    "#);
    for path in [
        "",
        ".",
        "a//b",
        "a/../b",
        "b/..",
        "b\\c",
        "b\u{0}",
        "b\n",
        &"b/".repeat(513),
    ] {
        let parts = serde_json::json!({"name": "a", "parts": [{"file": path}]}).to_string();
        let nested = serde_json::json!({"name": "a", "nested": {"b": path}}).to_string();
        let decoder = serde_json::json!({"name": "a", "parts": [{"text": "", "decoder": format!("x/{path}")}]});
        assert!(refuse(&parts).contains("parts[0].file: the path"), "{path}");
        assert!(refuse(&nested).contains("nested.b: the path"), "{path}");
        assert!(
            refuse(&decoder.to_string()).contains("parts[0].decoder: the path"),
            "{path}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_that_leads_out_of_the_pod() {
    let outside = directory(&[("secret", "x"), ("vc.json", r#"{"name": "b"}"#)]);
    let link = |target: &str, name: &str, vc_json: &str| {
        let dir = directory(&[("vc.json", vc_json)]);
        let path = dir.path().join(name);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(outside.path().join(target), path).expect("a link");
        refuse_dir(dir.path())
    };
    insta::assert_snapshot!(link("secret", "x", r#"{"name": "a", "parts": [{"file": "x"}]}"#), @"
    error: pod/vc.json:1:34 parts[0].file: the path `x` is a symbolic link that leads out of the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    insta::assert_snapshot!(link("", "b", r#"{"name": "a", "nested": {"b": "b"}}"#), @"
    error: pod/vc.json:1:31 nested.b: the path `b` is a symbolic link that leads out of the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    insta::assert_snapshot!(link("vc.json", "vc.json", ""), @"
    error: pod/vc.json: the path `vc.json` is a symbolic link that leads out of the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_inside_the_pod_is_followed() {
    let vc_json = r#"{"name": "a", "parts": [{"file": "main.txt"}]}"#;
    let dir = directory(&[("vc.json", vc_json), ("main-2.txt", "two")]);
    std::os::unix::fs::symlink("main-2.txt", dir.path().join("main.txt")).unwrap();
    let pod = PodDir::read(dir.path()).unwrap();
    let contents = Contents::Inline(Bytes::from_static(b"two"));
    let source = PartSource::File {
        path: "main.txt".to_owned(),
        contents,
    };
    assert_eq!(
        pod.parts,
        [PartSpec {
            source,
            role: None,
            decoder: None
        }]
    );
}

#[cfg(unix)]
#[test]
fn a_nested_vc_that_is_its_own_host() {
    let dir = directory(&[
        ("vc.json", r#"{"name": "a", "nested": {"b": "b"}}"#),
        ("b/vc.json", r#"{"name": "b", "nested": {"c": "c"}}"#),
    ]);
    std::os::unix::fs::symlink(".", dir.path().join("b/c")).unwrap();
    let to_self = refuse_dir(dir.path());
    insta::assert_snapshot!(to_self, @"
    error: pod/b/vc.json:1:31 nested.c: `c` leads back to a directory that holds this one
    hint: remove the symbolic link; a VC that makes copies of itself has the power `fork`
    ");
    fs::remove_file(dir.path().join("b/c")).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("b/c")).unwrap();
    assert_eq!(refuse_dir(dir.path()), to_self);
}

#[cfg(unix)]
#[test]
fn a_part_that_is_a_pipe_is_not_opened() {
    let dir = directory(&[("vc.json", r#"{"name": "a", "parts": [{"file": "s"}]}"#)]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
    insta::assert_snapshot!(refuse_dir(dir.path()), @"
    error: pod/vc.json:1:34 parts[0].file: `s` is a device or a pipe, not a file
    hint: `vc.json` and what `file`, `wasm` and `decoder` name are files, what `nested` names are directories
    ");
}

// --- JSON and types -------------------------------------------------------------------------------

#[test]
fn text_that_is_not_json() {
    insta::assert_snapshot!(refuse(""), @"
    error: pod/vc.json:1:1: not valid JSON: EOF while parsing a value
    hint: JSON has no comments, no comma before `]` or `}`, and double quotes around names
    ");
    insta::assert_snapshot!(refuse("{\n  \"name\": \"a\",\n}"), @"
    error: pod/vc.json:3:1: not valid JSON: key must be a string
    hint: JSON has no comments, no comma before `]` or `}`, and double quotes around names
    ");
    insta::assert_snapshot!(refuse("{\"name\": 'a'}"), @"
    error: pod/vc.json:1:10: not valid JSON: expected value
    hint: JSON has no comments, no comma before `]` or `}`, and double quotes around names
    ");
    insta::assert_snapshot!(refuse("{\"name\": \"a\"} x"), @"
    error: pod/vc.json:1:15: not valid JSON: trailing characters
    hint: JSON has no comments, no comma before `]` or `}`, and double quotes around names
    ");
    insta::assert_snapshot!(refuse("\u{feff}{\"name\": \"a\"}"), @"
    error: pod/vc.json:1:1: expected UTF-8, found a byte order mark
    hint: save the file as UTF-8 without a byte order mark
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "version": "\ud800"}"#), @"
    error: pod/vc.json:1:26 version: not valid JSON: unexpected end of hex escape
    hint: JSON has no comments, no comma before `]` or `}`, and double quotes around names
    ");
    let files = [(
        "vc.json".to_owned(),
        Bytes::from_static(b"{\n\"name\": \"\xc3\xa4\xff\"}"),
    )];
    insta::assert_snapshot!(report(PodDir::from_files("pod", &files.into())), @"
    error: pod/vc.json:2:11: expected UTF-8, found bytes that are not
    hint: save the file as UTF-8 without a byte order mark
    ");
}

#[test]
fn a_column_counts_characters() {
    let bytes_differ = refuse(r#"{"description": "äöü", "name": 7}"#);
    assert!(
        bytes_differ.starts_with("error: pod/vc.json:1:32 name: "),
        "{bytes_differ}"
    );
}

#[test]
fn a_value_of_the_wrong_type() {
    insta::assert_snapshot!(refuse("[]"), @r#"
    error: pod/vc.json:1:1: expected an object, found a list
    hint: for example: {"name": "word-count", "parts": [{"file": "main.wasm"}]}
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": 7}"#), @r#"
    error: pod/vc.json:1:10 name: expected a string, found a number
    hint: for example: "name": "word-count"
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": {"file": "x"}}"#), @r#"
    error: pod/vc.json:1:24 parts: expected a list, found an object
    hint: for example: "parts": [{"file": "main.wasm"}]
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"text": ""}, {"file": []}]}"#), @r#"
    error: pod/vc.json:1:48 parts[1].file: expected a string, found a list
    hint: for example: "file": "main.wasm"
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "durable": "yes"}"#), @r#"
    error: pod/vc.json:1:26 durable: expected true or false, found a string
    hint: for example: "durable": true
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "purse": {"fuel": -1}}"#), @r#"
    error: pod/vc.json:1:33 purse.fuel: expected a whole number from 0 to 18446744073709551615, found a negative number
    hint: for example: "fuel": 1000000000
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "purse": {"fuel": 1e9}}"#), @r#"
    error: pod/vc.json:1:33 purse.fuel: expected a whole number from 0 to 18446744073709551615, found a number with a fraction or an exponent
    hint: for example: "fuel": 1000000000
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "idle_ms": 18446744073709551616}"#), @r#"
    error: pod/vc.json:1:26 idle_ms: expected a whole number from 0 to 18446744073709551615, found a larger number
    hint: for example: "idle_ms": 60000
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b": null}}"#), @r#"
    error: pod/vc.json:1:33 contacts.b: expected a string, found null
    hint: for example: "contacts": {"printer": "line-printer"}
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "nested": {"b": true}}"#), @r#"
    error: pod/vc.json:1:31 nested.b: expected a string, found true or false
    hint: for example: "nested": {"parser": "parser/"}
    "#);
}

#[test]
fn a_field_that_is_missing() {
    insta::assert_snapshot!(refuse("\n{}"), @r#"
    error: pod/vc.json:2:1: the field `name` is missing
    hint: add it, for example: "name": "word-count"
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "restart": {"faults_max": 3}}"#), @r#"
    error: pod/vc.json:1:26 restart: the field `within_ms` is missing
    hint: add it, for example: "within_ms": 60000
    "#);
}

#[test]
fn a_field_that_is_unknown() {
    insta::assert_snapshot!(refuse("{\n  \"name\": \"a\",\n  \"grant\": [\"send\"]\n}"), @"
    error: pod/vc.json:3:3 grant: unknown field `grant`, the nearest known one is `grants`
    hint: correct or remove it; the fields here are $schema, name, version, description, parts, accept, grants, contacts, purse, goal, nested, restart, durable, record, idle_ms, turn_fuel, outside, fleet, front
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"fiel": "x"}]}"#), @"
    error: pod/vc.json:1:26 parts[0].fiel: unknown field `fiel`, the nearest known one is `file`
    hint: correct or remove it; the fields here are file, native, text, wasm, version, argument, role, decoder
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "purse": {"gas fee": 1}}"#), @r#"
    error: pod/vc.json:1:25 purse["gas fee"]: unknown field `gas fee`, the nearest known one is `fuel`
    hint: correct or remove it; the fields here are fuel, messages, children, outside, motes
    "#);
}

#[test]
fn a_key_that_is_there_twice() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "name": "b"}"#), @"
    error: pod/vc.json:1:15 name: given a second time
    hint: keep one of the two
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b": "c", "b": "d"}}"#), @"
    error: pod/vc.json:1:38 contacts.b: given a second time
    hint: keep one of the two
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "grants": ["send", "send"]}"#), @"
    error: pod/vc.json:1:34 grants[1]: given a second time
    hint: keep one of the two
    ");
}

// --- Meaning --------------------------------------------------------------------------------------

#[test]
fn a_name_that_is_none() {
    insta::assert_snapshot!(refuse(r#"{"name": "Word Count"}"#), @"
    error: pod/vc.json:1:10 name: `Word Count` is not a name: it has words of a-z 0-9 with single `-` or `_` between them
    hint: for example: `word-count`
    ");
    insta::assert_snapshot!(refuse(&format!(r#"{{"name": "{}"}}"#, "a".repeat(65))), @"
    error: pod/vc.json:1:10 name: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` is not a name: 65 bytes, at most 64 are possible
    hint: for example: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b c": "d"}}"#), @r#"
    error: pod/vc.json:1:28 contacts["b c"]: `b c` is not a name: it has words of a-z 0-9 with single `-` or `_` between them
    hint: for example: `b-c`
    "#);
    assert!(refuse(r#"{"name": "a", "parts": [{"native": ""}]}"#).contains("`` is not a name"));
    assert!(refuse(r#"{"name": "a", "parts": [{"text": "", "role": "-"}]}"#).contains("`-` is"));
    assert!(refuse(r#"{"name": "a", "nested": {"B": "b"}}"#).contains("nested.B: `B` is not"));
}

#[test]
fn a_name_that_is_taken() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"host": "b"}}"#), @"
    error: pod/vc.json:1:28 contacts.host: the name `host` is taken: it stands for whoever hosts this VC
    hint: choose another name
    ");
    let nested = r#"{"name": "a", "contacts": {"b": "c"}, "nested": {"b": "b"}}"#;
    insta::assert_snapshot!(refuse(nested), @"
    error: pod/vc.json:1:28 contacts.b: the name `b` is taken: it stands for a VC nested in this one
    hint: choose another name
    ");
    assert!(refuse(r#"{"name": "a", "nested": {"host": "b"}}"#).contains("`host` is taken"));
}

#[test]
fn a_part_with_no_contents_or_with_two() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"role": "judge"}]}"#), @r#"
    error: pod/vc.json:1:25 parts[0]: a part has one of `file`, `native`, `text`, `wasm`; this has none
    hint: for example: {"wasm": "main.wasm"}, {"native": "echo"}, {"text": "Hello"} or {"file": "story.txt"}
    "#);
    let two = r#"{"name": "a", "parts": [{"file": "x", "text": "y"}]}"#;
    insta::assert_snapshot!(refuse(two), @r#"
    error: pod/vc.json:1:25 parts[0]: a part has one of `file`, `native`, `text`, `wasm`; this has file and text
    hint: for example: {"wasm": "main.wasm"}, {"native": "echo"}, {"text": "Hello"} or {"file": "story.txt"}
    "#);
}

#[test]
fn an_argument_without_a_native_part() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"text": "", "argument": "x"}]}"#), @"
    error: pod/vc.json:1:50 parts[0].argument: `argument` belongs to a part that has `native` or `wasm`
    hint: remove `argument`, or add `native` or `wasm`
    ");
    let version = r#"{"name": "a", "parts": [{"wasm": "hello", "version": 1}]}"#;
    insta::assert_snapshot!(refuse(version), @"
    error: pod/vc.json:1:54 parts[0].version: `version` belongs to a part that has `native`
    hint: remove `version`, or add `native`
    ");
}

#[test]
fn code_that_is_nowhere() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "parts": [{"wasm": "lamb-v1"}]}"#), @r#"
    error: pod/vc.json:1:34 parts[0].wasm: `lamb-v1` is neither a part that comes with the medium (the nearest is `limb-v1`) nor a file of the pod
    hint: correct the name, or put the module there: {"wasm": "main.wasm"} or {"wasm": "main.wat"}
    "#);
    let path = r#"{"name": "a", "parts": [{"wasm": "../limb.wat"}]}"#;
    insta::assert_snapshot!(refuse(path), @"
    error: pod/vc.json:1:34 parts[0].wasm: the path `../limb.wat` leads out of the pod
    hint: copy what is needed into the pod and write its path as `lib/main.wasm`
    ");
    let argument = r#"{"name": "a", "parts": [{"wasm": "hello", "argument": {"fiel": "x"}}]}"#;
    insta::assert_snapshot!(refuse(argument), @"
    error: pod/vc.json:1:56 parts[0].argument.fiel: unknown field `fiel`, the nearest known one is `file`
    hint: correct or remove it; the fields here are file
    ");
    let argument = r#"{"name": "a", "parts": [{"wasm": "hello", "argument": {"file": "x"}}]}"#;
    insta::assert_snapshot!(refuse(argument), @"
    error: pod/vc.json:1:64 parts[0].argument.file: there is no file `x` in the pod
    hint: create it, or correct the path; paths begin at the directory of this `vc.json`
    ");
    let long = "x".repeat(limits::CONTENTS_INLINE_MAX + 1);
    insta::assert_snapshot!(refuse_files(&[("vc.json", argument), ("x", &long)]), @r#"
    error: pod/vc.json:1:64 parts[0].argument.file: 65537 bytes, at most 65536 are possible
    hint: shorten it; a long text can be a part of its own: {"file": "story.txt"}
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "turn_fuel": 1000000001}"#), @r#"
    error: pod/vc.json:1:28 turn_fuel: 1000000001 is more than the most possible, 1000000000
    hint: for example: "turn_fuel": 5000000
    "#);
}

#[test]
fn a_power_that_is_unknown() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "grants": ["send", "emit", "fly"]}"#), @"
    error: pod/vc.json:1:42 grants[2]: there is no power `fly`; there are send, emit, after, spawn, fork, internalize, strip, watch, reshape
    hint: correct it, or remove it; what is not granted is denied
    ");
}

#[test]
fn a_contact_that_leads_nowhere() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b": "../../c"}}"#), @"
    error: pod/vc.json:1:33 contacts.b: `../../c` is no contact: neither a name, nor an address, nor `../` with a name
    hint: write a VC's name, its address `vc:…`, `host`, or `../name` for a sibling
    ");
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b": "vc:abc"}}"#), @"
    error: pod/vc.json:1:33 contacts.b: `vc:abc` is no contact: `abc` is not base32 (letters a-z and digits 2-7)
    hint: write a VC's name, its address `vc:…`, `host`, or `../name` for a sibling
    ");
    let sibling = [
        (
            "vc.json",
            r#"{"name": "a", "nested": {"b": "b", "c": "c"}}"#,
        ),
        (
            "b/vc.json",
            r#"{"name": "b", "contacts": {"other": "../c"}}"#,
        ),
        (
            "c/vc.json",
            r#"{"name": "c", "contacts": {"other": "../d"}}"#,
        ),
    ];
    insta::assert_snapshot!(refuse_files(&sibling), @"
    error: pod/c/vc.json:1:37 contacts.other: `../d` is no contact: its host has no nested VC `d`
    hint: write a VC's name, its address `vc:…`, `host`, or `../name` for a sibling
    ");
}

#[test]
fn a_pattern_that_the_caller_refuses() {
    let files = [(
        "vc.json".to_owned(),
        Bytes::from_static(b"{\"name\": \"a\",\n\"goal\": \"bytes <\"}"),
    )];
    let check = |text: &str| {
        if text.ends_with('<') {
            Err("a number is missing after `<`".to_owned())
        } else {
            Ok(())
        }
    };
    insta::assert_snapshot!(report(PodDir::from_files_with("pod", &files.clone().into(), &check)), @"
    error: pod/vc.json:2:9 goal: not a pattern: a number is missing after `<`
    hint: correct it, or leave the field out to accept everything
    ");
    assert!(PodDir::from_files("pod", &files.into()).is_ok());
}

#[test]
fn numbers_and_texts_beyond_their_bounds() {
    insta::assert_snapshot!(refuse(r#"{"name": "a", "record": 65537}"#), @r#"
    error: pod/vc.json:1:25 record: 65537 is more than the most possible, 65536
    hint: for example: "record": 1000
    "#);
    let long = "x".repeat(limits::CONTENTS_INLINE_MAX + 1);
    insta::assert_snapshot!(refuse(&format!(r#"{{"name": "a", "parts": [{{"text": "{long}"}}]}}"#)), @r#"
    error: pod/vc.json:1:34 parts[0].text: 65537 bytes, at most 65536 are possible
    hint: shorten it; a long text can be a part of its own: {"file": "story.txt"}
    "#);
    let parts = vec![r#"{"text":""}"#; limits::PARTS_MAX + 1].join(",");
    insta::assert_snapshot!(refuse(&format!(r#"{{"name": "a", "parts": [{parts}]}}"#)), @"
    error: pod/vc.json:1:24 parts: 4097 entries, at most 4096 are possible
    hint: split the pod: some of it can be a VC that is spawned by itself
    ");
    let parts = vec![r#"{"text":""}"#; limits::PARTS_MAX].join(",");
    let full = format!(r#"{{"name": "a", "parts": [{parts}], "nested": {{"b": "b"}}}}"#);
    insta::assert_snapshot!(refuse(&full), @"
    error: pod/vc.json:1:49189 nested: 4097 parts and nested VCs, at most 4096 are possible
    hint: split the pod: some of it can be a VC that is spawned by itself
    ");
}

#[test]
fn vcs_nest_as_deep_as_bodies_do_and_no_deeper() {
    let pod = |levels: usize| {
        let vc = |level: usize| {
            let nested = r#"{"name": "a", "nested": {"b": "b/"}}"#;
            let text = if level < levels {
                nested
            } else {
                r#"{"name": "a"}"#
            };
            (
                format!("{}vc.json", "b/".repeat(level)),
                Bytes::from_static(text.as_bytes()),
            )
        };
        PodDir::from_files("pod", &(0..=levels).map(vc).collect())
    };
    assert!(pod(limits::DEPTH_MAX).is_ok());
    insta::assert_snapshot!(report(pod(limits::DEPTH_MAX + 1)), @"
    error: pod/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/vc.json:1:31 nested.b: this VC would be nested 17 levels deep, at most 16 are possible
    hint: let some of the inner VCs be siblings instead
    ");
}

/// Sixteen levels with two names for one directory would be 65,536 VCs in seventeen files.
#[test]
fn a_pod_that_names_its_vcs_again_and_again_is_bounded() {
    let level = |level: usize| {
        let text = r#"{"name": "a", "nested": {"b": "b/", "c": "b/"}}"#;
        let text = if level < limits::DEPTH_MAX {
            text
        } else {
            r#"{"name": "a"}"#
        };
        (
            format!("{}vc.json", "b/".repeat(level)),
            Bytes::from_static(text.as_bytes()),
        )
    };
    let files = (0..=limits::DEPTH_MAX).map(level).collect();
    insta::assert_snapshot!(report(PodDir::from_files("pod", &files)), @"
    error: pod/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/vc.json:1:42 nested.c: the pod holds more than 4096 VCs in all its levels
    hint: split the pod: some of it can be a VC that is spawned by itself
    ");
    assert_eq!(VCS_MAX, 4_096);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_but_to_itself() {
    let dir = directory(&[("vc.json", r#"{"name": "a", "parts": [{"file": "x"}]}"#)]);
    std::os::unix::fs::symlink("x", dir.path().join("x")).unwrap();
    let text = refuse_dir(dir.path());
    assert!(text.starts_with("error: cannot read pod `pod`: "), "{text}");
    assert!(
        text.ends_with("hint: check who may read it, and where symbolic links lead"),
        "{text}"
    );
}

/// A name with line ends or terminal codes in it must not forge lines of the report.
#[test]
fn an_error_is_one_line_whatever_it_shows() {
    insta::assert_snapshot!(refuse(r#"{"name": "a\nerror: \u001b[31m\u202eb"}"#), @r#"
    error: pod/vc.json:1:10 name: `a\nerror: \u{1b}[31m\u{202e}b` is not a name: it has words of a-z 0-9 with single `-` or `_` between them
    hint: for example: `a-nerror-u-1b-31m-u-202e-b`
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "x\ny\"": 1}"#), @r#"
    error: pod/vc.json:1:15 ["x\ny""]: unknown field `x\ny"`, the nearest known one is `name`
    hint: correct or remove it; the fields here are $schema, name, version, description, parts, accept, grants, contacts, purse, goal, nested, restart, durable, record, idle_ms, turn_fuel, outside, fleet, front
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "grants": ["s\nd"]}"#), @r#"
    error: pod/vc.json:1:26 grants[0]: there is no power `s\nd`; there are send, emit, after, spawn, fork, internalize, strip, watch, reshape
    hint: correct it, or remove it; what is not granted is denied
    "#);
    insta::assert_snapshot!(refuse(r#"{"name": "a", "contacts": {"b": "vc:\n"}}"#), @r#"
    error: pod/vc.json:1:33 contacts.b: `vc:\n` is no contact: `\n` is not base32 (letters a-z and digits 2-7)
    hint: write a VC's name, its address `vc:…`, `host`, or `../name` for a sibling
    "#);
}
