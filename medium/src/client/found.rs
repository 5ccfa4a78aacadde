//! Finding the node: by its address, or by what it left in its data folder.

use std::env;
use std::path::PathBuf;

use genesis::refusal::{Code, Refusal};
use medium::folder::Announcement;
use medium::node::API_DEFAULT;
use reqwest::Url;

use super::Client;
use crate::cli::Global;

/// The client for the node that the flags, the environment or the data folder name.
///
/// # Errors
/// `unreachable` if no node is named or none runs on the folder; `malformed` if the address is not one.
pub(crate) fn client(global: &Global) -> Result<Client, Refusal> {
    let folder = data_folder(global)?;
    if let Some(api) = &global.api {
        let token = global.token.clone().or_else(|| {
            // The token of the folder's node is for that node alone.
            let node = Announcement::read(&folder).ok().flatten()?;
            let same = base_url(&node.api).ok()? == base_url(api).ok()?;
            same.then_some(node.token)
        });
        return Client::new(api, token);
    }
    if let Some(node) = Announcement::read(&folder)? {
        return Client::new(&node.api, global.token.clone().or(Some(node.token)));
    }
    let what = format!("no node runs on `{}`", folder.display());
    let start = match &global.data {
        Some(_) => format!("medium up --data {}", folder.display()),
        None => "medium up".to_owned(),
    };
    let hint = format!("start one: `{start}`; or name one that runs: `--api URL`");
    Err(Refusal::new(Code::Unreachable, what).hint(hint))
}

/// The data folder: the one that was named, or the platform's own.
///
/// # Errors
/// `malformed` if nothing says where this user's files are.
pub(crate) fn data_folder(global: &Global) -> Result<PathBuf, Refusal> {
    if let Some(folder) = &global.data {
        return Ok(folder.clone());
    }
    let var = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    platform_folder(var("XDG_DATA_HOME"), var("HOME"), cfg!(target_os = "macos")).ok_or_else(|| {
        Refusal::new(
            Code::Malformed,
            "neither XDG_DATA_HOME nor HOME says where your files are",
        )
        .hint("name a data folder: `--data DIR`, or the variable MEDIUM_DATA")
    })
}

fn platform_folder(xdg: Option<PathBuf>, home: Option<PathBuf>, macos: bool) -> Option<PathBuf> {
    // The XDG specification ignores relative paths.
    if let Some(xdg) = xdg.filter(|path| path.is_absolute()) {
        return Some(xdg.join("medium"));
    }
    let below = if macos {
        "Library/Application Support/medium"
    } else {
        ".local/share/medium"
    };
    home.map(|home| home.join(below))
}

/// The address of an API: `http://HOST:PORT`, or `HOST:PORT`.
///
/// # Errors
/// `malformed`, with what is wrong with it.
pub(crate) fn base_url(api: &str) -> Result<Url, Refusal> {
    let refused = |why: &str| {
        Refusal::new(
            Code::Malformed,
            format!("`{api}` is not the address of a node: {why}"),
        )
        .hint(format!("it looks like http://{API_DEFAULT}"))
    };
    let text = if api.contains("://") {
        api.to_owned()
    } else {
        format!("http://{api}")
    };
    let url = Url::parse(&text).map_err(|error| refused(&error.to_string()))?;
    if url.scheme() != "http" {
        return Err(refused("nodes speak plain http"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("nothing follows the port"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("the token goes into MEDIUM_TOKEN"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme() {
        for api in [
            "127.0.0.1:7700",
            "http://127.0.0.1:7700",
            "http://127.0.0.1:7700/",
        ] {
            assert_eq!(base_url(api).unwrap().as_str(), "http://127.0.0.1:7700/");
        }
        assert_eq!(base_url("[::1]:80").unwrap().as_str(), "http://[::1]/");
        for bad in [
            "",
            "https://x",
            "http://x/v1",
            "http://a:b@x",
            "x:99999",
            "ws://x",
            "a b",
        ] {
            assert_eq!(base_url(bad).unwrap_err().code, Code::Malformed, "{bad}");
        }
    }

    #[test]
    fn each_platform_has_its_folder() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(
            platform_folder(path("/x"), path("/h"), false),
            path("/x/medium")
        );
        assert_eq!(
            platform_folder(path("x"), path("/h"), false),
            path("/h/.local/share/medium")
        );
        let mac = path("/h/Library/Application Support/medium");
        assert_eq!(platform_folder(None, path("/h"), true), mac);
        assert_eq!(platform_folder(None, None, false), None);
    }
}
