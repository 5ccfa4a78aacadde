//! (replaced by the real tests)
use actors::birth::*;
use actors::clock::*;
use actors::runtime::*;
use actors::view::*;
use adapters::store::memory::MemoryStore;
use genesis::power::*;
use genesis::seal::NodeSecret;
use std::sync::Arc;
#[derive(Debug)]
struct Wall;
impl Clock for Wall {
    fn now(&self) -> genesis::time::Time {
        #[allow(clippy::disallowed_methods)]
        genesis::time::Time(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_millis() as u64,
        )
    }
}
fn config() -> Config {
    let mut c = Config::new(NodeSecret::new([7; 32]), Arc::new(Wall));
    c.workers = 2;
    c.store = Some(Arc::new(MemoryStore::new()));
    c
}
async fn say(r: &Runtime, id: genesis::id::VcId, t: &str) -> String {
    let a = r.ask(Outgoing::new(id, t.to_owned()), 2000).await.unwrap();
    let l = a.reply.expect("reply");
    assert!(l.refusal().is_none(), "{:?}", l.refusal());
    String::from_utf8_lossy(&l.contents).into_owned()
}
#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let c = config();
    let store = c.store.clone();
    let r = Runtime::start(c.clone()).await.unwrap();
    let e = r.spawn(Birth::native("echo", "").named("e")).await.unwrap();
    assert_eq!(say(&r, e, "hi").await, "hi");
    let n = r
        .spawn(Birth::native("notary", "").named("n").durable())
        .await
        .unwrap();
    for i in 1..=100 {
        assert_eq!(say(&r, n, "x").await, i.to_string());
    }
    println!("{:?}", r.stats().await.unwrap());
    println!("{:?}", r.sleep(n).await.unwrap());
    r.quiet().await.unwrap();
    println!("{:?}", r.list(ListQuery::default()).await.unwrap());
    println!("{:#?}", r.show(n).await.unwrap());
    assert_eq!(say(&r, n, "x").await, "101");
    let mut ring = Birth::native("ring", "");
    for _ in 0..5 {
        let mut outer = Birth::native("ring", "");
        outer.parts.push(PartBirth {
            role: Some("inner".into()),
            code: CodeBirth::Computer(Box::new(ring)),
        });
        ring = outer;
    }
    ring.durable = true;
    let ring = r.spawn(ring).await.unwrap();
    assert_eq!(say(&r, ring, "t").await, "t 6");
    let f = r.fork(n, Some("m".into())).await.unwrap();
    assert_eq!(say(&r, f, "x").await, "102");
    assert_eq!(say(&r, n, "x").await, "102");
    println!(
        "{:?}",
        r.find("gives(main) & parts=2", 10).await.unwrap().len()
    );
    let at = r
        .internalize(
            n,
            PartBirth {
                role: None,
                code: CodeBirth::Native {
                    name: "counter".into(),
                    version: None,
                    argument: "1.5".into(),
                },
            },
            false,
        )
        .await
        .unwrap();
    let m = r.strip(n, at).await.unwrap();
    println!("{at} {m}");
    r.quiet().await.unwrap();
    let sc = r.resolve("scavenger").await.unwrap();
    println!("{}", say(&r, sc, "stats").await);
    println!("{:?}", r.adopt(e, m).await);
    println!("{}", say(&r, sc, "stats").await);
    println!(
        "{:?}",
        r.events()
            .after(0, 100)
            .events
            .iter()
            .map(|e| (e.kind, e.data.clone()))
            .collect::<Vec<_>>()
    );
    r.quiet().await.unwrap();
    println!("{:?} {:?}", r.stats().await.unwrap(), r.lasting_counts());
    r.shutdown().await;
    let mut c = config();
    c.store = store;
    let r = Runtime::start(c).await.unwrap();
    let n2 = r.resolve("n").await.unwrap();
    assert_eq!(n, n2);
    assert_eq!(say(&r, n, "count").await, "102");
    assert_eq!(say(&r, ring, "t").await, "t 6");
    let _ = Grants::ALL;
    r.shutdown().await;
}
