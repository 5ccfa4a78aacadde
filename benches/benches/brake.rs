//! How long neighbours of runaways wait, beside how long they wait when all is calm; and how fast the brake is.
//!
//! On the wall, in one runtime by turns, so that a busy machine weighs on both. Prints one JSON object a line:
//! `cargo bench --workspace --bench brake`, or `-- bomb` for one of the attacks.

use std::time::Duration;

use benches::brake::{Attack, Street};
use serde_json::json;

/// How long each while is, of each round.
const WHILE: Duration = Duration::from_millis(500);
/// How often calm and attack alternate; the median of each figure is shown.
const ROUNDS: usize = 9;

fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

async fn beside(workers: usize, attack: Attack, rounds: usize) -> serde_json::Value {
    let street = Street::new(workers).await;
    let (mut calm, mut under) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        calm.push(street.waits(None, WHILE).await);
        under.push(street.waits(Some(attack), WHILE).await);
    }
    street.end().await;
    let half = |waits: &[benches::brake::Waited]| median(waits.iter().map(|w| w.half_ns).collect());
    let most = |waits: &[benches::brake::Waited]| median(waits.iter().map(|w| w.most_ns).collect());
    let attacks: u64 = under.iter().map(|w| w.attacks).sum();
    let turns: u64 = under.iter().map(|w| w.turns).sum();
    json!({
        "workers": workers,
        "attack": attack.name(),
        "attacks": attacks,
        "turns": turns,
        "asked": under.iter().map(|w| w.asked).sum::<usize>(),
        "half_us_calm": half(&calm) / 1_000,
        "half_us_beside": half(&under) / 1_000,
        "p99_us_calm": most(&calm) / 1_000,
        "p99_us_beside": most(&under) / 1_000,
    })
}

#[expect(clippy::print_stdout, reason = "a bench's figures are its output")]
fn main() {
    let said: Vec<String> = std::env::args().skip(1).collect();
    let smoke = said
        .iter()
        .any(|said| said == "--test" || said == "--quick");
    let wanted: Vec<_> = said.iter().filter(|said| !said.starts_with('-')).collect();
    let rounds = if smoke { 1 } else { ROUNDS };
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for workers in [1, 2] {
        for attack in Attack::ALL {
            if wanted.is_empty() || wanted.iter().any(|said| *said == attack.name()) {
                let line = tokio.block_on(tokio.spawn(beside(workers, attack, rounds)));
                println!("{}", line.expect("a figure does not panic"));
            }
        }
        let braked = tokio.block_on(async {
            let street = Street::new(workers).await;
            let braked = street.brake().await;
            street.end().await;
            braked
        });
        println!(
            "{}",
            json!({ "workers": workers, "brake_us": braked.0.as_micros(), "stopped": braked.1 })
        );
    }
}
