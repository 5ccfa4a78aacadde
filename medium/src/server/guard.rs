//! Who may ask at all: host and origin against hostile web pages, the token against everyone else on
//! the machine, and a bound on requests under way.
//!
//! A web page can make a browser send requests here. It cannot read the answers (no CORS header is ever
//! sent) and it has no token; what remains is that it lets a name of its own point to this machine (DNS
//! rebinding), which the `Host` header gives away, and that it opens a WebSocket, which the `Origin`
//! header gives away.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use genesis::refusal::{Code, Refusal};

use super::failure::{Answer, clip};
use super::listener::Peer;
use super::{Api, REQUESTS_MAX, stopping};

/// Lets a request through to its handler, or refuses it. The handler's time counts against
/// [`REQUESTS_MAX`]; the time its answer takes to be read does not.
pub(super) async fn admit(
    State(api): State<Api>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Answer<Response> {
    if api.stop().is_given() {
        return Err(stopping().into());
    }
    let host = host(request.headers(), api.0.config.bound)?;
    same_origin(request.headers(), &host)?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let private = is_private(request.uri().path());
    if private || !(reads && peer.ip().to_canonical().is_loopback()) {
        token(request.headers(), api.token())?;
    }
    let _place = api.0.requests.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(
            Code::Busy,
            format!("{REQUESTS_MAX} requests are under way, more are refused"),
        )
        .hint("try again in a moment; asks that wait count as well")
    })?;
    // Whoever stops the node or some of it, or listens to it, takes no turn: these may come while an ask waits.
    let passes = matches!(
        request.uri().path(),
        "/v1/stop" | "/v1/events" | "/v1/brake"
    );
    let _turn = if passes {
        None
    } else {
        api.until_stop(async { Ok(api.gate().pass().await) })
            .await?
    };
    Ok(next.run(request).await)
}

/// The host that the request was meant for, if this node answers to it.
pub(super) fn host(headers: &HeaderMap, bound: SocketAddr) -> Result<String, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(denied("a request names one host", "send the header `Host`"));
    };
    let host = host.to_str().unwrap_or("?");
    if is_ours(host, bound) {
        return Ok(host.to_owned());
    }
    Err(denied(
        &format!("this node does not answer to the host `{}`", clip(host)),
        "ask for it by the address it listens on; other names are refused, because a web page could \
         let its own name point here",
    ))
}

/// Whether a `Host` names this machine: loopback, or the address the node listens on. A node that
/// listens everywhere answers to every address, but to no name: only names can be made to point here.
fn is_ours(host: &str, bound: SocketAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let unbracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let Ok(ip) = unbracketed.unwrap_or(name).parse::<IpAddr>() else {
        return false;
    };
    let ip = ip.to_canonical();
    ip.is_loopback() || bound.ip().is_unspecified() || ip == bound.ip().to_canonical()
}

/// Refuses what a page of another site makes a browser send.
pub(super) fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or("?");
    if origin
        .strip_prefix("http://")
        .is_some_and(|ours| ours.eq_ignore_ascii_case(host))
    {
        return Ok(());
    }
    Err(denied(
        &format!("a page from `{}` may not use this node", clip(origin)),
        "open the node's own page, or use a program that is not a web page",
    ))
}

/// Whether what is at a path is read only with the token: a private pod is nobody's business, even on this
/// machine.
pub(crate) fn is_private(path: &str) -> bool {
    ["/v1/pods", "/v1/edits", "/v1/dfs", "/v1/wallets"]
        .iter()
        .any(|private| {
            let rest = path.strip_prefix(private);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Refuses whoever does not know the token; how long that takes says nothing about it.
fn token(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let hint =
        "send `Authorization: Bearer <token>`; the token is in `node.json` in the data folder";
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(Refusal::new(Code::Token, "this request needs the node's token").hint(hint));
    };
    let given = given
        .as_bytes()
        .strip_prefix(b"Bearer ")
        .unwrap_or_default();
    if equal(given, token.as_bytes()) {
        return Ok(());
    }
    Err(Refusal::new(Code::Token, "this is not the node's token").hint(hint))
}

/// Compares in a time that depends on the lengths only.
fn equal(given: &[u8], secret: &[u8]) -> bool {
    let differs = given
        .iter()
        .zip(secret)
        .fold(0, |differs, (a, b)| black_box(differs | (a ^ b)));
    given.len() == secret.len() && differs == 0
}

fn denied(what: &str, hint: &str) -> Refusal {
    Refusal::new(Code::Denied, what).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_ours() {
        let loopback = "127.0.0.1:7700".parse().unwrap();
        let one = "192.168.1.5:7700".parse().unwrap();
        let all = "0.0.0.0:7700".parse().unwrap();
        for host in [
            "localhost",
            "LOCALHOST:7700",
            "127.0.0.1:7700",
            "127.0.0.1",
            "[::1]:7700",
            "[::1]",
        ] {
            assert!(
                [loopback, one, all]
                    .into_iter()
                    .all(|bound| is_ours(host, bound)),
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "evil.example:7700",
            "localhost.evil.example",
            "",
            ":7700",
            "[",
            "::x",
        ] {
            assert!(
                ![loopback, one, all]
                    .into_iter()
                    .any(|bound| is_ours(host, bound)),
                "{host}"
            );
        }
        assert!(!is_ours("192.168.1.5:7700", loopback));
        assert!(is_ours("192.168.1.5:7700", one));
        assert!(is_ours("192.168.1.5:7700", all));
        assert!(!is_ours("192.168.1.6", one));
    }

    #[test]
    fn pods_are_read_with_the_token_only() {
        for path in [
            "/v1/pods",
            "/v1/pods/x/history",
            "/v1/dfs/file",
            "/v1/wallets",
        ] {
            assert!(is_private(path), "{path}");
        }
        for path in ["/", "/v1/vcs", "/v1/podsx", "/v1/node"] {
            assert!(!is_private(path), "{path}");
        }
    }

    #[test]
    fn tokens_are_equal_whole_or_not_at_all() {
        assert!(equal(b"abc", b"abc"));
        for given in [&b""[..], b"ab", b"abd", b"abcd"] {
            assert!(!equal(given, b"abc"));
        }
    }
}
