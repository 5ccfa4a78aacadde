//! A world: the pieces that a model names, each of which can be saved, digested and looked into.

use crate::piece::Piece;
use crate::store::Hosting;

/// What a model's world is. [`world!`](crate::world!) writes this.
pub trait World: Send + 'static {
    /// An empty one.
    fn new(hosting: Hosting) -> Self;
    /// Its pieces by name, in the order of declaration.
    fn pieces(&self) -> Vec<(&'static str, &dyn Piece)>;
    /// The same, to change.
    fn pieces_mut(&mut self) -> Vec<(&'static str, &mut dyn Piece)>;
}

/// Declares a world: a plain struct of cohorts, patches, channels, what is seen, and plain values.
///
/// ```
/// use sims::prelude::*;
///
/// agent! { struct Bird { pos: P2, vel: V2 } }
/// world! { struct Sky { birds: Cohort<Bird>, sight: Near<Bird> } }
/// ```
#[macro_export]
macro_rules! world {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[allow(missing_docs, unreachable_pub, reason = "a field is what its name says")]
        $vis struct $name { $( $(#[$fdoc])* pub $field: $type ),* }

        impl $crate::world::World for $name {
            #[allow(unused_assignments, reason = "the last place is not followed by another")]
            fn new(hosting: $crate::store::Hosting) -> Self {
                let mut place = 0;
                $(
                    let $field = $crate::piece::Piece::of_world(place, hosting);
                    place += 1;
                )*
                Self { $( $field ),* }
            }

            fn pieces(&self) -> Vec<(&'static str, &dyn $crate::piece::Piece)> {
                vec![$( (stringify!($field), &self.$field) ),*]
            }

            fn pieces_mut(&mut self) -> Vec<(&'static str, &mut dyn $crate::piece::Piece)> {
                vec![$( (stringify!($field), &mut self.$field) ),*]
            }
        }
    };
}
