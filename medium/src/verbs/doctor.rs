//! `doctor`: looks at folder, node and store, and says what to do about what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use actors::store::StoreError;
use adapters::store::redb::RedbStore;
use anyhow::Result;
use genesis::id::VcId;
use genesis::protocol::digest_of_protocol;
use genesis::refusal::{Code, Refusal};
use medium::folder::{ANNOUNCEMENT, Announcement};
use serde::Serialize;
use serde_json::json;

use super::Context;
use crate::client::seen::Node;
use crate::client::{Client, found};
use crate::printer::{Style, harmless};
use crate::report::Said;

/// Free space below which a node may soon refuse what is new, in bytes.
const SPACE_MIN: u64 = 64 << 20;
/// The store of a data folder; see `adapters::store::redb`.
const STORE_FILE: &str = "medium.redb";
/// How often the counters of a busy node are read until they add up.
const COUNTS_MAX: u32 = 40;
/// How long to wait between two of these.
const COUNT_AGAIN: Duration = Duration::from_millis(25);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// Something has to be done.
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            text: text.into(),
            hint: None,
        }
    }

    fn note(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Note,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    fn wrong(check: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Wrong,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    fn refused(check: &'static str, refusal: Refusal) -> Self {
        let hint = refusal
            .hint
            .unwrap_or_else(|| "the node's own log may say more".to_owned());
        Self::wrong(check, refusal.what, hint)
    }
}

/// Looks at everything, prints what was found, and fails if something is wrong.
pub(crate) async fn doctor(context: Context<'_>) -> Result<()> {
    let mut findings = Vec::new();
    let folder = found::data_folder(context.global)?;
    look_at_folder(&folder, &mut findings);
    let named = context.global.api.is_some();
    let announced = Announcement::read(&folder);
    let runs_here = match (named, &announced) {
        (true, _) => false,
        (false, Ok(announced)) => announced.is_some(),
        (false, Err(_)) => true,
    };
    // A node that was killed could not take its announcement away.
    let stale = match &announced {
        Ok(Some(left)) if !named => left_behind(context, left).await,
        _ => None,
    };
    if let Some(finding) = stale {
        findings.push(finding);
        if folder.join(STORE_FILE).exists() {
            findings.push(look_at_store(folder).await);
        }
    } else if named || runs_here {
        match context.client() {
            Ok(client) => look_at_node(&client, &mut findings).await,
            Err(error) => findings.push(Finding::refused("node", as_refusal(&error))),
        }
    } else {
        let text = format!("no node runs on {}", folder.display());
        findings.push(Finding::note("node", text, "start one: `medium up`"));
        if folder.join(STORE_FILE).exists() {
            findings.push(look_at_store(folder).await);
        }
    }
    print(context, &findings)?;
    if findings.iter().any(|finding| finding.state == State::Wrong) {
        Err(Said.into())
    } else {
        Ok(())
    }
}

/// Whether the node that left an announcement is gone without having taken it away.
async fn left_behind(context: Context<'_>, left: &Announcement) -> Option<Finding> {
    let refusal = context.client().ok()?.node().await.err()?;
    if refusal.code != Code::Unreachable {
        return None;
    }
    let text = format!(
        "its node was killed: process {} announced {}, where nobody answers",
        left.pid, left.api
    );
    let hint = "`medium up` goes on from what was acknowledged";
    Some(Finding::note("node", text, hint))
}

fn as_refusal(error: &anyhow::Error) -> Refusal {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::new(Code::Internal, format!("{error:#}")),
    }
}

fn print(context: Context<'_>, findings: &[Finding]) -> Result<()> {
    let printer = context.printer;
    if printer.is_json() {
        let ok = findings.iter().all(|finding| finding.state != State::Wrong);
        return printer.json(&json!({ "ok": ok, "checks": findings }));
    }
    for finding in findings {
        let mark = match finding.state {
            State::Ok => printer.paint(Style::Green, "ok   "),
            State::Note => printer.paint(Style::Cyan, "note "),
            State::Wrong => printer.paint(Style::Red, "wrong"),
        };
        printer.screen(&format!(
            "{mark}  {:<8}  {}",
            finding.check,
            harmless(&finding.text)
        ))?;
        if let Some(hint) = &finding.hint {
            let arrow = printer.paint(Style::Cyan, "→");
            printer.screen(&format!("{:17}{arrow} {}", "", harmless(hint)))?;
        }
    }
    Ok(())
}

/// The folder: there, ours alone, writable, with room.
fn look_at_folder(folder: &Path, findings: &mut Vec<Finding>) {
    let shown = folder.display();
    let about = match std::fs::metadata(folder) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => {
            let hint = "name a directory with `--data DIR`";
            findings.push(Finding::wrong(
                "folder",
                format!("{shown} is not a directory"),
                hint,
            ));
            return;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = format!("{shown} is not there yet");
            findings.push(Finding::note("folder", text, "`medium up` makes it"));
            return;
        }
        Err(error) => {
            let text = format!("{shown} cannot be looked at: {error}");
            findings.push(Finding::wrong(
                "folder",
                text,
                "check who may read the folders above it",
            ));
            return;
        }
    };
    let mode = about.permissions().mode() & 0o777;
    let private = format!("chmod 700 '{shown}'");
    findings.push(if mode & 0o022 != 0 {
        let text = format!("{shown} can be changed by others (mode {mode:03o})");
        Finding::wrong("folder", text, private)
    } else if let Err(error) = tempfile::tempfile_in(folder)
        && error.kind() != std::io::ErrorKind::StorageFull
    {
        let text = format!("{shown} cannot be written to: {error}");
        Finding::wrong(
            "folder",
            text,
            "give it to the user that runs the node, or make room",
        )
    } else if mode & 0o055 != 0 {
        // What must stay secret in it is mode 0600 whatever the folder is.
        let text = format!("{shown}, which others can look into (mode {mode:03o})");
        Finding::note("folder", text, private)
    } else {
        Finding::ok("folder", format!("{shown}, yours alone (mode {mode:03o})"))
    });
    for name in ["secret", "token", ANNOUNCEMENT] {
        let path = folder.join(name);
        let Ok(about) = std::fs::metadata(&path) else {
            continue;
        };
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let text = format!("{} can be read by others (mode {mode:03o})", path.display());
            findings.push(Finding::wrong(
                "secrets",
                text,
                format!("chmod 600 '{}'", path.display()),
            ));
        }
    }
    findings.push(match free_bytes(folder) {
        Ok(free) => space(free),
        Err(error) => Finding::wrong("space", format!("unknown: {error}"), "check the disk"),
    });
}

/// How much room there is. Little of it is no fault yet: a node that has too little says so itself, and
/// that is what the check of its store is about.
fn space(free: u64) -> Finding {
    let text = format!("{} MiB free", free >> 20);
    if free >= SPACE_MIN {
        return Finding::ok("space", text);
    }
    let text = format!("{text}; a node whose disk is full refuses what is new");
    Finding::note("space", text, "make room on that disk, or move the folder")
}

/// What an ordinary user may still write on the disk that holds a folder, in bytes.
fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The node: there, ours, of our version, its store well, its counters adding up.
async fn look_at_node(client: &Client, findings: &mut Vec<Finding>) {
    let node = match client.node().await {
        Ok(node) => node,
        Err(refusal) => return findings.push(Finding::refused("node", refusal)),
    };
    findings.push(Finding::ok(
        "node",
        format!("{} answers at {}", node.id, client.base()),
    ));
    findings.push(token(client).await);
    findings.push(versions(&node));
    findings.push(match &node.store {
        Some(store) if store.healthy => {
            let place = node.data.as_deref().unwrap_or("memory only");
            Finding::ok(
                "store",
                format!("commits; {} KiB in {place}", store.bytes >> 10),
            )
        }
        Some(store) => {
            let why = store
                .why
                .as_ref()
                .and_then(|why| why["what"].as_str().or(why.as_str()));
            let text = format!("does not commit: {}", why.unwrap_or("no reason given"));
            Finding::wrong(
                "store",
                text,
                "make room or mend the disk; reads go on, and it recovers by itself",
            )
        }
        None => Finding::note(
            "store",
            "the node does not say",
            "it may be of another version",
        ),
    });
    if let Some(engine) = &node.engine {
        findings.push(Finding::ok("sandbox", engine.clone()));
    }
    findings.push(counters(client, node).await);
}

/// Asks for something that changes nothing, but only with the right token: to wake nobody.
async fn token(client: &Client) -> Finding {
    let hint = "take the one in `node.json` of its data folder, by `--data DIR` or MEDIUM_TOKEN";
    if !client.has_token() {
        return Finding::wrong("token", "there is none: nothing can be changed", hint);
    }
    match client.signal(&VcId::NOBODY.to_string(), "wake").await {
        Err(refusal) if refusal.code == Code::Token => Finding::wrong("token", refusal.what, hint),
        Err(refusal) if refusal.code == Code::Unreachable => Finding::refused("token", refusal),
        _ => Finding::ok("token", "accepted"),
    }
}

fn versions(node: &Node) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let protocol = digest_of_protocol().to_string();
    if node.genesis != protocol {
        let text = format!(
            "the node follows protocol {}, this command line {}",
            crate::printer::clip(&node.genesis, 12),
            crate::printer::clip(&protocol, 12)
        );
        return Finding::wrong(
            "versions",
            text,
            "use the command line of the node's own version",
        );
    }
    if node.version != ours {
        let text = format!("node {}, command line {ours}, same protocol", node.version);
        return Finding::note("versions", text, "start the node anew after an update");
    }
    Finding::ok(
        "versions",
        format!("node and command line are {ours}, same protocol"),
    )
}

/// `accepted = queued + consumed + bounced + dead` at rest; a busy node is asked again.
async fn counters(client: &Client, node: Node) -> Finding {
    let mut stats = node.stats;
    for _ in 0..COUNTS_MAX {
        if stats.balanced() {
            break;
        }
        tokio::time::sleep(COUNT_AGAIN).await;
        match client.node().await {
            Ok(node) => stats = node.stats,
            Err(refusal) => return Finding::refused("counters", refusal),
        }
    }
    let text = format!(
        "accepted {} = queued {} + consumed {} + bounced {} + dead {}",
        stats.accepted, stats.queued, stats.consumed, stats.bounced, stats.dead
    );
    if stats.balanced() {
        Finding::ok("counters", text)
    } else {
        let hint =
            "a node that is never at rest may show this; at rest it is a defect, please report it";
        Finding::wrong("counters", format!("do not add up: {text}"), hint)
    }
}

/// The store of a folder on which no node runs: every row and page is read.
async fn look_at_store(folder: std::path::PathBuf) -> Finding {
    let looked = tokio::task::spawn_blocking(move || verify(&folder)).await;
    looked.unwrap_or_else(|error| {
        Finding::wrong(
            "store",
            format!("the check failed: {error}"),
            "please report it",
        )
    })
}

fn verify(folder: &Path) -> Finding {
    const RESTORE: &str =
        "restore the folder from a backup; damaged rows are named and never served";
    let store = match RedbStore::open(folder) {
        Ok((store, _)) => store,
        Err(error @ StoreError::InUse { .. }) => {
            let hint = "a node is starting or stopping there: try again, or end that process";
            return Finding::wrong("store", error.to_string(), hint);
        }
        Err(error @ StoreError::Version { .. }) => {
            return Finding::wrong("store", error.to_string(), "use the newer program");
        }
        Err(error @ StoreError::Full { .. }) => {
            return Finding::wrong("store", error.to_string(), "make room on that disk");
        }
        Err(error) => return Finding::wrong("store", error.to_string(), RESTORE),
    };
    match store.verify().as_slice() {
        [] => Finding::ok("store", "every row and page was read and is whole"),
        [one] => Finding::wrong("store", one.to_string(), RESTORE),
        [first, rest @ ..] => {
            let text = format!("{first}; and {} more", rest.len());
            Finding::wrong("store", text, RESTORE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a small disk was called wrong although the node on it refused nothing.
    #[test]
    fn little_room_is_worth_a_note() {
        assert_eq!(space(SPACE_MIN).state, State::Ok);
        assert_eq!(space(SPACE_MIN - 1).state, State::Note);
        assert_eq!(space(0).state, State::Note);
    }

    #[test]
    fn a_folder_that_others_can_change_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let states = |folder: &Path| {
            let mut findings = Vec::new();
            look_at_folder(folder, &mut findings);
            findings
                .iter()
                .map(|finding| (finding.check, finding.state))
                .collect::<Vec<_>>()
        };
        let open = |mode| {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(0o770);
        assert_eq!(states(folder.path())[0], ("folder", State::Wrong));
        open(0o755);
        assert_eq!(states(folder.path())[0], ("folder", State::Note));
        open(0o700);
        assert_eq!(states(folder.path())[0], ("folder", State::Ok));
        assert_eq!(
            states(&folder.path().join("none")),
            [("folder", State::Note)]
        );
        let file = folder.path().join("token");
        std::fs::write(&file, "t").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(states(folder.path()).contains(&("secrets", State::Wrong)));
        assert_eq!(states(&file), [("folder", State::Wrong)]);
    }
}
