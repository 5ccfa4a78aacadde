//! One script, run in process and through a node: the same is said.

use crate::place::{Place, transcript};

/// Everything the verbs do with small things, good and bad.
const SCRIPT: &str = "
pod ls
pod new notes
pod new notes
pod new site --public
pod new bad/name
pod put letter.txt notes:/
pod put letter.txt notes:/deep/er/copy.txt --note again
pod put tree site:/sub
pod put tree/.env notes:/
pod put tree/.env notes:/kept --secrets
pod put missing.txt notes:/
pod put letter.txt nowhere:/
pod put letter.txt notes:/../up
pod put letter.txt notes:/deep
pod put letter.txt notes:/letter.txt/below
pod ls
pod ls notes
pod ls notes /deep
pod ls notes:/letter.txt
pod ls notes --recursive
pod ls notes:/none
pod ls nowhere
pod ls notes --at 1
pod ls notes --at 99
pod stat notes
pod stat notes:/letter.txt
pod stat site:/sub/a/x.txt
pod get notes:/letter.txt -o -
pod get notes:/letter.txt
pod get notes:/letter.txt -o letter.txt
pod get notes:/letter.txt -o letter.txt --force
pod get notes:/ -o copy
pod get notes:/ -o copy
pod get notes:/none
pod get notes:/deep -o -
pod mkdir notes:/p/q
pod mkdir -p notes:/p/q
pod mkdir notes:/p
pod cp notes:/letter.txt notes:/l2.txt
pod cp notes:/letter.txt notes:/l2.txt
pod cp notes:/deep notes:/deep/er/self
pod cp notes:/deep site:/from-notes/
pod mv notes:/l2.txt site:/
pod mv notes:/letter.txt notes:/renamed.txt
pod ls site --recursive
pod rm notes:/deep
pod rm -r notes:/deep
pod rm notes:/none
pod rm notes:/
pod history notes
pod verify notes
pod close notes
pod ls notes
pod put letter.txt notes:/
pod get notes:/renamed.txt -o -
pod history notes
pod open notes
KEY = pod share notes
FILE = pod share site:/sub/a/x.txt
pod share notes:/none
pod share nowhere
pod ls {KEY}
pod stat {FILE}
pod get {FILE} -o -
pod ls 0000000000000000000000000000000000000000000000000000000000000000
pod ls {KEY} --at 0
pod put letter.txt {KEY}/x
--wallet other pod ls
--wallet other pod get {KEY}/renamed.txt -o -
--wallet other pod fork {KEY} theirs --to theirs
--wallet other pod stat theirs
--wallet other pod put letter.txt theirs:/new.txt
OFFER = --wallet other pod offer theirs
--wallet other pod offers theirs
pod offers notes
pod take notes {OFFER}
pod take notes {OFFER}
pod ls notes
--wallet other pod offer theirs
--wallet other pod put letter.txt theirs:/second.txt
SECOND = --wallet other pod offer theirs
pod decline notes {SECOND}
pod offers notes
pod import {KEY} imported
pod import {KEY} imported
pod stamp buy --depth 17 --ttl 1d --label small
pod stamp buy --depth 3
pod pin {KEY}
pod pins
pod unpin {KEY}
pod unpin {KEY}
pod pins
pod gc
pod wallet ls
pod remove site
pod remove site --yes
pod remove site --yes
pod ls
pod ls --recursive
--dfs nobody:x pod ls
--wallet ../x pod ls
";

fn furnished(place: Place) -> Place {
    place.write("letter.txt", b"dear you\n");
    place.write("tree/a/x.txt", b"x");
    place.write("tree/.env", b"TOKEN=1");
    place.write("tree/left.tmp", b"t");
    place.write("tree/.mediumignore", b"*.tmp\n");
    std::fs::create_dir(place.path().join("tree/empty")).unwrap();
    place
}

#[test]
fn verbs_say_the_same_in_process_and_through_a_node() {
    let alone = furnished(Place::in_process());
    let said = transcript(&alone, SCRIPT);
    // How many chunks something takes is not the verbs' to say.
    let told: Vec<_> = said
        .lines()
        .filter(|line| !line.contains("chunks"))
        .collect();
    insta::assert_snapshot!("verbs", told.join("\n"));
    assert_eq!(alone.read("copy/letter.txt"), b"dear you\n");
    assert_eq!(alone.read("imported/new.txt"), b"dear you\n");
    let node = furnished(Place::on_a_node());
    let through = transcript(&node, SCRIPT);
    for (alone, through) in said.lines().zip(through.lines()) {
        assert_eq!(alone, through);
    }
    assert_eq!(said.lines().count(), through.lines().count());
}
