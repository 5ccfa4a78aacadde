//! A job reaches no network, no other process and no secret, save what it is allowed by name.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use adapters::compute::{Cage, Compute as _, End, Yagna};

use crate::ring::{Ring, Test, local, text};

pub(crate) const TESTS: &[Test] = &[
    ("there_is_no_network", there_is_no_network),
    ("there_are_no_other_programs", there_are_no_other_programs),
    ("one_address_is_allowed", one_address_is_allowed),
    (
        "other_processes_are_out_of_reach",
        other_processes_are_out_of_reach,
    ),
    (
        "calls_of_the_superuser_are_gone",
        calls_of_the_superuser_are_gone,
    ),
    (
        "the_environment_is_what_was_given",
        the_environment_is_what_was_given,
    ),
];

fn there_is_no_network() {
    for ring in Ring::both() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        ring.cannot(&["tcp", &listener.local_addr().unwrap().to_string()]);
        ring.cannot(&["udp", &datagrams.local_addr().unwrap().to_string()]);
        ring.cannot(&["listen"]);
        // Of every family: IPv6, netlink, raw packets, virtual machines, Bluetooth.
        for family in ["2", "10", "16", "17", "40", "31", "38"] {
            ring.cannot(&["socket", family]);
        }
    }
}

fn there_are_no_other_programs() {
    for ring in Ring::both() {
        let path = ring.directory().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        ring.cannot(&["unix", text(&path)]);
        ring.cannot(&["unix-listen", "other"]);
        let name = format!("medium-test-{}", std::process::id());
        let _unnamed =
            UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        ring.cannot(&["abstract", &name]);
        // A pair is how a program talks to its own children; one of datagrams could talk to others.
        ring.can(&["pair"]);
        ring.cannot(&["datagram-pair"]);
    }
}

fn one_address_is_allowed() {
    let mut ring = Ring::new();
    let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = daemon.local_addr().unwrap();
    let key = "a-key-that-is-not-shown";
    ring.allowed.yagna = Some(Yagna {
        address: format!("http://{address}"),
        key: key.to_owned(),
    });
    ring.can(&["tcp", &address.to_string()]);
    ring.cannot(&["tcp", &other.local_addr().unwrap().to_string()]);
    ring.cannot(&["udp", &address.to_string()]);
    ring.cannot(&["listen"]);
    ring.cannot(&["socket", "16"]);
    ring.cannot(&["abstract", "x"]);
    let ran = ring.probe(&["environment"]);
    assert!(
        ran.stdout.contains(&format!("YAGNA_APPKEY={key}\n")),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains(&format!("YAGNA_API_URL=http://{address}\n")),
        "{}",
        ran.stdout
    );
    let plan = format!("{:?}{:?}", ran.done.plan, ring.allowed);
    assert!(
        plan.contains(&address.to_string()) && !plan.contains(key),
        "{plan}"
    );
    // An address that is none is refused before anything starts.
    for address in ["", "yagna", "http://127.0.0.1:x", "http://[::1]:0"] {
        ring.allowed.yagna = Some(Yagna {
            address: address.to_owned(),
            key: key.to_owned(),
        });
        let error = local().plan(&ring.job(&["sh"])).unwrap_err();
        assert!(!error.to_string().contains(key), "{error}");
    }
}

fn other_processes_are_out_of_reach() {
    for ring in Ring::both() {
        let us = std::process::id().to_string();
        ring.cannot(&["signal", &us]);
        ring.cannot(&["signal-parent"]);
        ring.cannot(&["limit", &us]);
        ring.cannot(&["raise-limit"]);
        ring.cannot(&["setsid"]);
        ring.cannot(&["setpgid"]);
    }
}

/// Calls by number, which only a language that makes any call can try.
#[cfg(target_arch = "x86_64")]
fn calls_of_the_superuser_are_gone() {
    if !std::path::Path::new("/usr/bin/perl").exists() {
        eprintln!("no perl: skipped");
        return;
    }
    let ring = Ring::new();
    let refused = [
        ("ptrace(ATTACH)", "101, 16, getppid(), 0, 0"),
        ("ptrace(TRACEME)", "101, 0, 0, 0, 0"),
        ("mount", "165, 0, 0, 0, 0"),
        ("unshare(NEWUSER)", "272, 0x10000000"),
        ("clone(NEWUSER)", "56, 0x10000011, 0, 0, 0, 0"),
        ("clone3", "435, 0, 0"),
        ("setns", "308, 0, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("keyctl", "250, 0, 0"),
        ("io_uring_setup", "425, 1, 0"),
        ("process_vm_readv", "310, getppid(), 0, 0, 0, 0, 0"),
        ("memfd_create", "319, 0, 0"),
        ("shmget", "29, 1, 4096, 0666"),
        ("userfaultfd", "323, 0"),
        ("perf_event_open", "298, 0, 0, 0, 0, 0"),
        ("open_by_handle_at", "304, 0, 0, 0"),
        ("pidfd_getfd", "438, 0, 0, 0"),
        ("of another ABI", "0x40000000 + 39"),
    ];
    for (name, call) in refused {
        let program = format!(
            "$! = 0; my $r = syscall({call}); exit($r == -1 && ($!+0 == 1 || $!+0 == 38) ? 0 : 9)"
        );
        let ran = ring.run(&["perl", "-e", &program]);
        assert_eq!(
            ran.done.end,
            End::Exit(0),
            "{name}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    // No privilege is left, nor can be gained.
    let ran = ring.run(&["sh", "-c", "cat /proc/self/status || true"]);
    drop(ran);
    let status = "open F, '/proc/self/status'; while (<F>) { print if /^(Cap(Eff|Prm|Inh|Amb)|NoNewPrivs|Seccomp):/ }";
    let ran = ring.run(&["perl", "-e", status]);
    assert_eq!(
        ran.stdout.matches("0000000000000000").count(),
        4,
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("NoNewPrivs:\t1") && ran.stdout.contains("Seccomp:\t2"),
        "{}",
        ran.stdout
    );
}

#[cfg(not(target_arch = "x86_64"))]
fn calls_of_the_superuser_are_gone() {}

fn the_environment_is_what_was_given() {
    let mut ring = Ring::new();
    let names = |ring: &Ring| {
        let ran = ring.probe(&["environment"]);
        let names = ran
            .stdout
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name.to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        (names, ran)
    };
    let (found, ran) = names(&ring);
    assert_eq!(found, ["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]);
    assert!(ran.stdout.contains("GIVEN=this\n"));
    let says = ran.done.plan.may.join("\n");
    assert!(
        says.contains("environment variables GIVEN, HOME, LANG, PATH, TMPDIR, no others"),
        "{says}"
    );
    // Trust is no reason for handing over the caller's secrets.
    ring.allowed.trust_native = true;
    let (found, ran) = names(&ring);
    assert_eq!(found, ["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]);
    assert_eq!(ran.done.plan.cage, Cage::None);
    let mut job = ring.job(&["sh"]);
    job.environment.insert("A=B".to_owned(), String::new());
    assert!(local().plan(&job).is_err());
    let job = ring.job(&["sh", "a\0b"]);
    assert!(local().plan(&job).is_err());
}
