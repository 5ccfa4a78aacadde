//! More than one at a time: two that change one pod, a folder that is in use, a node that was killed.

use std::thread;

use crate::harness::Node;
use crate::place::Place;

/// How many files each of the clients puts.
const EACH: usize = 4;

/// Each of two clients puts files of its own into one pod at the same time: no change is lost.
#[test]
fn two_clients_change_one_pod_and_nothing_is_lost() {
    let place = Place::on_a_node();
    place.done(&["pod", "new", "p"]);
    place.write("a.txt", b"a");
    thread::scope(|scope| {
        for client in 0..2 {
            let place = &place;
            scope.spawn(move || {
                for n in 0..EACH {
                    let to = format!("p:/{client}/{n}.txt");
                    place.done(&["pod", "put", "a.txt", &to]);
                }
            });
        }
    });
    let listed = place.done(&["pod", "ls", "p", "--recursive"]);
    assert_eq!(listed.matches(".txt").count(), 2 * EACH, "{listed}");
}

/// A second process is told who has the folder; a killed node leaves an address behind, and no lock.
#[test]
fn a_folder_in_use_names_who_uses_it() {
    let home = Place::on_a_node();
    home.done(&["pod", "new", "p"]);
    let announcement = home.path().join("data/node.json");
    let kept = std::fs::read(&announcement).unwrap();
    std::fs::remove_file(&announcement).unwrap();
    let run = home.run(&["pod", "ls"]);
    let pid = home.node.as_ref().unwrap().id().to_string();
    assert!(run.refused().contains(&pid), "{}", run.stderr);
    std::fs::write(&announcement, kept).unwrap();
    assert!(home.done(&["pod", "ls"]).contains('p'));
    let Place { home, node } = home;
    node.unwrap().signal("KILL");
    let place = Place { home, node: None };
    // The address that it left leads nowhere now.
    assert!(place.path().join("data/node.json").exists());
    assert!(place.done(&["pod", "ls"]).contains('p'));
    let (node, _) = Node::on(place.path());
    assert!(place.done(&["pod", "ls"]).contains('p'));
    drop(node);
}

/// An address that was named is meant: no other keeper takes its place.
#[test]
fn a_node_that_was_named_is_meant() {
    let place = Place::in_process();
    let run = place.run(&["pod", "ls", "--api", "127.0.0.1:1"]);
    assert!(run.refused().contains("127.0.0.1:1"), "{}", run.stderr);
}
