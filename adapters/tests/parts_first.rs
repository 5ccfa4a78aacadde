//! The small parts that come with the medium, one family after the other: `hello`, `counter`, `limb`,
//! `hippocampus`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod parts_harness;

use parts_harness::{Body, admit, bytes};

/// Every text part below `genesis/parts`, as `folder/name`.
fn texts() -> Vec<String> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(parts_harness::folder()).unwrap() {
        let folder = folder.unwrap();
        if !folder.file_type().unwrap().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            if let Some(stem) = name.strip_suffix(".wat") {
                found.push(format!("{}/{stem}", folder.file_name().display()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_text_part_is_a_part_of_the_small_engine() {
    let texts = texts();
    assert!(texts.len() >= 15, "{texts:?}");
    for name in texts {
        if let Err(why) = admit(&bytes(&name)) {
            panic!("{name}: {why}");
        }
    }
}

#[test]
fn what_a_part_saves_it_takes_back() {
    for (name, channel, message) in [
        ("hello/hello", "main", "hear me"),
        ("counter/counter-v1", "main", "42"),
        ("counter/counter-v2", "main", "42"),
        ("counter/counter-v3", "main", "42"),
        ("limb/limb-v1", "limb/move", "\u{1}\u{2}\u{3}\u{4}"),
        ("hippocampus/hippocampus-v1", "memory/store", "here=fish"),
        ("hippocampus/hippocampus-v2", "memory/store", "here=fish"),
    ] {
        let role = name.rsplit('/').next().unwrap();
        let mut body = Body::new(&[]).with(name, b"");
        body.send(channel, message.as_bytes()).unwrap();
        let saved = body.save(role);
        body.swap(role, &bytes(name))
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(body.save(role), saved, "{name}");
    }
}

/// An image of a part is what a swap moves; one that was cut or made longer must not be half taken.
#[test]
fn a_state_of_another_length_is_refused() {
    for name in [
        "counter/counter-v2",
        "limb/limb-v1",
        "hippocampus/hippocampus-v2",
    ] {
        let role = name.rsplit('/').next().unwrap();
        let mut body = Body::new(&[]).with(name, b"");
        let saved = body.save(role);
        for len in [0, 1, saved.len() - 1] {
            assert_ne!(body.load(role, &saved[..len]), 0, "{name}: {len} bytes");
        }
        assert_ne!(
            body.load(role, &[&saved[..], b"x"].concat()),
            0,
            "{name}: one more"
        );
        assert_eq!(body.save(role), saved, "{name}");
    }
}

mod hello {
    use super::*;

    const GRANTS: [&str; 2] = ["medium/emit", "medium/after"];

    fn check(body: &mut Body, channel: &str, text: &str) {
        assert_eq!(body.send(channel, b"").unwrap(), None);
        let mut after = 100_u64.to_le_bytes().to_vec();
        after.extend([0; 8]);
        let expected = [
            ("medium/emit".to_owned(), text.as_bytes().to_vec()),
            ("medium/after".to_owned(), after),
        ];
        assert_eq!(body.effects(), expected);
    }

    #[test]
    fn says_its_text_at_the_start_and_with_every_timer() {
        let mut body = Body::new(&GRANTS).with("hello/hello", b"");
        check(&mut body, "medium/start", "Hello, World!");
        check(&mut body, "medium/timer", "Hello, World!");
        let mut body = Body::new(&GRANTS).with("hello/hello", "Guten Tag!".as_bytes());
        check(&mut body, "medium/start", "Guten Tag!");
        assert_eq!(body.say("and you?"), "Guten Tag!");
    }

    #[test]
    fn is_mute_without_the_power_to_emit() {
        let mut body = Body::new(&[]).with("hello/hello", b"");
        assert_eq!(
            body.send("medium/start", b"").unwrap_err(),
            "denied: medium/emit"
        );
        assert_eq!(body.effects(), []);
    }

    #[test]
    fn tests_a_text_by_its_length() {
        let mut body = Body::new(&[]).with("hello/hello", b"");
        for (len, scores) in [
            (0, "ok 1\nbytes 0\n"),
            (7, "ok 1\nbytes 7\n"),
            (4096, "ok 1\nbytes 4096\n"),
            (4097, "ok 0 a text to say has at most 4096 bytes\n"),
        ] {
            assert_eq!(body.test("hello", &vec![b'a'; len]).unwrap(), scores);
        }
        let long = Body::new(&[]).born("hello", &bytes("hello/hello"), &[b'a'; 4097]);
        assert_eq!(long.unwrap_err(), "hello refused its argument (1)");
    }
}

mod counter {
    use super::*;

    #[test]
    fn adds_and_says_what_is_no_number() {
        let mut body = Body::new(&[]).with("counter/counter-v1", b"");
        assert_eq!(body.say("2"), "2");
        assert_eq!(body.say(" +40\n"), "42");
        assert_eq!(body.say("-50"), "-8");
        for text in ["", "-", "4 2", "4.2", "1234567890123456789", "zwei"] {
            let said = body.say(text);
            assert_eq!(said, "error: this is no decimal number of up to 18 digits");
        }
        assert_eq!(body.say("0"), "-8");
    }

    #[test]
    fn a_total_that_does_not_fit_is_not_taken() {
        let mut body = Body::new(&[]).with("counter/counter-v1", b"999999999999999999");
        for _ in 0..8 {
            body.say("999999999999999999");
        }
        assert_eq!(body.say("0"), "8999999999999999991");
        let said = body.say("999999999999999999");
        assert_eq!(said, "error: the total would not fit in 64 bits");
        assert_eq!(body.say("0"), "8999999999999999991");
    }

    #[test]
    fn begins_with_its_argument() {
        let mut body = Body::new(&[]).with("counter/counter-v2", b"-7");
        assert_eq!(body.say("8"), "1 (1 message)");
        let refused = Body::new(&[]).born("counter", &bytes("counter/counter-v1"), b"seven");
        assert_eq!(refused.unwrap_err(), "counter refused its argument (1)");
    }

    #[test]
    fn the_second_version_takes_over_the_total_and_counts_from_there() {
        let mut body = Body::new(&[]);
        body.born("counter", &bytes("counter/counter-v1"), b"")
            .unwrap();
        body.say("40");
        body.swap("counter", &bytes("counter/counter-v2")).unwrap();
        assert_eq!(body.say("1"), "41 (1 message)");
        assert_eq!(body.say("1"), "42 (2 messages)");
        assert_eq!(body.send("count/total", b"").unwrap().unwrap(), b"42");
        let back = body.swap("counter", &bytes("counter/counter-v1"));
        assert_eq!(back.unwrap_err(), "counter refused the old state");
        assert_eq!(body.say("0"), "42 (3 messages)");
    }

    #[test]
    fn the_third_version_refuses_and_the_old_one_stays() {
        let mut body = Body::new(&[]);
        body.born("counter", &bytes("counter/counter-v1"), b"40")
            .unwrap();
        let swap = body.swap("counter", &bytes("counter/counter-v3"));
        assert_eq!(swap.unwrap_err(), "counter refused the old state");
        assert_eq!(body.say("2"), "42");
    }

    #[test]
    fn all_versions_test_themselves_and_what_they_begin_with() {
        for version in 1..=3 {
            let name = format!("counter-v{version}");
            let mut body = Body::new(&[]).with(&format!("counter/{name}"), b"");
            assert_eq!(body.test(&name, b"").unwrap(), "ok 1\nsum 42\n");
            assert_eq!(body.test(&name, b"12").unwrap(), "ok 1\nsum 42\n");
            let seven = body.test(&name, b"seven").unwrap();
            assert_eq!(seven, "ok 0 it begins with what is no decimal number\n");
        }
    }
}

mod limb {
    use super::*;

    fn robot() -> Body {
        let mut body = Body::new(&[])
            .with("limb/robot-brain", b"")
            .with("limb/robot-judge", b"");
        body.born("limb", &bytes("limb/limb-v1"), b"").unwrap();
        body
    }

    #[test]
    fn a_robot_moves_its_limb() {
        let mut robot = robot();
        assert_eq!(robot.say("move 3"), "3");
        assert_eq!(robot.say("4"), "7");
        assert_eq!(robot.say(" move  -9 \n"), "-2");
        for text in [
            "",
            "move",
            "move ",
            "mov 1",
            "move 1 2",
            "--1",
            "1234567890",
        ] {
            let said = robot.say(text);
            assert_eq!(
                said,
                "error: say `move N`, with a whole number of up to 9 digits"
            );
        }
    }

    #[test]
    fn without_its_limb_a_robot_says_what_it_lacks() {
        let mut robot = robot();
        robot.say("move 5");
        robot.strip("limb");
        assert_eq!(robot.say("move 1"), "fault: unmet need limb/move");
        robot.put_back("limb");
        assert_eq!(robot.say("move 1"), "6");
    }

    #[test]
    fn limbs_say_of_themselves() {
        for (name, scores) in [
            ("limb-v1", Ok("ok 1\nmoved 3\n")),
            ("limb-v2", Ok("ok 0 moved -1 where 1 was asked\nmoved 0\n")),
            ("limb-v3", Err("untestable: it has no vc_test")),
            ("limb-v4", Ok("ok 1\nmoved 3\n")),
            ("limb-boaster", Ok("ok 1\nmoved 3\nskill 1000000\n")),
        ] {
            let mut body = Body::new(&[]).with(&format!("limb/{name}"), b"");
            let said = body.test(name, b"");
            assert_eq!(said.as_deref().map_err(String::as_str), scores, "{name}");
        }
        let mut body = Body::new(&[]).with("limb/limb-v1", b"");
        let argument = body.test("limb-v1", b"7").unwrap();
        assert_eq!(argument, "ok 0 a limb takes no argument\n");
    }

    #[test]
    fn the_judge_believes_only_what_it_tried() {
        let mut robot = robot();
        robot.say("move 10");
        let before = robot.save("limb");
        for (name, verdict) in [
            ("limb-v1", Ok("ok 1\nmoved 3\n")),
            ("limb-v2", Err("ok 0 moved -1 where 1 was asked\nmoved 0\n")),
            ("limb-v3", Err("untestable: it has no vc_test")),
            ("limb-v4", Err("denied: medium/spawn")),
            (
                "limb-boaster",
                Ok("ok 0 moved -1 where 1 was asked\nmoved 0\n"),
            ),
        ] {
            let said = robot.judge("limb", &bytes(&format!("limb/{name}")));
            let said = said.as_deref().map_err(String::as_str);
            assert_eq!(said, verdict, "{name}");
        }
        assert_eq!(
            robot.save("limb"),
            before,
            "the judge moved the limb itself"
        );
        assert_eq!(robot.say("move 0"), "10");
    }

    #[test]
    fn a_limb_that_may_give_birth_does() {
        let mut body = Body::new(&["medium/spawn"]).with("limb/limb-v4", b"");
        let moved = body.send("limb/move", &[2, 0, 0, 0]).unwrap().unwrap();
        assert_eq!(moved, [2, 0, 0, 0]);
        let [(channel, request)] = body.effects() else {
            panic!("{:?}", body.effects())
        };
        assert_eq!(channel, "medium/spawn");
        let mut expected = vec![0, 0];
        for number in [1_000_000_u64, 1, 0] {
            expected.extend(number.to_le_bytes());
        }
        expected.extend(b"\x06helper");
        assert_eq!(request, &expected);
    }

    #[test]
    fn brain_and_judge_test_themselves() {
        let mut robot = robot();
        assert_eq!(robot.test("robot-brain", b"").unwrap(), "ok 1\nreads 2\n");
        assert_eq!(robot.test("robot-judge", b"").unwrap(), "ok 1\n");
    }
}

mod hippocampus {
    use super::*;

    fn cat() -> Body {
        let mut body = Body::new(&[])
            .with("hippocampus/cat-brain", b"")
            .with("hippocampus/cat-judge", b"");
        let memory = bytes("hippocampus/hippocampus-v1");
        body.born("hippocampus", &memory, b"").unwrap();
        body
    }

    #[test]
    fn a_cat_remembers_what_it_learned_last() {
        let mut cat = cat();
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")] {
            let said = cat.say(&format!("learn {key} {value}"));
            assert_eq!(said, format!("learned {key}"));
        }
        // What is learned again is the newest again, so `b` is what the fifth displaces.
        cat.say("learn a one two");
        assert_eq!(cat.say("learn e 5"), "learned e");
        assert_eq!(cat.say("recall a"), "one two");
        assert_eq!(cat.say("recall b"), "forgotten");
        assert_eq!(cat.say("recall c \n"), "3");
        assert_eq!(cat.say("recall aa"), "forgotten");
    }

    #[test]
    fn a_cat_says_what_it_does_not_understand() {
        let mut cat = cat();
        for text in [
            "",
            "learn",
            "learn a",
            "learn  a b",
            "recall",
            "recall ",
            "purr",
        ] {
            let said = cat.say(text);
            assert_eq!(
                said, "error: say `learn KEY VALUE` or `recall KEY`",
                "{text}"
            );
        }
        let long = "x".repeat(128);
        let bound =
            "error: an item is `key=value`, with 1 to 127 bytes before and at most 127 after the =";
        assert_eq!(cat.say(&format!("learn k {long}")), bound);
        assert_eq!(cat.say(&format!("learn {long} v")), bound);
        assert_eq!(cat.say(&format!("learn k {}", &long[1..])), "learned k");
        assert_eq!(cat.say("recall k"), long[1..]);
    }

    #[test]
    fn the_second_version_takes_over_and_keeps_more() {
        let mut cat = cat();
        for item in ["w 1", "x 2", "y 3", "z 4"] {
            cat.say(&format!("learn {item}"));
        }
        let better = bytes("hippocampus/hippocampus-v2");
        cat.swap("hippocampus", &better).unwrap();
        for number in 0..12 {
            cat.say(&format!("learn k{number} {number}"));
        }
        assert_eq!(cat.say("recall w"), "1");
        cat.say("learn more 0");
        assert_eq!(cat.say("recall w"), "forgotten");
        assert_eq!(cat.say("recall x"), "2");
        assert_eq!(cat.say("recall k11"), "11");
        let back = cat.swap("hippocampus", &bytes("hippocampus/hippocampus-v1"));
        assert_eq!(back.unwrap_err(), "hippocampus refused the old state");
    }

    #[test]
    fn the_judge_counts_what_is_kept_and_leaves_no_trace() {
        let mut cat = cat();
        cat.say("learn home here");
        for (name, verdict) in [
            ("hippocampus-v1", "ok 1\nretention 4\n"),
            ("hippocampus-v2", "ok 1\nretention 8\n"),
        ] {
            let part = bytes(&format!("hippocampus/{name}"));
            assert_eq!(cat.judge("hippocampus", &part).unwrap(), verdict);
            let mut alone = Body::new(&[]).with(&format!("hippocampus/{name}"), b"");
            assert_eq!(alone.test(name, b"").unwrap(), verdict, "of itself");
        }
        assert_eq!(cat.say("recall home"), "here");
        assert_eq!(cat.say("recall probe-7"), "forgotten");
    }

    #[test]
    fn brain_and_judge_test_themselves() {
        let mut cat = cat();
        assert_eq!(cat.test("cat-brain", b"").unwrap(), "ok 1\nreads 2\n");
        assert_eq!(cat.test("cat-judge", b"").unwrap(), "ok 1\n");
    }
}
