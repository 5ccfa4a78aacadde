//! A job has the files of its directory, and those of the system that any program reads.

use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;

use adapters::compute::{Cage, Compute as _, ComputeError, End};
use fs_err as fs;

use crate::ring::{self, Kept, Ring, Test, local, text};

pub(crate) const TESTS: &[Test] = &[
    ("its_directory_is_its_own", its_directory_is_its_own),
    ("nothing_outside_is_read", nothing_outside_is_read),
    ("nothing_outside_is_written", nothing_outside_is_written),
    ("links_lead_nowhere", links_lead_nowhere),
    ("modes_outside_stay", modes_outside_stay),
    ("files_left_open_are_closed", files_left_open_are_closed),
    ("a_command_outside_is_refused", a_command_outside_is_refused),
    ("system_programs_run", system_programs_run),
    (
        "temporary_files_go_with_the_job",
        temporary_files_go_with_the_job,
    ),
    (
        "memory_is_shared_within_the_job_only",
        memory_is_shared_within_the_job_only,
    ),
];

fn its_directory_is_its_own() {
    for ring in Ring::both() {
        ring.can(&["write", "a"]);
        ring.can(&["read", "a"]);
        ring.can(&["append", "a"]);
        ring.can(&["truncate", "a"]);
        ring.can(&["mkdir", "folder"]);
        ring.can(&["rename", "a", "folder/b"]);
        ring.can(&["link", "folder/b", "c"]);
        ring.can(&["symlink", "c", "d"]);
        ring.can(&["read", "d"]);
        ring.can(&["read", text(&ring.directory().join("c"))]);
        ring.can(&["remove", "d"]);
        ring.can(&["run", "./probe", "as-a-probe", "read", "c"]);
        assert_eq!(fs::read_to_string(ring.directory().join("c")).unwrap(), "");
    }
}

fn nothing_outside_is_read() {
    for ring in Ring::both() {
        let secret = ring.secret();
        for path in [
            "../secret",
            text(&secret),
            "/etc/shadow",
            "/proc/1/environ",
            "/proc/kmsg",
            "/dev/kmsg",
        ] {
            if fs::metadata(ring.directory().join(path)).is_ok() {
                ring.cannot(&["read", path]);
            }
        }
        for path in [
            "..", "/", "/tmp", "/root", "/home", "/var", "/proc", "/dev", "/sys", "/etc", "/run",
        ] {
            if fs::metadata(ring.directory().join(path)).is_ok() {
                ring.cannot(&["list", path]);
            }
        }
        ring.cannot(&["read-parent", "environ"]);
        ring.cannot(&["read-parent", "cmdline"]);
        ring.cannot(&["read-parent", "mem"]);
    }
}

fn nothing_outside_is_written() {
    for ring in Ring::both() {
        for path in ["../new", "/tmp/medium-was-here", "/usr/medium-was-here"] {
            ring.cannot(&["write", path]);
        }
        for how in ["write", "append", "truncate", "remove"] {
            ring.cannot(&[how, "../secret"]);
        }
        ring.cannot(&["mkdir", "../folder"]);
        ring.cannot(&["rename", "probe", "../probe"]);
        ring.cannot(&["rename", "../secret", "stolen"]);
        ring.cannot(&["link", "../secret", "stolen"]);
        ring.cannot(&["append", "/usr/bin/env"]);
        assert_eq!(fs::read_to_string(ring.secret()).unwrap(), "secret");
        assert_eq!(fs::read_dir(ring.outside.path()).unwrap().count(), 2);
    }
}

fn links_lead_nowhere() {
    for ring in Ring::both() {
        ring.can(&["symlink", "../secret", "out"]);
        ring.cannot(&["read", "out"]);
        ring.cannot(&["append", "out"]);
        ring.can(&["symlink", "..", "up"]);
        ring.cannot(&["read", "up/secret"]);
        ring.cannot(&["write", "up/new"]);
        ring.cannot(&["run", "up/secret"]);
        // Not even one that was there before, nor one in place of the directory's temporary folder.
        std::os::unix::fs::symlink(ring.outside.path(), ring.directory().join(".tmp-0")).unwrap();
        ring.cannot(&["read", ".tmp-0/secret"]);
        assert!(ring.secret().exists());
    }
}

/// Landlock does not see changes of modes, owners and times; where there is nothing but its own files, there is
/// nothing to see.
fn modes_outside_stay() {
    for ring in Ring::both() {
        let about = fs::metadata(ring.secret()).unwrap();
        ring.cannot(&["mode", "../secret"]);
        ring.cannot(&["mode", "/usr/bin/env"]);
        ring.can(&["write", "own"]);
        if ring.has_view() {
            ring.can(&["mode", "own"]);
            ring.can(&["touch", "own"]);
        } else {
            ring.cannot(&["mode", "own"]);
        }
        ring.cannot(&["touch", "../secret"]);
        let now = fs::metadata(ring.secret()).unwrap();
        assert_eq!(now.permissions().mode(), about.permissions().mode());
        assert_eq!(now.modified().unwrap(), about.modified().unwrap());
    }
}

fn files_left_open_are_closed() {
    let ring = Ring::new();
    let secret = fs::File::open(ring.secret()).unwrap();
    rustix::io::fcntl_setfd(secret.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let ran = ring.probe(&["open-files"]);
    assert_eq!(ran.done.end, End::Exit(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains("secret"), "{}", ran.stdout);
    assert!(ran.stdout.contains("/dev/null"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("socket"), "{}", ran.stdout);
}

fn a_command_outside_is_refused() {
    let ring = Ring::new();
    let outside = ring.outside.path().join("command");
    fs::copy("/usr/bin/env", &outside).unwrap();
    std::os::unix::fs::symlink(&outside, ring.directory().join("link")).unwrap();
    for command in [text(&outside), "./link", "../command"] {
        let error = local().plan(&ring.job(&[command])).unwrap_err();
        assert!(matches!(error, ComputeError::NoProgram { .. }), "{error}");
    }
    for command in ["no-such-command", "./none", "./"] {
        let error = ring::run(&ring.job(&[command]), &Kept::default()).unwrap_err();
        assert!(matches!(error, ComputeError::NoProgram { .. }), "{error}");
    }
    fs::write(ring.directory().join("text"), "#!/no/such/interpreter").unwrap();
    let error = local().plan(&ring.job(&["./text"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no program `./text`: it is not an executable file"
    );
    // Executable, but nothing that can be executed: only an attempt tells.
    let text = ring.directory().join("text");
    fs::set_permissions(&text, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(local().plan(&ring.job(&["./text"])).is_ok());
    let error = ring::run(&ring.job(&["./text"]), &Kept::default()).unwrap_err();
    assert!(matches!(error, ComputeError::NoProgram { .. }), "{error}");
    // Folders that are given are read.
    let given = local().with_programs([ring.outside.path().to_owned()]);
    assert!(given.plan(&ring.job(&["command"])).is_ok());
    let kept = Kept::default();
    let done = given.run(&ring.job(&["command", "true"]), &kept).unwrap();
    assert_eq!(done.end, End::Exit(0));
}

fn system_programs_run() {
    let ring = Ring::new();
    let ran = ring.run(&[
        "sh",
        "-c",
        "echo out; echo err >&2; cat > made; cp made copied; exit 3",
    ]);
    assert_eq!((ran.done.end, ran.done.plan.cage), (End::Exit(3), Cage::Os));
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("out\n", "err\n")
    );
    let ran = ring.run(&["sh", "-c", "echo \"$@\"", "sh", "a b", "", "$HOME"]);
    assert_eq!(ran.stdout, "a b  $HOME\n");
}

fn temporary_files_go_with_the_job() {
    let ring = Ring::new();
    let ran = ring.run(&[
        "sh",
        "-c",
        "mkdir $TMPDIR/x && echo x > $TMPDIR/x/y && echo $TMPDIR",
    ]);
    assert_eq!(ran.done.end, End::Exit(0), "{}", ran.stderr);
    let folder = ran.stdout.trim();
    assert!(
        folder.starts_with(text(&fs::canonicalize(ring.directory()).unwrap())),
        "{folder}"
    );
    assert!(fs::metadata(folder).is_err(), "it is gone");
}

fn memory_is_shared_within_the_job_only() {
    let name = format!("/dev/shm/medium-test-{}", std::process::id());
    for ring in Ring::both() {
        if ring.has_view() {
            ring.can(&["write", &name]);
        } else {
            ring.cannot(&["write", &name]);
        }
        // The next job does not find it, nor anybody else.
        let ran = ring.probe(&["read", &name]);
        assert_eq!(ran.done.end, End::Exit(1), "{}", ran.stderr);
        assert!(fs::metadata(&name).is_err());
    }
}
