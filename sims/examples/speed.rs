use sims::crew::Crew;
use sims::model::Setting;
use sims::params::Value;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[2].parse().unwrap();
    let steps: u64 = a[3].parse().unwrap();
    let set = a[4..]
        .iter()
        .map(|s| {
            let (n, v) = s.split_once('=').unwrap();
            (n.to_owned(), Value::Text(v.to_owned()))
        })
        .collect();
    let model = sims::models::find(&a[1]).unwrap();
    let crew = Crew::of(threads).unwrap();
    let mut run = model
        .begin(&Setting {
            set,
            seed: 42,
            ..Default::default()
        })
        .unwrap();
    let t = Instant::now();
    for _ in 0..steps {
        run.tick(&crew).unwrap();
    }
    let el = t.elapsed().as_secs_f64();
    let rss = std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        * 1024.;
    println!(
        "{} {:.3}s {:.3e} agent-steps/s {:.0} B/agent {} {:?}",
        a[1],
        el,
        run.agent_steps() as f64 / el,
        rss / run.agents() as f64,
        run.digest(),
        run.observe()
    );
}
