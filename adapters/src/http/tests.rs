//! Calls to a server that follows a script: what fails and how often, which no real one does when asked to.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::JoinHandle;
use std::time::Duration;

use super::answer::message;
use super::scripted::{AT_ONCE, Heard, answer, server};
use super::{Credentials, File, Http, HttpError, Patience, Secret};
use crate::pods::PodsError;

/// A server that follows a script, and a client of it.
fn called(answers: Vec<String>) -> (Http, JoinHandle<Vec<Heard>>) {
    let (address, serving) = server(answers);
    (Http::new("Test", &address, AT_ONCE).unwrap(), serving)
}

fn text<E: std::fmt::Display>(result: Result<impl std::fmt::Debug, E>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_safe_request_is_repeated_until_it_succeeds() {
    let busy = || answer("503 Service Unavailable", "", "");
    let (http, serving) = called(vec![busy(), busy(), answer("200 OK", "", "[1]")]);
    let numbers: Vec<u32> = http
        .get(&["a b", "ä/"])
        .query("q", "&")
        .send()
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(numbers, [1]);
    let heard = serving.join().unwrap();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard[2].line, "GET /a%20b/%C3%A4%2F?q=%26 HTTP/1.1");
}

#[test]
fn repetition_has_an_end() {
    let busy = || answer("502 Bad Gateway", "", "oh\n no");
    let (http, serving) = called(vec![busy(), busy(), busy(), busy()]);
    let error = http.get(&["x"]).send().unwrap_err();
    assert_eq!(error.status(), Some(502));
    assert!(
        error
            .to_string()
            .ends_with("answered 502 to `GET /x`: oh no"),
        "{error}"
    );
    assert_eq!(serving.join().unwrap().len(), 4);
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let (http, serving) = called(vec![answer("503 Service Unavailable", "", "")]);
    let error = http.post(&["x"]).json(&1).send().unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(serving.join().unwrap()[0].body, b"1");
}

#[test]
fn what_was_turned_away_is_done_again() {
    let away = answer("429 Too Many Requests", "Retry-After: 0\r\n", "");
    let (http, serving) = called(vec![away, answer("201 Created", "", "")]);
    let made = http.post(&["x"]).json(&1).send().unwrap();
    assert_eq!(made.status(), 201);
    assert_eq!(serving.join().unwrap().len(), 2);
}

#[test]
fn a_server_that_asks_for_more_than_is_waited_is_not_asked_again() {
    let away = answer("429 Too Many Requests", "Retry-After: 9\r\n", "");
    let (http, serving) = called(vec![away]);
    assert_eq!(http.get(&["x"]).send().unwrap_err().status(), Some(429));
    assert_eq!(serving.join().unwrap().len(), 1);
}

#[test]
fn a_redirection_is_not_followed() {
    let elsewhere = answer(
        "308 Permanent Redirect",
        "Location: http://127.0.0.1:1/\r\n",
        "",
    );
    let (http, serving) = called(vec![elsewhere]);
    assert_eq!(http.get(&["x"]).send().unwrap_err().status(), Some(308));
    serving.join().unwrap();
}

#[test]
fn a_secret_is_used_and_never_shown() {
    let secret = Secret::new("tok3n");
    let (http, serving) = called(vec![answer(
        "401 Unauthorized",
        "",
        r#"{"message":"bad tok3n","code":401}"#,
    )]);
    let request = http.get(&["x"]).query("key", "k3y").bearer(&secret);
    let shown = format!("{request:?} {http:?} {secret:?}");
    assert!(
        !shown.contains("tok3n") && !shown.contains("k3y"),
        "{shown}"
    );
    let error = request.send().unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("answered 401 to `GET /x`: bad (a secret)"),
        "{error}"
    );
    let error = PodsError::from(error);
    assert_eq!(error.hint().as_deref(), Some("check the credentials"));
    assert_eq!(
        serving.join().unwrap()[0].header("authorization"),
        Some("Bearer tok3n")
    );
}

#[test]
fn an_answer_that_is_too_long_or_breaks_off_is_none() {
    let (http, serving) = called(vec![answer("200 OK", "", "12345")]);
    let error = http.get(&["x"]).send().unwrap().bytes(4).unwrap_err();
    assert!(
        matches!(error, HttpError::Answer { status: 200, .. }),
        "{error}"
    );
    serving.join().unwrap();

    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n12345".to_owned();
    let (http, serving) = called(vec![short]);
    let mut out = Vec::new();
    let error = http
        .get(&["x"])
        .send()
        .unwrap()
        .copy_to(&mut out)
        .unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { .. }), "{error}");
    assert_eq!(out, b"12345");
    serving.join().unwrap();
}

#[test]
fn a_file_is_streamed_as_a_part_of_a_form() {
    let bytes = vec![b'x'; 1_000_000];
    for known in [Some(1_000_000), None] {
        let (http, serving) = called(vec![answer("200 OK", "", "{}")]);
        let file = File {
            field: "files",
            name: "ä \"b\".txt".to_owned(),
            content_type: String::new(),
            bytes: known,
            input: &mut bytes.as_slice(),
        };
        let form = http.post(&["up"]).send_form(&[("dirPath", "/a b")], file);
        assert_eq!(form.unwrap().status(), 200);
        let heard = serving.join().unwrap().remove(0);
        assert_eq!(heard.header("content-length").is_some(), known.is_some());
        let body = String::from_utf8(heard.body).unwrap();
        assert!(body.contains("name=\"dirPath\"\r\n\r\n/a b\r\n"));
        assert!(body.contains(str::from_utf8(&bytes).unwrap()));
    }
}

#[test]
fn a_body_is_streamed_with_its_length_where_that_is_known() {
    let bytes = vec![7; 300_000];
    for known in [Some(300_000), None] {
        let (http, serving) = called(vec![answer("201 Created", "", "")]);
        let sent = http
            .post(&["x"])
            .send_reading("text/odd", known, &mut bytes.as_slice());
        assert_eq!(sent.unwrap().status(), 201);
        let heard = serving.join().unwrap().remove(0);
        assert_eq!(heard.header("content-length").is_some(), known.is_some());
        assert_eq!(heard.header("content-type"), Some("text/odd"));
        assert!(heard.body == bytes);
    }
}

#[test]
fn a_source_of_another_length_fails() {
    for (told, is) in [(4, "12345"), (6, "12345")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let http = Http::new("Test", &address, AT_ONCE).unwrap();
        let mut input = is.as_bytes();
        let sent = http
            .post(&["x"])
            .send_reading("text/plain", Some(told), &mut input);
        assert!(matches!(sent.unwrap_err(), HttpError::Input(_)));
    }
}

#[test]
fn a_server_that_answers_before_the_end_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut first = [0; 64];
        connection.read_exact(&mut first).unwrap();
        let full = answer("413 Payload Too Large", "", "full");
        connection.write_all(full.as_bytes()).unwrap();
        connection // stays open: nobody must have to wait for its end
    });
    let http = Http::new("Test", &address, AT_ONCE).unwrap();
    let sent = http
        .post(&["x"])
        .send_reading("text/plain", None, &mut io::repeat(7));
    assert_eq!(sent.unwrap_err().status(), Some(413));
    serving.join().unwrap();
}

#[test]
fn addresses_are_checked_and_said_to_be_wrong() {
    let refused = |address: &str| text(Http::new("Bee", address, AT_ONCE));
    insta::assert_snapshot!(refused("https://bee.example"), @"Bee cannot be called: `https` is not spoken here; make a tunnel, and give the address of its near end");
    insta::assert_snapshot!(refused("ftp://bee.example"), @"Bee cannot be called: `ftp` is not spoken here, only `http`");
    insta::assert_snapshot!(refused("http://me:secret@bee.example"), @"Bee cannot be called: a user and a password do not belong in an address");
    insta::assert_snapshot!(refused("127.0.0.1:1633/?x"), @"Bee cannot be called: `127.0.0.1:1633/?x` has more than a host, a port and a path");
    insta::assert_snapshot!(refused("http://a b"), @"Bee cannot be called: `http://a b` is no address: invalid international domain name");
    let http = Http::new("Bee", "localhost:1633", AT_ONCE).unwrap();
    assert_eq!(http.server(), "Bee at http://localhost:1633");
}

#[test]
fn what_a_refusal_says_is_found_in_every_form() {
    let said = |body: &str| message(body.as_bytes());
    assert_eq!(
        said(r#"{"message":"pod open: no","code":404}"#).unwrap(),
        "pod open: no"
    );
    assert_eq!(
        said("404 page\n\u{1b}[31mnot found").unwrap(),
        "404 page [31mnot found"
    );
    assert_eq!(said("{\"message\":5}").unwrap(), "{\"message\":5}");
    assert_eq!(said(" \n"), None);
    assert_eq!(said(&"x".repeat(9_000)).unwrap().len(), 500);
}

#[test]
fn waits_grow_and_have_a_bound() {
    let patience = Patience {
        attempts: 9,
        wait_first: Duration::from_millis(100),
        wait_max: Duration::from_secs(1),
        ..AT_ONCE
    };
    for number in 0..200 {
        for (next, bound_ms) in [
            (2, 100),
            (3, 200),
            (4, 400),
            (5, 800),
            (6, 1_000),
            (9, 1_000),
        ] {
            let wait = patience.wait(number, next, None).unwrap();
            assert!(
                wait <= Duration::from_millis(bound_ms),
                "{wait:?} before {next}"
            );
        }
        assert!(patience.wait(number, 2, Some(1)).unwrap() >= Duration::from_secs(1));
        assert_eq!(patience.wait(number, 2, Some(2)), None);
        assert_eq!(patience.wait(number, 10, None), None);
    }
    assert_ne!(patience.wait(0, 9, None), patience.wait(1, 9, None));
}

/// Reads credentials from an environment and a file of a mode.
fn credentials(
    environment: &[(&str, &str)],
    file: Option<(&str, u32)>,
) -> Result<Credentials, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    if let Some((text, mode)) = file {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let variable = |name: &str| {
        let found = environment.iter().find(|(set, _)| *set == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Credentials::read(variable, Some(&path)).map_err(|error| {
        let said = format!("{error} | {}", error.hint());
        said.replace(&folder.path().display().to_string(), "")
    })
}

#[test]
fn credentials_come_from_the_environment_or_a_file_of_ones_own() {
    let file = r#"{"bee": {"batch": "b4tch"}, "fairos": {"user": "ana", "password": "p4ss"}}"#;
    let found = credentials(&[("MEDIUM_BEE_BATCH", "other")], Some((file, 0o600))).unwrap();
    assert_eq!(
        found.bee_batch.as_ref().unwrap().reveal(),
        "other",
        "the environment is first"
    );
    let login = found.fairos.as_ref().unwrap();
    assert_eq!(
        (login.user.as_str(), login.password.reveal()),
        ("ana", "p4ss")
    );
    let shown = format!("{found:?}");
    assert!(
        !shown.contains("other") && !shown.contains("p4ss"),
        "{shown}"
    );
    assert_eq!(credentials(&[], None).unwrap(), Credentials::default());
    let both = [("MEDIUM_FAIROS_USER", "u"), ("MEDIUM_FAIROS_PASSWORD", "p")];
    assert_eq!(credentials(&both, None).unwrap().fairos.unwrap().user, "u");
}

#[test]
fn credentials_that_others_can_read_are_refused() {
    let refused = |environment, file| credentials(environment, file).unwrap_err();
    insta::assert_snapshot!(refused(&[], Some(("{}", 0o644))), @"/credentials.json has mode 0644: others than its owner can read it | `chmod 600 /credentials.json`");
    insta::assert_snapshot!(refused(&[], Some((r#"{"fairos": {"user": "p4ss", "pass": 1}}"#, 0o600))), @r#"/credentials.json is not a file of credentials: line 1, column 34 | it looks like {"bee": {"batch": "…"}, "fairos": {"user": "…", "password": "…"}}"#);
    insta::assert_snapshot!(refused(&[("MEDIUM_FAIROS_USER", "u")], None), @"MEDIUM_FAIROS_USER is set and MEDIUM_FAIROS_PASSWORD is not | set MEDIUM_FAIROS_PASSWORD too");
}
