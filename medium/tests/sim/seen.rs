//! Worlds that are looked at while they run, and worlds that ask somebody outside.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::Place;
use super::harness::Run;

/// What a terminal is told to hide the cursor, and to show it.
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";

/// A command on a terminal of its own; `script` of util-linux makes one.
fn on_a_terminal(place: &Place, line: &str) -> Command {
    let mut command = place.command(&[]);
    let medium = command.get_program().to_string_lossy().into_owned();
    let line = format!("stty cols 80 rows 24; echo $$ > pid; exec {medium} sim {line}");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("sh -c '{line}'"), "/dev/null"]);
    script.current_dir(place.path(".")).stdin(Stdio::null());
    for (name, value) in command.env("TERM", "xterm").get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script
}

#[test]
fn looking_changes_nothing_and_leaves_nothing() {
    let place = Place::new();
    let asked = ["run", "wolfsheep", "--preset", "small", "--steps", "30"];
    let digest = place.digest(&asked);
    // Without a terminal there is nothing to look at.
    let blind: Vec<_> = asked.iter().copied().chain(["--view"]).collect();
    let run = place.run(&blind);
    assert!(
        run.stderr.contains("note: stderr is no terminal"),
        "{}",
        run.stderr
    );
    assert!(run.done().contains(&digest));
    let seen = match on_a_terminal(&place, &blind.join(" ")).output() {
        Ok(output) => Run::of(&blind, output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return println!("skipped: there is no `script` to make a terminal");
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(seen.code, Some(0), "{}", seen.stdout);
    assert!(
        seen.stdout.contains(HIDE) && seen.stdout.contains("tick 30 of 30"),
        "{}",
        seen.stdout
    );
    let (_, after) = seen.stdout.rsplit_once(SHOW).unwrap();
    assert!(after.contains(&digest) && !after.contains(HIDE), "{after}");
    let dots = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
    assert!(seen.stdout.contains(dots), "{}", seen.stdout);
}

#[test]
fn an_interrupted_view_gives_the_terminal_back() {
    let place = Place::new();
    let line = "run flocking --preset small --steps 100000000 --view --out r";
    let begun = on_a_terminal(&place, line).stdout(Stdio::piped()).spawn();
    let Ok(child) = begun else {
        return println!("skipped: there is no `script` to make a terminal");
    };
    place.await_file("r/run.json");
    let pid = String::from_utf8(place.bytes("pid")).unwrap();
    let status = Command::new("kill")
        .args(["-INT", pid.trim()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let after = text
        .rsplit_once(SHOW)
        .map_or(text.as_str(), |(_, after)| after);
    assert!(
        !after.contains(HIDE) && after.contains("interrupted after tick"),
        "{after}"
    );
    assert!(after.contains("`medium sim resume r` goes on"), "{after}");
}

/// Ctrl-C on a terminal is for everybody there, but whoever answers is not there.
#[test]
fn an_interruption_does_not_reach_whoever_answers() {
    let place = Place::new();
    std::fs::write(place.path("adviser.sh"), ADVISER).unwrap();
    let mut command = place.command(&[
        "run",
        "market",
        "--set",
        "advised=true",
        "--steps",
        "100000000",
        "--outside",
        "sh adviser.sh",
        "--patience",
        "60",
        "--checkpoint-every",
        "20",
        "--out",
        "r",
    ]);
    let run = command
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    place.await_file("r/checkpoints/20.vcw");
    let group = format!("-{}", run.id());
    assert!(
        Command::new("kill")
            .args(["-INT", "--", &group])
            .status()
            .unwrap()
            .success()
    );
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: interrupted after tick "), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(place.record("r")["status"], "interrupted");
}

/// Answers each question with the same number.
const ADVISER: &str = r#"while IFS= read -r line; do n=${line#*:}; n=${n%%,*}; printf '{"number":%s,"answer":"12"}\n' "$n"; done"#;

#[test]
fn answers_from_outside_are_kept_and_replayed() {
    let place = Place::new();
    std::fs::write(place.path("adviser.sh"), ADVISER).unwrap();
    let outside = ["--outside", "sh adviser.sh", "--patience", "60"];
    let asked = |more: &[&'static str]| -> Vec<&'static str> {
        ["run", "market", "--set", "advised=true", "--steps", "20"]
            .iter()
            .chain(more)
            .copied()
            .collect()
    };
    let digest = place.digest(
        &[
            &asked(&[])[..],
            &outside,
            &["--out", "r", "--checkpoint-every", "5"],
        ]
        .concat(),
    );
    assert_eq!(
        place.digest(&[&asked(&[])[..], &outside].concat()),
        digest,
        "patient, so the same"
    );
    assert_ne!(place.digest(&asked(&[])), digest, "somebody was heard");
    // Nobody is needed to verify it, nor to go on from where there are answers.
    std::fs::remove_file(place.path("adviser.sh")).unwrap();
    assert!(
        place
            .done(&["verify", "r"])
            .starts_with("= recorded: 21 rows")
    );
    assert!(place.record("r")["files"]["answers.jsonl"].is_object());
    // Whoever is gone is missed, and what was done before is kept.
    let run = place.run(
        &[
            &asked(&[])[..],
            &outside,
            &["--out", "gone", "--checkpoint-every", "5"],
        ]
        .concat(),
    );
    assert!(run.refused().contains("has ended"), "{}", run.stderr);
    assert_eq!(place.record("gone")["status"], "failed");
    std::fs::write(place.path("adviser.sh"), ADVISER).unwrap();
    assert_eq!(place.digest(&["resume", "gone"]), digest);
    // A fork has the answers of its past, and asks on.
    place.done(&[
        "fork",
        "r",
        "--at",
        "10",
        "--set",
        "adapt=100",
        "--out",
        "f",
    ]);
    assert!(
        place
            .done(&["verify", "f"])
            .starts_with("= recorded: 21 rows")
    );
    // An answer that was changed is found.
    let answers = String::from_utf8(place.bytes("r/answers.jsonl")).unwrap();
    std::fs::write(
        place.path("r/answers.jsonl"),
        answers.replacen("\"12\"", "\"13\"", 1),
    )
    .unwrap();
    assert!(place.run(&["verify", "r"]).refused().contains("differs"));
}
