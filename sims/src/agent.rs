//! What a row is: the fields of an agent, kept as columns.

use crate::bytes::{Damaged, Reader};
use crate::field::Leaf;

/// A kind of agent: a VC whose state is a row of fields. [`agent!`](crate::agent!) writes this.
pub trait Agent: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// Its rows as columns.
    type Columns: Columns<Self>;
    /// How it is called in documents.
    const NAME: &'static str;
    /// Its fields, in the order of declaration.
    const FIELDS: &'static [FieldInfo];
    /// The bytes of a row, always as many.
    fn write(&self, out: &mut Vec<u8>);
    /// The same back.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes end or hold no such row.
    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged>;
    /// The values of its fields, each with as many leaves as [`FieldInfo`] says.
    fn leaves(&self, out: &mut Vec<Leaf>);
}

/// What a field says of where its row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    No,
    /// It is a point of a plane.
    Point,
    /// It is a spot of a lattice.
    Spot,
}

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether it says where its row is.
    pub place: Place,
    /// What stands behind the name for each of its leaves: `[""]`, or `["x", "y"]`.
    pub leaves: &'static [&'static str],
}

impl FieldInfo {
    /// The names of its leaves: `energy`, or `pos.x` and `pos.y`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.leaves.iter().map(|leaf| {
            if leaf.is_empty() {
                self.name.to_owned()
            } else {
                format!("{}.{leaf}", self.name)
            }
        })
    }
}

/// Rows that can be read and written one by one, at their places.
pub trait Window<A>: Send + Sized + std::fmt::Debug {
    /// The row here.
    fn get(&self, at: usize) -> A;
    /// Another row here.
    fn set(&mut self, at: usize, row: A);
    /// The first rows, and those from `at` on.
    fn split_at(self, at: usize) -> (Self, Self);
}

/// Rows as columns: one vector for each field, all as long.
pub trait Columns<A>: Default + Send + Sync + std::fmt::Debug {
    /// All rows, to write.
    type Window<'a>: Window<A>
    where
        Self: 'a;
    /// Some rows that follow one another, to read.
    type View<'a>: View<A>
    where
        Self: 'a;
    /// How many rows there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The row at this place.
    fn get(&self, at: usize) -> A;
    /// One row more.
    fn push(&mut self, row: A);
    /// No rows, but room for as many.
    fn clear(&mut self);
    /// All rows, to write.
    fn window(&mut self) -> Self::Window<'_>;
    /// These rows, to read.
    fn view(&self, from: usize, to: usize) -> Self::View<'_>;
    /// Puts each row `i` at place `to[i]` of another set of columns, of `len` rows; none where `to[i]` is `u32::MAX`.
    /// The places are a permutation of `0..len`.
    fn scatter(&self, to: &[u32], len: usize, into: &mut Self);
    /// As many rows as `from`, with its values.
    fn copy(&mut self, from: &Self);
}

/// Rows that follow one another, to read: what neighbours are seen through.
pub trait View<A>: Copy {
    /// How many.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The row at this place.
    fn get(&self, at: usize) -> A;
}

/// One column scattered; used by [`agent!`](crate::agent!).
#[doc(hidden)]
#[inline]
pub fn scatter<T: Copy + Default>(from: &[T], to: &[u32], len: usize, into: &mut Vec<T>) {
    into.resize(len, T::default());
    for (value, &to) in from.iter().zip(to) {
        // `u32::MAX` is beyond the end, as no cohort is that long.
        if let Some(place) = into.get_mut(to as usize) {
            *place = *value;
        }
    }
}

/// Declares a kind of agent: a plain struct whose fields become columns.
///
/// ```
/// use sims::prelude::*;
///
/// agent! {
///     /// A bird.
///     pub struct Bird { pos: P2, vel: V2 }
/// }
/// assert_eq!(Bird::new(P2::default(), V2::ZERO), Bird::default());
/// assert_eq!(Bird::FIELDS[0].names().collect::<Vec<_>>(), ["pos.x", "pos.y"]);
/// ```
#[macro_export]
macro_rules! agent {
    ($( $(#[$doc:meta])* $vis:vis struct $name:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? } )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[allow(missing_docs, unreachable_pub, reason = "a field is what its name says")]
        $vis struct $name { $( $(#[$fdoc])* pub $field: $type ),* }

        #[allow(dead_code, unreachable_pub, clippy::too_many_arguments, reason = "not all are born this way")]
        impl $name {
            /// From its fields, in the order of declaration.
            #[inline]
            pub const fn new($( $field: $type ),*) -> Self {
                Self { $( $field ),* }
            }
        }

        #[allow(clippy::inline_always, reason = "a call for each row would cost more than the row")]
        const _: () = {
            #[doc(hidden)]
            #[derive(Debug, Default)]
            #[allow(unreachable_pub, reason = "as public as the agent is")]
            pub struct Columns { $( $field: Vec<$type> ),* }
            #[doc(hidden)]
            #[derive(Debug)]
            #[allow(unreachable_pub, reason = "as public as the agent is")]
            pub struct Window<'a> { $( $field: &'a mut [$type] ),* }
            #[doc(hidden)]
            #[derive(Clone, Copy, Debug)]
            #[allow(unreachable_pub, reason = "as public as the agent is")]
            pub struct View<'a> { len: usize, $( $field: &'a [$type] ),* }

            impl $crate::agent::Window<$name> for Window<'_> {
                #[inline(always)]
                fn get(&self, at: usize) -> $name {
                    $name { $( $field: self.$field[at] ),* }
                }

                #[inline(always)]
                fn set(&mut self, at: usize, row: $name) {
                    $( self.$field[at] = row.$field; )*
                }

                #[inline]
                fn split_at(self, at: usize) -> (Self, Self) {
                    $( let $field = self.$field.split_at_mut(at); )*
                    (Self { $( $field: $field.0 ),* }, Self { $( $field: $field.1 ),* })
                }
            }

            impl $crate::agent::View<$name> for View<'_> {
                #[inline(always)]
                fn len(&self) -> usize {
                    self.len
                }

                #[inline(always)]
                fn get(&self, at: usize) -> $name {
                    $name { $( $field: self.$field[at] ),* }
                }
            }

            impl $crate::agent::Columns<$name> for Columns {
                type Window<'a> = Window<'a>;
                type View<'a> = View<'a>;

                #[inline]
                #[allow(unused_assignments, unreachable_code, reason = "the first field says it")]
                fn len(&self) -> usize {
                    $( return self.$field.len(); )*
                }

                #[inline(always)]
                fn get(&self, at: usize) -> $name {
                    $name { $( $field: self.$field[at] ),* }
                }

                #[inline]
                fn push(&mut self, row: $name) {
                    $( self.$field.push(row.$field); )*
                }

                fn clear(&mut self) {
                    $( self.$field.clear(); )*
                }

                #[inline]
                fn window(&mut self) -> Window<'_> {
                    Window { $( $field: &mut self.$field ),* }
                }

                #[inline(always)]
                fn view(&self, from: usize, to: usize) -> View<'_> {
                    View { len: to - from, $( $field: &self.$field[from..to] ),* }
                }

                fn scatter(&self, to: &[u32], len: usize, into: &mut Self) {
                    $( $crate::agent::scatter(&self.$field, to, len, &mut into.$field); )*
                }

                fn copy(&mut self, from: &Self) {
                    $( self.$field.clone_from(&from.$field); )*
                }
            }

            impl $crate::agent::Agent for $name {
                type Columns = Columns;
                const NAME: &'static str = stringify!($name);
                const FIELDS: &'static [$crate::agent::FieldInfo] = &[$(
                    $crate::agent::FieldInfo {
                        name: stringify!($field),
                        place: <$type as $crate::field::Field>::PLACE,
                        leaves: <$type as $crate::field::Field>::LEAVES,
                    }
                ),*];

                fn write(&self, out: &mut Vec<u8>) {
                    $( $crate::field::Field::write(self.$field, out); )*
                }

                fn read(from: &mut $crate::bytes::Reader<'_>) -> Result<Self, $crate::bytes::Damaged> {
                    Ok(Self { $( $field: $crate::field::Field::read(from)? ),* })
                }

                fn leaves(&self, out: &mut Vec<$crate::field::Leaf>) {
                    $( $crate::field::Field::leaves(self.$field, out); )*
                }
            }
        };
    )+ };
}
