//! What makes a pod a fleet, and what its members have of it.

use std::collections::{BTreeMap, BTreeSet};

use genesis::power::Grants;

use super::error::PodError;
use super::parse::{Fields, name};
use super::{ContactSpec, FleetSpec, NestedSpec, PodDir};
use crate::json::{Node, clip};

/// Whether a VC is a fleet: then it has members, and no part of its own.
pub(super) fn read(
    fields: &mut Fields<'_>,
    pod: &PodDir,
    parts: usize,
    members: &BTreeSet<String>,
) -> Result<Option<FleetSpec>, PodError> {
    let (fleet, front) = (fields.take("fleet"), fields.take("front"));
    let bad = |node: &Node<'_>, why: String| {
        let place = node.place();
        Err(PodError::BadFleet { place, why })
    };
    let node = match (fleet, &front) {
        (Some(node), _) if node.flag()? => node,
        (_, Some(front)) => return bad(front, "only a fleet has a front".to_owned()),
        _ => return Ok(None),
    };
    if parts > 0 || pod.outside.is_some() {
        let why = "a fleet has no part and no program of its own: let a member have it";
        return bad(&node, why.to_owned());
    }
    if members.is_empty() {
        return bad(&node, "a fleet has members: nothing is `nested`".to_owned());
    }
    let Some(front) = front else {
        return Ok(Some(FleetSpec::default()));
    };
    let member = name(&front)?;
    if !members.contains(&member) {
        let all: Vec<_> = members.iter().map(String::as_str).collect();
        let member = clip(&member);
        let why = format!("`{member}` is no member; there are {}", all.join(", "));
        return bad(&front, why);
    }
    let front = Some(member);
    Ok(Some(FleetSpec { front }))
}

/// Gives a member what its fleet has and it does not say itself. Names that it knows others by are `taken`.
pub(super) fn joined(member: &mut PodDir, asks: bool, fleet: &PodDir, taken: &BTreeSet<&String>) {
    if !asks {
        member.grants = fleet.grants;
    }
    member.restart = member.restart.or(fleet.restart);
    member.record = member.record.or(fleet.record);
    member.idle_ms = member.idle_ms.or(fleet.idle_ms);
    member.turn_fuel = member.turn_fuel.or(fleet.turn_fuel);
    for (name, contact) in &fleet.contacts {
        // Those beside the fleet are not beside its members.
        let anywhere = matches!(contact, ContactSpec::Address(_) | ContactSpec::Named(_));
        if anywhere && !taken.contains(name) && !member.contacts.contains_key(name) {
            member.contacts.insert(name.clone(), contact.clone());
        }
    }
}

/// All powers that the members of a fleet ask for: what it has if it says nothing itself.
pub(super) fn asked_in(members: &BTreeMap<String, NestedSpec>) -> Grants {
    let asked = members.values().map(|member| member.pod.grants);
    asked.fold(Grants::NONE, Grants::union)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::super::{PodDir, PodError};

    fn pod(files: &[(&str, &str)]) -> Result<PodDir, PodError> {
        let file = |&(path, text): &(&str, &str)| (path.to_owned(), Bytes::from(text.to_owned()));
        PodDir::from_files("shop", &files.iter().map(file).collect::<BTreeMap<_, _>>())
    }

    const SHOP: &str = r#"{"name": "shop", "fleet": true, "front": "clerk", "grants": ["send", "emit"],
        "restart": {"faults_max": 1, "within_ms": 9}, "record": 7, "idle_ms": 5,
        "contacts": {"bank": "bank", "clerk2": "clerk2"},
        "nested": {"clerk": "clerk/", "store": "store/"}}"#;

    #[test]
    fn members_have_what_their_fleet_says_unless_they_say_it_themselves() {
        let shop = pod(&[
            ("vc.json", SHOP),
            ("clerk/vc.json", r#"{"name": "clerk"}"#),
            (
                "store/vc.json",
                r#"{"name": "store", "grants": [], "record": 9, "contacts": {"bank": "other-bank"}}"#,
            ),
        ])
        .unwrap();
        let (clerk, store) = (&shop.nested["clerk"].pod, &shop.nested["store"].pod);
        assert_eq!(clerk.grants, shop.grants);
        assert!(store.grants.is_empty(), "none is less, too");
        assert_eq!((clerk.record, store.record), (Some(7), Some(9)));
        assert_eq!((clerk.restart, clerk.idle_ms), (shop.restart, Some(5)));
        assert_eq!(clerk.contacts["bank"].to_string(), "bank");
        assert_eq!(store.contacts["bank"].to_string(), "other-bank");
        // What was read is said when it is written.
        let files = shop.files().into_iter().map(|(path, contents)| {
            let super::super::Contents::Inline(bytes) = contents else {
                panic!("it is short")
            };
            (path, bytes)
        });
        assert_eq!(PodDir::from_files("shop", &files.collect()).unwrap(), shop);
    }

    #[test]
    fn a_fleet_that_says_no_powers_has_those_of_its_members() {
        let shop = pod(&[
            (
                "vc.json",
                r#"{"name": "shop", "fleet": true, "nested": {"a": "a/", "b": "b/"}}"#,
            ),
            ("a/vc.json", r#"{"name": "a", "grants": ["send"]}"#),
            ("b/vc.json", r#"{"name": "b"}"#),
        ])
        .unwrap();
        assert_eq!(shop.grants.to_string(), "send");
        assert!(shop.nested["b"].pod.grants.is_empty());
    }

    #[test]
    fn what_is_no_fleet_is_refused_by_name() {
        let member = ("a/vc.json", r#"{"name": "a"}"#);
        let check = |text: &str, what: &str| {
            let error = pod(&[("vc.json", text), member]).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.hint().contains("\"fleet\": true"), "{}", error.hint());
        };
        check(
            r#"{"name": "s", "fleet": true, "front": "b", "nested": {"a": "a/"}}"#,
            "`b` is no member; there are a",
        );
        check(
            r#"{"name": "s", "front": "a", "nested": {"a": "a/"}}"#,
            "only a fleet has a front",
        );
        check(r#"{"name": "s", "fleet": true}"#, "nothing is `nested`");
        check(
            r#"{"name": "s", "fleet": true, "parts": [{"text": "x"}], "nested": {"a": "a/"}}"#,
            "no part and no program of its own",
        );
    }
}
