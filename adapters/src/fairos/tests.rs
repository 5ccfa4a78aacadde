//! Answers as they were recorded, in all their forms, and sessions that end: what the real server cannot be made to do.

use super::Fairos;
use super::api::Api;
use super::read::entry;
use super::wire::{
    DirectoryStat, FileReceived, FileStat, Listing, Meaning, PodList, PodReceived, Uploaded,
    meaning,
};
use crate::http::scripted::{answer, server};
use crate::http::{File, Login, Secret};
use crate::pods::{EntryKind, PodPath, Pods as _, PodsError};

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn numbers_come_as_text_and_lists_may_be_missing() {
    let all: Listing = parse(
        r#"{"dirs":[{"name":"d","contentType":"inode/directory","mode":16832,"creationTime":"1","modificationTime":"1795284000","accessTime":"1"}],
            "files":[{"name":"f","contentType":"","size":"12","blockSize":"1000000","creationTime":"1","modificationTime":"2","accessTime":"1","mode":33152}]}"#,
    );
    assert_eq!(all.dirs[0].modification_time, 1_795_284_000);
    assert_eq!((all.files[0].size, all.files[0].mode), (12, 0o100_600));
    for text in ["{}", r#"{"dirs":null,"files":null}"#, r#"{"dirs":[]}"#] {
        assert_eq!(parse::<Listing>(text), Listing::default(), "{text}");
    }
    let stat: DirectoryStat = parse(
        r#"{"podName":"p","dirPath":"/","dirName":"d","mode":16832,"creationTime":"1","modificationTime":"2","accessTime":"1","noOfDirectories":"0","noOfFiles":"3"}"#,
    );
    assert_eq!((stat.no_of_directories, stat.no_of_files), (0, 3));
    let stat: FileStat = parse(
        r#"{"podName":"p","mode":33152,"filePath":"/","fileName":"f","fileSize":"12","blockSize":"1000000","compression":"","contentType":"","creationTime":"1","modificationTime":"2","accessTime":"1"}"#,
    );
    assert_eq!((stat.file_size, stat.modification_time), (12, 2));
    let pods: PodList = parse(r#"{"pods":["a"],"sharedPods":null}"#);
    assert_eq!((pods.pods.len(), pods.shared_pods.len()), (1, 0));
    let told: Uploaded =
        parse(r#"{"Responses":[{"fileName":"f","message":"uploaded successfully"}]}"#);
    assert_eq!(told.responses[0].file_name, "f");
    assert!(parse::<Option<FileReceived>>("null").is_none());
    assert!(parse::<PodReceived>("{}").pod_name.is_empty());
    assert!(serde_json::from_str::<FileStat>(r#"{"fileSize":"many"}"#).is_err());
    assert!(serde_json::from_str::<FileStat>(r#"{"fileSize":"-1"}"#).is_err());
}

#[test]
fn a_pods_password_is_not_taken() {
    let text = r#"{"podName":"p","podAddress":"0xaa","password":"s3cret","userAddress":"0xbb"}"#;
    assert!(!format!("{:?}", parse::<PodReceived>(text)).contains("s3cret"));
}

#[test]
fn refusals_are_told_apart_by_their_words() {
    let of = |status, message: &str| {
        meaning(&PodsError::Server {
            server: String::new(),
            what: String::new(),
            status,
            message: message.to_owned(),
            hint: String::new(),
        })
    };
    for (status, message, expected) in [
        (401, "jwt: invalid token", Meaning::LoggedOut),
        (
            401,
            "cookie: invalid cookie: named cookie not present",
            Meaning::LoggedOut,
        ),
        (400, "unauthorized", Meaning::LoggedOut),
        (404, "pod open: user not logged-in", Meaning::LoggedOut),
        (500, "dir stat: user not logged-in", Meaning::LoggedOut),
        (404, "pod open: pod does not exist", Meaning::NoPod),
        (500, "pod close: could not find pod: p", Meaning::NoPod),
        (500, "delete pod: pod not found", Meaning::NoPod),
        (400, "pod new: pod already exists", Meaning::PodExists),
        (
            500,
            "pod fork: pod with fork name already exists",
            Meaning::PodExists,
        ),
        (
            404,
            "download: file not found in dfs",
            Meaning::NothingThere,
        ),
        (
            500,
            "file stat: file not found in dfs",
            Meaning::NothingThere,
        ),
        (404, "ls: directory not present", Meaning::NothingThere),
        (
            500,
            "dir stat: directory not present",
            Meaning::NothingThere,
        ),
        (
            500,
            "public pod file download: deleted feed",
            Meaning::NothingThere,
        ),
        (
            500,
            "file upload: block size must be between 1000000 - 8000000",
            Meaning::Other,
        ),
        (502, "bad gateway", Meaning::Other),
    ] {
        assert_eq!(of(status, message), expected, "{status} {message}");
    }
    assert_eq!(meaning(&PodsError::Missing("p".to_owned())), Meaning::Other);
}

/// A client of a server that follows a script.
fn scripted(
    answers: Vec<String>,
) -> (
    Fairos,
    std::thread::JoinHandle<Vec<crate::http::scripted::Heard>>,
) {
    let (address, serving) = server(answers);
    let login = Login {
        user: "ana".to_owned(),
        password: Secret::new("p4ssword"),
    };
    (Fairos::new(&address, login).unwrap(), serving)
}

fn admitted(token: &str) -> String {
    answer("200 OK", "", &format!(r#"{{"accessToken":"{token}"}}"#))
}

#[test]
fn a_session_that_is_over_begins_again_once() {
    let over = || {
        answer(
            "401 Unauthorized",
            "",
            r#"{"message":"jwt: invalid token"}"#,
        )
    };
    let none = answer(
        "200 OK",
        "Content-Type:  application/json\r\n",
        r#"{"pods":null}"#,
    );
    let (fairos, serving) = scripted(vec![admitted("t1"), over(), admitted("t2"), none]);
    assert_eq!(fairos.pods().unwrap(), []);
    let heard = serving.join().unwrap();
    let lines: Vec<_> = heard.iter().map(|heard| heard.line.as_str()).collect();
    let [login, list] = ["POST /v2/user/login HTTP/1.1", "GET /v1/pod/ls HTTP/1.1"];
    assert_eq!(lines, [login, list, login, list]);
    assert_eq!(heard[0].header("content-type"), Some("application/json"));
    assert_eq!(
        heard[0].body,
        br#"{"userName":"ana","password":"p4ssword"}"#
    );
    assert_eq!(heard[1].header("authorization"), Some("Bearer t1"));
    assert_eq!(heard[3].header("authorization"), Some("Bearer t2"));

    let (fairos, serving) = scripted(vec![admitted("t1"), over(), admitted("t2"), over()]);
    let error = fairos.pods().unwrap_err().to_string();
    assert!(
        error.ends_with("answered 401 to `GET /v1/pod/ls`: jwt: invalid token"),
        "{error}"
    );
    serving.join().unwrap();
}

#[test]
fn a_server_that_says_the_password_is_not_quoted() {
    let (fairos, serving) = scripted(vec![answer(
        "400 Bad Request",
        "",
        r#"{"message":"user login: invalid password: p4ssword"}"#,
    )]);
    let error = fairos.pods().unwrap_err();
    assert!(!error.to_string().contains("p4ssword"), "{error}");
    assert_eq!(
        error.hint().as_deref(),
        Some("correct `MEDIUM_FAIROS_PASSWORD`")
    );
    serving.join().unwrap();
}

/// A proxy's page in place of an answer, or a server of another kind.
#[test]
fn what_is_no_answer_is_told_as_that() {
    let page = answer("200 OK", "", "<html>welcome</html>");
    let (fairos, serving) = scripted(vec![admitted("t"), page]);
    let error = fairos.pods().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its answer cannot be read: expected value"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("the right kind of server"));
    serving.join().unwrap();
}

/// The server answers with a success, whatever became of each file.
#[test]
fn an_upload_is_done_when_the_server_says_so_of_this_file() {
    for (told, expected) in [
        (
            r#"[{"fileName":"f","message":"uploaded successfully"}]"#,
            None,
        ),
        (
            r#"[{"fileName":"f","message":"disk full"}]"#,
            Some("disk full"),
        ),
        (
            r#"[{"fileName":"g","message":"uploaded successfully"}]"#,
            Some("it stored `f` as `g`"),
        ),
        ("[]", Some("it tells of 0 files instead of one")),
        ("null", Some("it tells of 0 files instead of one")),
    ] {
        let uploaded = answer("200 OK", "", &format!(r#"{{"Responses":{told}}}"#));
        let (address, serving) = server(vec![admitted("t"), uploaded]);
        let login = Login {
            user: "ana".to_owned(),
            password: Secret::new("p4ssword"),
        };
        let file = File {
            field: "files",
            name: "f".to_owned(),
            content_type: String::new(),
            bytes: None,
            input: &mut &b"text"[..],
        };
        let done = Api::new(&address, login)
            .unwrap()
            .file_upload("p", "/", file);
        let said = done.err().map(|error| error.to_string());
        let ending = expected.map(|why| format!("answered 200 to `POST /v1/file/upload`: {why}"));
        assert_eq!(said.is_some(), ending.is_some(), "{told}");
        assert!(
            said.unwrap_or_default()
                .ends_with(&ending.unwrap_or_default()),
            "{told}"
        );
        serving.join().unwrap();
    }
}

/// Whoever shares a pod chooses the names in it.
#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let of = |name: &str| {
        let listed = format!(r#"{{"name":{}}}"#, serde_json::json!(name));
        entry(
            &"/d".parse::<PodPath>().unwrap(),
            EntryKind::File,
            parse(&listed),
        )
    };
    assert_eq!(of("ok").unwrap().path, "/d/ok");
    for name in [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "../a",
        "/etc",
        "a\0b",
        "a\nb",
        &"x".repeat(256),
    ] {
        let refused = of(name).unwrap_err();
        assert!(
            matches!(refused, PodsError::Damaged(_)),
            "{name}: {refused}"
        );
    }
}
