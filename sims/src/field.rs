//! What a column holds: numbers, truths, points, places and addresses, of a fixed number of bytes.

use std::fmt::Debug;

use crate::agent::Place;
use crate::bytes::{Damaged, Reader};
use crate::space::{P2, Spot, V2};

/// One value of a field as data, `show` and JSON see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leaf {
    /// A number.
    F64(f64),
    /// A count, an address.
    U64(u64),
    /// A whole number.
    I64(i64),
    /// A truth.
    Bool(bool),
}

impl Leaf {
    /// As a number: addresses over 2^53 lose their last digits.
    pub fn number(self) -> f64 {
        match self {
            Self::F64(value) => value,
            Self::U64(value) => value as f64,
            Self::I64(value) => value as f64,
            Self::Bool(value) => f64::from(u8::from(value)),
        }
    }
}

impl std::fmt::Display for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::F64(value) => write!(f, "{value}"),
            Self::U64(value) => write!(f, "{value}"),
            Self::I64(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
        }
    }
}

/// A type that columns are made of.
pub trait Field: Copy + PartialEq + Debug + Default + Send + Sync + 'static {
    /// The names of its leaves: one empty name for a plain number, `x` and `y` for a point.
    const LEAVES: &'static [&'static str];
    /// Whether it says where its row is.
    const PLACE: Place = Place::No;
    /// Its bytes, little endian, always as many.
    fn write(self, out: &mut Vec<u8>);
    /// The same back.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes end or hold no such value.
    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged>;
    /// Its leaves, in the order of [`Self::LEAVES`].
    fn leaves(self, out: &mut Vec<Leaf>);
}

macro_rules! number {
    ($($type:ty => $leaf:ident),* $(,)?) => { $(
        impl Field for $type {
            const LEAVES: &'static [&'static str] = &[""];

            #[inline]
            fn write(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
                Ok(Self::from_le_bytes(from.array()?))
            }

            fn leaves(self, out: &mut Vec<Leaf>) {
                out.push(Leaf::$leaf(self.into()));
            }
        }
    )* };
}
number!(f32 => F64, f64 => F64, u8 => U64, u16 => U64, u32 => U64, u64 => U64, i8 => I64, i16 => I64, i32 => I64, i64 => I64);

/// Nothing: what a message says that says enough by coming.
impl Field for () {
    const LEAVES: &'static [&'static str] = &[];

    fn write(self, _: &mut Vec<u8>) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(())
    }

    fn leaves(self, _: &mut Vec<Leaf>) {}
}

impl Field for bool {
    const LEAVES: &'static [&'static str] = &[""];

    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        out.push(self.into());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        match from.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Damaged::new(format!("{other} is neither 0 nor 1"))),
        }
    }

    fn leaves(self, out: &mut Vec<Leaf>) {
        out.push(Leaf::Bool(self));
    }
}

impl<T: Field, const N: usize> Field for [T; N]
where
    [T; N]: Default,
{
    const LEAVES: &'static [&'static str] = {
        assert!(T::LEAVES.len() == 1 && N <= NUMBERED.len());
        NUMBERED.split_at(N).0
    };

    fn write(self, out: &mut Vec<u8>) {
        for value in self {
            value.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut values = Self::default();
        for value in &mut values {
            *value = T::read(from)?;
        }
        Ok(values)
    }

    fn leaves(self, out: &mut Vec<Leaf>) {
        for value in self {
            value.leaves(out);
        }
    }
}

/// How the leaves of an array are called.
const NUMBERED: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
];

macro_rules! pair {
    ($($type:ident $place:ident),*) => { $(
        impl Field for $type {
            const LEAVES: &'static [&'static str] = &["x", "y"];
            const PLACE: Place = Place::$place;

            #[inline]
            fn write(self, out: &mut Vec<u8>) {
                self.x.write(out);
                self.y.write(out);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
                Ok(Self { x: f64::read(from)?, y: f64::read(from)? })
            }

            fn leaves(self, out: &mut Vec<Leaf>) {
                out.extend([Leaf::F64(self.x), Leaf::F64(self.y)]);
            }
        }
    )* };
}
pair!(P2 Point, V2 No);

impl Field for Spot {
    const LEAVES: &'static [&'static str] = &[""];
    const PLACE: Place = Place::Spot;

    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self(u32::read(from)?))
    }

    fn leaves(self, out: &mut Vec<Leaf>) {
        out.push(Leaf::U64(self.0.into()));
    }
}
