//! What a message between rows says: a plain struct of fields.

/// Declares what messages say: plain structs that a [`Channel`](crate::mail::Channel) carries.
///
/// A message is read by its receiver and gone; as the field of an agent it would have no leaves, so that nobody could look
/// at it.
///
/// ```
/// use sims::prelude::*;
///
/// message! {
///     /// What somebody asks for, and what it may cost.
///     pub struct Demand { gib: u64, rate_max: u64 }
/// }
/// let demands = Channel::<Demand>::default();
/// assert_eq!(demands.counts().sent, 0);
/// ```
#[macro_export]
macro_rules! message {
    ($( $(#[$doc:meta])* $vis:vis struct $name:ident { $( $(#[$fdoc:meta])* $field:ident : $type:ty ),* $(,)? } )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[allow(missing_docs, unreachable_pub, reason = "a field is what its name says")]
        $vis struct $name { $( $(#[$fdoc])* pub $field: $type ),* }

        impl $crate::field::Field for $name {
            const LEAVES: &'static [&'static str] = &[];

            fn write(self, out: &mut Vec<u8>) {
                $( $crate::field::Field::write(self.$field, out); )*
            }

            fn read(from: &mut $crate::bytes::Reader<'_>) -> Result<Self, $crate::bytes::Damaged> {
                Ok(Self { $( $field: $crate::field::Field::read(from)? ),* })
            }

            fn leaves(self, _: &mut Vec<$crate::field::Leaf>) {}
        }
    )+ };
}
