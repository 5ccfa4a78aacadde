//! Who gets which message, and what becomes of those for which there is no room.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sims::mail::{MailCounts, MailboxFull};
use sims::prelude::*;

use crate::{BOTH, Field, One, field, ids, tick};

/// Delivers `sent` messages, numbered from 0 on, to one of three with room for two of them; what it reads.
fn flood(w: &mut Field, now: u64, sent: u64, overflow: Overflow) -> Vec<u64> {
    let to = ids(w)[1];
    w.mail.bound(2, overflow);
    for n in 0..sent {
        w.mail.post(to, 100 * now + n);
    }
    tick_reading(w, now)
}

/// What the second of three reads.
fn tick_reading(w: &mut Field, now: u64) -> Vec<u64> {
    let mut heard = Vec::new();
    tick(w, now, |w, t| {
        w.mail.deliver(&mut w.ones);
        w.ones.each_in_random_order(t, |one, vc| {
            let mail = w.mail.of(vc).iter().map(|mail| mail.message);
            if one.number == 1 {
                heard.extend(mail);
            } else {
                assert_eq!(mail.count(), 0);
            }
        });
    });
    heard
}

#[test]
fn what_there_is_no_room_for_is_dropped_and_counted() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        assert_eq!(
            flood(&mut w, 1, 5, Overflow::Drop),
            [100, 101],
            "{hosting:?}"
        );
        assert_eq!(tick_reading(&mut w, 2), [0; 0]);
        let counts = MailCounts {
            sent: 5,
            delivered: 2,
            dropped: 3,
            ..MailCounts::default()
        };
        assert_eq!(w.mail.counts(), counts, "{hosting:?}");
    }
}

#[test]
fn what_there_is_no_room_for_waits_before_what_comes_later() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        assert_eq!(
            flood(&mut w, 1, 5, Overflow::Park),
            [100, 101],
            "{hosting:?}"
        );
        assert_eq!(w.mail.counts().parked, 3);
        assert_eq!(flood(&mut w, 2, 1, Overflow::Park), [102, 103]);
        assert_eq!(tick_reading(&mut w, 3), [104, 200]);
        let counts = MailCounts {
            sent: 6,
            delivered: 6,
            ..MailCounts::default()
        };
        assert_eq!(w.mail.counts(), counts, "{hosting:?}");
    }
}

#[test]
fn where_nothing_may_be_lost_a_full_mailbox_ends_the_run() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        assert_eq!(
            flood(&mut w, 1, 2, Overflow::Fail),
            [100, 101],
            "{hosting:?}"
        );
        let full = catch_unwind(AssertUnwindSafe(|| flood(&mut w, 2, 3, Overflow::Fail)));
        let full = full.unwrap_err().downcast::<MailboxFull>().unwrap();
        assert_eq!(
            full.to_string(),
            "1 was sent more than the 2 messages that it may have at once"
        );
    }
}

#[test]
fn letters_are_in_the_order_of_their_senders_whoever_runs_them() {
    for hosting in BOTH {
        let mut w = field(hosting, 9);
        let to = ids(&w)[4];
        let heard = tick(&mut w, 1, |w, t| {
            w.ones.each_sending(t, &mut w.mail, |one, vc, out| {
                out.send(vc, to, 10 * one.number);
                out.send(vc, to, 10 * one.number + 1);
            });
            w.mail.deliver(&mut w.ones);
            let mut heard = Vec::new();
            w.ones.each_in_random_order(t, |_, vc| {
                heard.extend(
                    w.mail
                        .of(vc)
                        .iter()
                        .map(|mail| (mail.from.entry(), mail.message)),
                );
            });
            heard
        });
        let expected: Vec<_> = (0..9)
            .flat_map(|n| [(n, u64::from(10 * n)), (n, u64::from(10 * n + 1))])
            .collect();
        assert_eq!(heard, expected, "{hosting:?}");
    }
}

#[test]
fn mail_is_read_in_the_tick_of_its_delivery_or_not_at_all() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        w.mail.post(ids(&w)[0], 5);
        tick(&mut w, 1, |w, _| w.mail.deliver(&mut w.ones));
        tick(&mut w, 2, |w, t| {
            w.ones
                .each(t, |_, vc| assert!(w.mail.of(vc).is_empty(), "{hosting:?}"));
        });
    }
}

/// Rows in another order have other slots than their mail: that is said, and nobody reads what is not theirs.
#[test]
fn mail_is_not_read_after_rows_have_moved() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        w.mail.post(ids(&w)[0], 5);
        let moved = catch_unwind(AssertUnwindSafe(|| {
            tick(&mut w, 1, |w, t| {
                w.mail.deliver(&mut w.ones);
                let land = Lattice::bounded(3, 1);
                w.ones.gather(&land, |one| {
                    land.spot(2 - u32::try_from(one.number).unwrap(), 0)
                });
                w.ones.each(t, |one: &mut One, vc| {
                    one.turns = w.mail.of(vc).len() as u64;
                });
            });
        }));
        let said = *moved.unwrap_err().downcast::<&str>().unwrap();
        assert!(said.starts_with("mail is read after the rows"), "{said}");
    }
}
