//! What FairOS-DFS sends and expects, and how it says what went wrong.
//!
//! Numbers come as text, keys may be missing, and the same refusal has other statuses in other places: the words
//! are what can be relied on.

use serde::{Deserialize, Deserializer, Serialize};

use crate::pods::PodsError;

/// A pod that a request is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfPod<'a> {
    pub(super) pod_name: &'a str,
}

/// A directory that a request is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfDirectory<'a> {
    pub(super) pod_name: &'a str,
    pub(super) dir_path: &'a str,
}

/// A file that a request is about.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfFile<'a> {
    pub(super) pod_name: &'a str,
    pub(super) file_path: &'a str,
    /// For whom it is shared; recorded by the server, not enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dest_user: Option<&'a str>,
    /// Its new mode, as decimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<String>,
}

/// A move inside a pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Move<'a> {
    pub(super) pod_name: &'a str,
    pub(super) old_path: &'a str,
    pub(super) new_path: &'a str,
}

/// A fork of a pod of one's own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fork<'a> {
    pub(super) pod_name: &'a str,
    pub(super) fork_name: &'a str,
}

/// A fork of somebody's pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForkFromReference<'a> {
    pub(super) fork_name: &'a str,
    pub(super) pod_sharing_reference: &'a str,
}

/// Who signs up or logs in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity<'a> {
    pub(super) user_name: &'a str,
    pub(super) password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mnemonic: Option<&'a str>,
}

/// What a login gives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Admitted {
    pub(super) access_token: crate::http::Secret,
}

/// A new user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedUp {
    pub(super) address: String,
    #[serde(default)]
    pub(super) mnemonic: crate::http::Secret,
    pub(super) access_token: crate::http::Secret,
}

/// Whether something is there.
#[derive(Debug, Deserialize)]
pub(super) struct Present {
    pub(super) present: bool,
}

/// The user of a session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserStat {
    pub(super) user_name: String,
    pub(super) address: String,
}

/// The pods of a user: those of one's own, and those that others share.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodList {
    #[serde(default, deserialize_with = "none_is_empty")]
    pub(super) pods: Vec<String>,
    #[serde(default, deserialize_with = "none_is_empty")]
    pub(super) shared_pods: Vec<String>,
}

/// The address of a pod.
#[derive(Debug, Deserialize)]
pub(super) struct PodStat {
    pub(super) address: String,
}

/// A reference to a pod.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodShared {
    pub(super) pod_sharing_reference: String,
}

/// A reference to a file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileShared {
    pub(super) file_sharing_reference: String,
}

/// What a pod's reference names. Its password, which comes too, is not taken.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PodReceived {
    pub(super) pod_name: String,
    pub(super) pod_address: String,
    pub(super) user_address: String,
}

/// What a file's reference names.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileReceived {
    pub(super) name: String,
    #[serde(deserialize_with = "number")]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) content_type: String,
    #[serde(default)]
    pub(super) source_address: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) shared_time: u64,
}

/// Where a received file was put.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceivedAt {
    pub(super) file_name: String,
}

/// What is in a directory.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Listing {
    #[serde(default, deserialize_with = "none_is_empty")]
    pub(super) dirs: Vec<Listed>,
    #[serde(default, deserialize_with = "none_is_empty")]
    pub(super) files: Vec<Listed>,
}

/// One entry of a listing.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) name: String,
    #[serde(default)]
    pub(super) content_type: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) mode: u32,
    #[serde(default, deserialize_with = "number")]
    pub(super) modification_time: u64,
}

/// What is known of a directory.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DirectoryStat {
    #[serde(default, deserialize_with = "number")]
    pub(super) modification_time: u64,
    #[serde(deserialize_with = "number")]
    pub(super) no_of_directories: u64,
    #[serde(deserialize_with = "number")]
    pub(super) no_of_files: u64,
}

/// What is known of a file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileStat {
    #[serde(default)]
    pub(super) mode: u32,
    #[serde(deserialize_with = "number")]
    pub(super) file_size: u64,
    #[serde(default)]
    pub(super) content_type: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) modification_time: u64,
}

/// What became of uploaded files. A failure of one comes with a status of success.
#[derive(Debug, Deserialize)]
pub(super) struct Uploaded {
    #[serde(rename = "Responses", default, deserialize_with = "none_is_empty")]
    pub(super) responses: Vec<UploadedFile>,
}

/// What became of one uploaded file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadedFile {
    pub(super) file_name: String,
    #[serde(default)]
    pub(super) message: String,
}

impl UploadedFile {
    /// What the server says of a file that it has.
    pub(super) const DONE: &'static str = "uploaded successfully";
}

/// Reads a number, whether it comes as one or as text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) if text.is_empty() => Ok(0),
        Written::Text(text) => text.parse().map_err(|_| {
            serde::de::Error::custom(format!("`{}` is no number", text.escape_debug()))
        }),
    }
}

/// Reads a list that may be `null`.
fn none_is_empty<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What a refusal means, by its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The session is over, or never was.
    LoggedOut,
    /// There is no such pod.
    NoPod,
    /// There is a pod of this name.
    PodExists,
    /// Nothing is at the path.
    NothingThere,
    /// Something else.
    Other,
}

/// What a refusal means.
pub(super) fn meaning(error: &PodsError) -> Meaning {
    let PodsError::Server {
        status, message, ..
    } = error
    else {
        return Meaning::Other;
    };
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if *status == 401 || message == "unauthorized" || says(&["user not logged-in"]) {
        Meaning::LoggedOut
    } else if says(&["pod already exists", "pod with fork name already exists"]) {
        Meaning::PodExists
    } else if says(&["pod does not exist", "could not find pod", "pod not found"]) {
        Meaning::NoPod
    } else if says(&[
        "file not found in dfs",
        "file does not exist",
        "file not present",
        "directory not present",
        "dir not found",
        "deleted feed",
        "resource was deleted",
        "feed does not exist",
    ]) {
        Meaning::NothingThere
    } else {
        Meaning::Other
    }
}
