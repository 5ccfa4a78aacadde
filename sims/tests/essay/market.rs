//! The market: nothing is lost but what is seen as lost, rates follow the price, and whoever comes to sellers who are all
//! taken finds them so as often as Engset says.

use sims::crew::Crew;
use sims::live::{Live as _, Loaded};
use sims::model::{Model as _, Sample};
use sims::models::market::feed::Feed;
use sims::models::market::{Market, RUNS};
use sims::params::{Params as _, Value};
use sims::run::Run;
use sims::store::Hosting;

fn begin(market: Market, seed: u64) -> Run<Market> {
    Run::of(market, seed, Hosting::Cohorts).unwrap()
}

fn run(market: Market, seed: u64, ticks: u64, mut see: impl FnMut(&Run<Market>, &Sample)) {
    let crew = Crew::alone();
    let mut run = begin(market, seed);
    for _ in 0..ticks {
        run.tick(&crew).unwrap();
        let sample = run.observe();
        see(&run, &sample);
    }
}

fn few() -> Market {
    let mut market = Market::defaults();
    assert!(market.preset("small"));
    market
}

/// This price until the change and another from then on.
fn jump(before: &str, change: usize, after: &str) -> Feed {
    Feed::from(
        [vec![before; change], vec![after; 1]]
            .concat()
            .join(" ")
            .as_str(),
    )
}

/// All millitokens, and all nanoeuros.
fn sums(run: &Run<Market>) -> (u64, i64) {
    let w = &run.world;
    let mut tokens = 0;
    let mut euros = 0;
    for buyer in w.buyers.iter() {
        tokens += buyer.wallet + buyer.locked;
        euros += buyer.euros;
        assert!(buyer.euros <= 0);
    }
    for seller in w.sellers.iter() {
        tokens += seller.wallet;
        euros += seller.euros;
    }
    for broker in w.broker.iter() {
        tokens += broker.till;
        euros += broker.euros + broker.grid;
    }
    (tokens, euros)
}

#[test]
fn tokens_and_euros_are_conserved_exactly() {
    for seed in 0..10 {
        // Little is there to begin with, so that the broker runs out of tokens now and then.
        let market = Market {
            volatility: 100,
            till: 40,
            funds: seed % 3,
            ..few()
        };
        let all = 60 * 1_000 * market.funds + 40_000;
        let mut traded = 0.0;
        run(market, seed, 400, |run, seen| {
            assert_eq!(sums(run), (all, 0), "seed {seed}: tick {}", run.now());
            traded += seen.get("traded").unwrap();
        });
        assert!(traded > 100.0, "seed {seed}: {traded}");
    }
}

#[test]
fn what_is_locked_is_what_was_agreed_until_the_job_is_done() {
    let mut seen_jobs = 0;
    run(
        Market {
            volatility: 200,
            review: 1,
            ..few()
        },
        1,
        200,
        |run, _| {
            let sellers: Vec<_> = run
                .world
                .sellers
                .ids()
                .zip(run.world.sellers.iter())
                .collect();
            for (id, buyer) in run.world.buyers.ids().zip(run.world.buyers.iter()) {
                let held = sellers.iter().find(|(seller, _)| *seller == buyer.seller);
                assert_eq!(held.is_some(), buyer.state == RUNS);
                if let Some((_, seller)) = held {
                    seen_jobs += 1;
                    assert_eq!(seller.buyer, id, "a machine has one tenant");
                    assert_eq!(
                        buyer.locked,
                        seller.agreed * buyer.hours,
                        "whatever the rate is now"
                    );
                    assert!(seller.size >= buyer.size, "memory enough");
                }
            }
        },
    );
    assert!(seen_jobs > 1_000);
}

#[test]
fn no_more_is_traded_than_is_offered_and_wanted_and_all_of_it_when_every_limit_is_above_every_rate()
{
    for seed in 0..10 {
        let check = |market: Market, all: bool| {
            let mut traded = 0.0;
            run(market, seed, 300, |_, seen| {
                let get = |name| seen.get(name).unwrap();
                let most = get("offers").min(get("demands"));
                assert!(get("traded") <= most, "seed {seed}: {seen:?}");
                if all {
                    assert_eq!(get("traded"), most, "seed {seed}: {seen:?}");
                }
                traded += get("traded");
            });
            traded
        };
        assert!(check(few(), false) > 100.0);
        // Enough tokens, one size, and hours worth a hundred times their cost.
        let rich = Market {
            sizes: 1,
            worth: 10_000_000,
            till: 1_000_000_000,
            ..few()
        };
        assert!(check(rich, true) > 300.0);
        // Rates above all limits: nothing is traded.
        assert_eq!(
            check(
                Market {
                    worth: 10_000,
                    cost: 80_000,
                    ..few()
                },
                false
            ),
            0.0
        );
    }
}

#[test]
fn sellers_follow_the_price_when_they_look_and_not_before() {
    for seed in 0..5 {
        let mut last: Option<(u64, Vec<u64>)> = None;
        run(
            Market {
                review: 7,
                volatility: 100,
                ..few()
            },
            seed,
            100,
            |run, _| {
                let price = run.world.price;
                let rates: Vec<_> = run.world.sellers.iter().map(|seller| seller.rate).collect();
                for (number, seller) in (0..).zip(run.world.sellers.iter()) {
                    let looks = (run.now() + number) % 7 == 0;
                    if looks {
                        let exact = (seller.cost * (1_000 + seller.margin)).div_ceil(price);
                        assert_eq!(
                            seller.rate, exact,
                            "seed {seed}: it covers the cost at this price"
                        );
                        assert!(seller.rate * price >= seller.cost * 1_000);
                    } else if let Some((_, last)) = &last {
                        assert_eq!(seller.rate, last[usize::try_from(number).unwrap()]);
                    }
                }
                last = Some((price, rates));
            },
        );
    }
}

/// The essay's double-edged sword: rates that stay when the token sinks are a loss, and when it rises machines stand idle.
#[test]
fn a_token_that_sinks_is_a_loss_and_one_that_rises_leaves_machines_idle() {
    let outcome = |price: &str, review: u64| {
        let feed = jump("0.25", 100, price);
        let market = Market {
            feed,
            review,
            adapt: 0,
            buyers: 100,
            ..few()
        };
        // What is seen over the last hundred ticks; agreements from before the change are over by then.
        let (mut lost, mut idle) = (0.0, 0.0);
        for seed in 0..4 {
            run(market.clone(), seed, 250, |run, seen| {
                if run.now() > 150 {
                    lost += seen.get("below_cost").unwrap() / 400.0;
                    idle += seen.get("idle").unwrap() / 400.0;
                    assert_eq!(
                        seen.get("loss").unwrap() > 0.0,
                        seen.get("below_cost").unwrap() > 0.0
                    );
                }
            });
        }
        (lost, idle)
    };
    let (lost, idle) = outcome("0.25", 0);
    assert_eq!(lost, 0.0, "nothing changes, nothing is lost");
    // Sellers who do not look.
    let (sinks_lost, sinks_idle) = outcome("0.125", 0);
    let (rises_lost, rises_idle) = outcome("1", 0);
    assert!(
        sinks_lost > 10.0 && sinks_idle <= idle + 1.0,
        "{sinks_lost} {sinks_idle} {idle}"
    );
    assert!(
        rises_lost == 0.0 && rises_idle > idle + 10.0,
        "{rises_lost} {rises_idle} {idle}"
    );
    // Those who do stand where they stood before.
    for price in ["0.125", "1"] {
        let (lost, now_idle) = outcome(price, 1);
        assert_eq!(lost, 0.0);
        assert!((now_idle - idle).abs() < 2.0, "{price}: {now_idle} {idle}");
    }
}

#[test]
fn the_least_expensive_are_cheaper_than_any() {
    let paid = |cheapest| {
        let (mut rates, mut count) = (0.0, 0.0);
        for seed in 0..4 {
            run(
                Market {
                    cheapest,
                    sizes: 1,
                    volatility: 0,
                    buyers: 40,
                    ..few()
                },
                seed,
                300,
                |run, _| {
                    for seller in run
                        .world
                        .sellers
                        .iter()
                        .filter(|seller| seller.buyer.is_somebody())
                    {
                        rates += seller.agreed as f64;
                        count += 1.0;
                    }
                },
            );
        }
        rates / count
    };
    let (least, any) = (paid(true), paid(false));
    assert!(least < 0.97 * any, "{least} {any}");
}

/// Rule: Engset 1918. `N` sources, each idle for a mean time `1/r` service times, `c` servers, no waiting: the share of those
/// who find all taken is `C(N-1, c) r^c / sum over k of C(N-1, k) r^k`, whatever the distribution of service. Ticks are
/// short beside both times.
#[test]
fn who_finds_all_sellers_taken_is_as_many_as_engset_says() {
    let (sources, servers, hours, rest) = (40_u64, 10_u64, 100_u64, 300.0);
    let market = Market {
        buyers: sources,
        sellers: servers,
        sizes: 1,
        worth: 10_000_000,
        till: 1_000_000_000,
        volatility: 0,
        hours,
        rest,
        patience: 1,
        ..few()
    };
    let (mut demands, mut unserved) = (0.0, 0.0);
    for seed in 0..8 {
        run(market.clone(), seed, 12_000, |run, seen| {
            if run.now() > 1_000 {
                demands += seen.get("demands").unwrap();
                unserved += seen.get("unserved").unwrap();
            }
        });
    }
    let r = hours as f64 / rest;
    let mut terms = vec![1.0_f64];
    for k in 1..=servers {
        let last = terms[terms.len() - 1];
        terms.push(last * r * (sources - k) as f64 / k as f64);
    }
    let expected = terms[terms.len() - 1] / terms.iter().sum::<f64>();
    let found = unserved / demands;
    // Some 9,000 demands: three standard deviations are .012.
    assert!(
        (found - expected).abs() < 0.012,
        "{found} of {demands}, expected {expected}"
    );
}

#[test]
fn a_feed_is_read_once_and_is_part_of_the_world() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.csv");
    std::fs::write(&path, "tick,price\n0,0.5\n1,0.25\n2,1.25\n3,0.75\n").unwrap();
    let mut market = few();
    let file = Value::Text(path.to_str().unwrap().to_owned());
    market.set("feed", &file).unwrap();
    let crew = Crew::alone();
    let mut run = begin(market.clone(), 1);
    let mut prices = vec![run.world.price];
    for _ in 0..2 {
        run.tick(&crew).unwrap();
        prices.push(run.world.price);
    }
    // What goes on needs the file no more.
    let saved = run.save();
    std::fs::remove_file(&path).unwrap();
    let mut other = Run::<Market>::load(&Loaded::parse(&saved).unwrap(), Hosting::Cohorts).unwrap();
    for _ in 0..3 {
        run.tick(&crew).unwrap();
        other.tick(&crew).unwrap();
        prices.push(run.world.price);
        assert_eq!(run.digest(), other.digest());
    }
    assert_eq!(
        prices,
        [500_000, 250_000, 1_250_000, 750_000, 750_000, 750_000]
    );
    let error = market.set("feed", &file).unwrap_err().to_string();
    assert!(
        error.contains("`feed`") && error.contains("prices.csv"),
        "{error}"
    );
    assert_eq!(Market::NAME, "market");
}
