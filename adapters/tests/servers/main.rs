//! The clients of other servers against the real ones: FairOS-DFS, and a Bee.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bee;
mod fairos;
mod fairos_bugs;
mod fairos_shares;
mod start;
mod users;

use adapters::http::{Http, Patience};

#[test]
fn the_servers_answer() {
    let Some(servers) = start::servers() else {
        return;
    };
    let said = |kind: &str, address: &str| {
        let http = Http::new(kind, address, Patience::default()).unwrap();
        http.get(&[]).send().unwrap().bytes(64).unwrap()
    };
    assert_eq!(said("FairOS-DFS", &servers.fairos), "OK\n");
    assert_eq!(said("Bee", &servers.bee), "Ethereum Swarm Bee\n");
}
