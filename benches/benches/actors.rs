//! Messages: one to one, among ten thousand, round a ring, questions of many at once.
//!
//! Each group has the ids `medium`, `ractor` (the peer) and `tokio_mpsc` (the floor). What is shown is
//! CPU time of the whole process; `thrpt` is CPU time per message.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use benches::time::{CpuTime, Stopwatch};
use benches::work::{ASKS, CLIENTS, HOPS, Route, TELLS, Token, WORKERS, token_messages};
use benches::{floor, medium, peer};
use criterion::measurement::Measurement;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

/// How long each id is measured, and how often.
const MEASURED: Duration = Duration::from_secs(3);
const SAMPLES: usize = 12;

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// Measures rounds, each in a task of the runtime as any other.
fn rounds<M, F>(
    group: &mut BenchmarkGroup<'_, M>,
    id: &str,
    tokio: &tokio::runtime::Runtime,
    round: impl Fn() -> F,
) where
    M: Measurement<Value = Duration>,
    F: Future<Output = ()> + Send + 'static,
{
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|count| {
            let watch = Stopwatch::start();
            for _ in 0..count {
                let round = tokio.spawn(round());
                tokio.block_on(round).expect("a round does not panic");
            }
            watch.cpu()
        });
    });
}

fn group<'a>(
    criterion: &'a mut Criterion<CpuTime>,
    name: &str,
    messages: u64,
) -> BenchmarkGroup<'a, CpuTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(messages))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(MEASURED);
    group
}

fn tell_one_to_one(criterion: &mut Criterion<CpuTime>) {
    let mut group = group(criterion, "tell_one_to_one", TELLS);
    let tokio = tokio_runtime();
    let one = tokio.block_on(medium::One::counter());
    rounds(&mut group, "medium", &tokio, || {
        let one = one.clone();
        async move { one.tell(TELLS).await }
    });
    tokio.block_on(one.end());
    let one = tokio.block_on(peer::One::new());
    rounds(&mut group, "ractor", &tokio, || {
        let one = one.clone();
        async move { one.tell(TELLS).await }
    });
    one.end();
    let one = tokio.block_on(async { floor::One::new() });
    rounds(&mut group, "tokio_mpsc", &tokio, || {
        let one = one.clone();
        async move { one.tell(TELLS).await }
    });
    group.finish();
}

fn tokens(criterion: &mut Criterion<CpuTime>, name: &str, route: Route) {
    let mut group = group(criterion, name, token_messages());
    let token = move |at| Token::new(route, at, HOPS);
    let tokio = tokio_runtime();
    let fleet = tokio.block_on(medium::Fleet::new());
    rounds(&mut group, "medium", &tokio, || {
        let fleet = fleet.clone();
        async move { fleet.pass(token).await }
    });
    tokio.block_on(fleet.end());
    let fleet = tokio.block_on(peer::Fleet::new());
    rounds(&mut group, "ractor", &tokio, || {
        let fleet = fleet.clone();
        async move { fleet.pass(token).await }
    });
    fleet.end();
    let fleet = Arc::new(tokio.block_on(async { floor::Fleet::new() }));
    rounds(&mut group, "tokio_mpsc", &tokio, || {
        let fleet = Arc::clone(&fleet);
        async move { fleet.pass(token).await }
    });
    if let Some(fleet) = Arc::into_inner(fleet) {
        tokio.block_on(fleet.end());
    }
    group.finish();
}

/// Each client asks, waits for the answer and asks again.
async fn clients<F: Future<Output = u64> + Send>(
    ask: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let ask = ask.clone();
        clients.spawn(async move {
            for number in 0..ASKS / CLIENTS {
                assert_eq!(ask(number).await, number + 1);
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("a client gets the next number");
    }
}

fn ask_64_clients(criterion: &mut Criterion<CpuTime>) {
    let mut group = group(criterion, "ask_64_clients", ASKS);
    let tokio = tokio_runtime();
    let one = Arc::new(tokio.block_on(medium::One::server()));
    rounds(&mut group, "medium", &tokio, || {
        let one = Arc::clone(&one);
        clients(move |number| {
            let one = Arc::clone(&one);
            async move { one.ask(number).await }
        })
    });
    tokio.block_on(Arc::unwrap_or_clone(one).end());
    let one = Arc::new(tokio.block_on(peer::One::new()));
    rounds(&mut group, "ractor", &tokio, || {
        let one = Arc::clone(&one);
        clients(move |number| {
            let one = Arc::clone(&one);
            async move { one.ask(number).await }
        })
    });
    one.end();
    let one = Arc::new(tokio.block_on(async { floor::One::new() }));
    rounds(&mut group, "tokio_mpsc", &tokio, || {
        let one = Arc::clone(&one);
        clients(move |number| {
            let one = Arc::clone(&one);
            async move { one.ask(number).await }
        })
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .configure_from_args();
    tell_one_to_one(&mut criterion);
    tokens(&mut criterion, "random_10k", Route::Random);
    tokens(&mut criterion, "ring_10k", Route::Ring);
    ask_64_clients(&mut criterion);
    criterion.final_summary();
}
