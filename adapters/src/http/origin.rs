//! Where a call goes: an address, and the origin that must be granted for it.

use reqwest::Url;

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// An address that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address, in one form.
    pub url: String,
    /// Its scheme, host and port: `http://127.0.0.1:8080`; the port is left out where it is the scheme's own.
    pub origin: String,
}

impl Target {
    /// Reads an address: only `http`, without name and password.
    ///
    /// # Errors
    /// What is wrong with it, in plain words that do not repeat a password.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > URL_BYTES_MAX {
            let bytes = text.len();
            return Err(format!(
                "an address of {bytes} bytes, at most {URL_BYTES_MAX} are called"
            ));
        }
        let mut url = Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "an address with a name or a password in it: secrets are granted by name, never written down"
                    .to_owned(),
            );
        }
        match url.scheme() {
            "http" => {}
            "https" => {
                return Err(
                    "`https` is not spoken here: put a tunnel or a proxy on this machine in front of it, and \
                     call that by `http`"
                        .to_owned(),
                );
            }
            other => return Err(format!("`{other}` is not spoken here, only `http` is")),
        }
        url.set_fragment(None);
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            url: url.into(),
        })
    }
}

/// Reads an origin: an address without a path.
///
/// # Errors
/// What is wrong with it, in plain words.
pub fn origin(text: &str) -> Result<String, String> {
    let target = Target::read(text)?;
    if target.url.strip_suffix('/') == Some(target.origin.as_str()) {
        return Ok(target.origin);
    }
    Err(format!(
        "an origin is scheme, host and port, and nothing after: {}",
        target.origin
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact() {
        for (text, found) in [
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("http://Example.org:80/", Ok("http://example.org")),
            ("http://[::1]:9", Ok("http://[::1]:9")),
            ("http://example.org/a", Err("nothing after")),
            ("http://example.org?a", Err("nothing after")),
            ("http://bob:pw@example.org", Err("a password")),
            ("http://bob@example.org", Err("a password")),
            ("https://example.org", Err("a tunnel")),
            ("file:///etc/passwd", Err("`file` is not spoken")),
            ("example.org", Err("no address")),
            ("", Err("no address")),
        ] {
            match (origin(text), found) {
                (Ok(origin), Ok(wanted)) => assert_eq!(origin, wanted),
                (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{text}: {why}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_looks_like_another_host_is_one() {
        for text in [
            "http://127.0.0.1:8080@evil.example/",
            "http://127.0.0.1:8080.evil.example/",
            "http:\\\\evil.example\\127.0.0.1:8080",
            "http://127.0.0.1:80800/",
        ] {
            let origin = Target::read(text).map(|target| target.origin);
            assert_ne!(origin.as_deref(), Ok("http://127.0.0.1:8080"), "{text}");
        }
    }
}
