//! Parameters of a model: each with what it means, its unit, range and default.

use std::fmt;
use std::ops::RangeInclusive;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count.
    U64(u64),
    /// A number.
    F64(f64),
    /// A truth.
    Bool(bool),
    /// Text, such as the name of a file.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::U64(value) => write!(f, "{value}"),
            Self::F64(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl Value {
    /// From JSON. Lists, objects and nothing at all become their text, which is good for parameters that are text.
    pub fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Number(number) => match (number.as_u64(), number.as_f64()) {
                (Some(value), _) => Self::U64(value),
                (None, Some(value)) => Self::F64(value),
                (None, None) => Self::Text(number.to_string()),
            },
            other => Self::Text(other.to_string()),
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::U64(value) => (*value).into(),
            Value::F64(value) => (*value).into(),
            Value::Bool(value) => (*value).into(),
            Value::Text(value) => value.clone().into(),
        }
    }
}

/// What is known of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it is if nobody says otherwise.
    pub default: Value,
    /// The least and the greatest; none if every value is good.
    pub range: Option<(Value, Value)>,
    /// Whether it shapes the world when it is built, so that it cannot change while the world runs.
    pub fixed: bool,
    /// What becomes of it when a run is given another number of agents.
    pub grows: Grows,
}

/// What becomes of a parameter when a run is given another number of agents (`--agents`), so that the world keeps its density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grows {
    /// Nothing.
    #[default]
    Not,
    /// A number of agents: it grows as they do.
    Count,
    /// The side of a square: it grows as the root of their number. Where no parameter counts agents they are the patches,
    /// as many as the square of the sides says.
    Side,
}

impl Grows {
    /// From what stands behind the unit in [`params!`](crate::params!).
    #[doc(hidden)]
    pub fn of(word: &str) -> Self {
        match word {
            "agents" => Self::Count,
            "side" => Self::Side,
            _ => Self::Not,
        }
    }
}

/// A wrong parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// There is none of this name.
    #[error("there is no parameter `{name}`")]
    Unknown {
        /// What was said.
        name: String,
        /// The nearest that there is.
        nearest: Option<&'static str>,
    },
    /// The value is of another type.
    #[error("`{name}` is {expected}, and `{value}` is not")]
    Type {
        /// Which.
        name: &'static str,
        /// What was said.
        value: String,
        /// `a whole number`, `a number`, `true or false`.
        expected: &'static str,
    },
    /// The value is outside of the range.
    #[error("`{name}` goes from {} to {}, and {value} is outside", range.0, range.1)]
    Range {
        /// Which.
        name: &'static str,
        /// What was said.
        value: Value,
        /// The least and the greatest.
        range: (Value, Value),
        /// The nearest that is good.
        nearest: Value,
    },
    /// No parameter says how many agents there are.
    #[error("no parameter of `{model}` counts its agents")]
    Uncounted {
        /// Of which model.
        model: &'static str,
    },
    /// The value cannot be read, and there is more to say of it than its type.
    #[error("`{name}`: {why}")]
    Unreadable {
        /// Which.
        name: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// It cannot change while the world runs.
    #[error("`{name}` shapes the world when it is built and cannot change afterwards")]
    Fixed {
        /// Which.
        name: &'static str,
    },
}

impl ParamError {
    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest, .. } => nearest.map(|name| format!("is it `{name}`?")),
            Self::Type { .. } | Self::Unreadable { .. } => None,
            Self::Uncounted { .. } => Some("set its parameters one by one".to_owned()),
            Self::Range { name, nearest, .. } => {
                Some(format!("the nearest that it can be: {name}={nearest}"))
            }
            Self::Fixed { .. } => Some("begin a run of its own with another value".to_owned()),
        }
    }
}

/// A type that a parameter may have.
pub trait Param: Clone {
    /// How its bounds are written; `()` if it has none.
    type Range;
    /// How its values are written in a declaration.
    type Written;
    /// What it is called in errors.
    const EXPECTED: &'static str;
    /// From what stands in a declaration.
    fn written(written: Self::Written) -> Self;
    /// As a value.
    fn value(&self) -> Value;
    /// From a value; none if that is of another type.
    fn from_value(value: &Value) -> Option<Self>;
    /// Why there is none, if there is more to say than [`Self::EXPECTED`].
    fn why_not(_value: &Value) -> Option<String> {
        None
    }
    /// The least and the greatest.
    fn range(range: &Self::Range) -> Option<(Value, Value)>;
    /// The nearest within a range.
    #[must_use]
    fn nearest(&self, range: &Self::Range) -> Self;
}

impl Param for u64 {
    type Range = RangeInclusive<u64>;
    type Written = u64;
    const EXPECTED: &'static str = "a whole number";

    fn written(written: u64) -> Self {
        written
    }

    fn value(&self) -> Value {
        Value::U64(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::U64(value) => Some(*value),
            Value::Text(text) => text.replace('_', "").parse().ok(),
            Value::F64(_) | Value::Bool(_) => None,
        }
    }

    fn range(range: &Self::Range) -> Option<(Value, Value)> {
        Some((range.start().value(), range.end().value()))
    }

    fn nearest(&self, range: &Self::Range) -> Self {
        *self.clamp(range.start(), range.end())
    }
}

impl Param for u32 {
    type Range = RangeInclusive<u32>;
    type Written = u32;
    const EXPECTED: &'static str = "a whole number";

    fn written(written: u32) -> Self {
        written
    }

    fn value(&self) -> Value {
        Value::U64((*self).into())
    }

    /// What does not fit is the greatest that does, which no range that leaves it out lets pass.
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).map(|value| Self::try_from(value).unwrap_or(Self::MAX))
    }

    fn range(range: &Self::Range) -> Option<(Value, Value)> {
        Some((range.start().value(), range.end().value()))
    }

    fn nearest(&self, range: &Self::Range) -> Self {
        *self.clamp(range.start(), range.end())
    }
}

impl Param for f64 {
    type Range = RangeInclusive<f64>;
    type Written = f64;
    const EXPECTED: &'static str = "a number";

    fn written(written: f64) -> Self {
        written
    }

    fn value(&self) -> Value {
        Value::F64(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        let value = match value {
            Value::F64(value) => *value,
            Value::U64(value) => *value as f64,
            Value::Text(text) => text.replace('_', "").parse().ok()?,
            Value::Bool(_) => return None,
        };
        value.is_finite().then_some(value)
    }

    fn range(range: &Self::Range) -> Option<(Value, Value)> {
        Some((range.start().value(), range.end().value()))
    }

    fn nearest(&self, range: &Self::Range) -> Self {
        self.clamp(*range.start(), *range.end())
    }
}

impl Param for bool {
    type Range = ();
    type Written = bool;
    const EXPECTED: &'static str = "true or false";

    fn written(written: bool) -> Self {
        written
    }

    fn value(&self) -> Value {
        Value::Bool(*self)
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) => text.parse().ok(),
            Value::U64(_) | Value::F64(_) => None,
        }
    }

    fn range((): &()) -> Option<(Value, Value)> {
        None
    }

    fn nearest(&self, (): &()) -> Self {
        *self
    }
}

impl Param for String {
    type Range = ();
    type Written = &'static str;
    const EXPECTED: &'static str = "text";

    fn written(written: &'static str) -> Self {
        written.to_owned()
    }

    fn value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.to_string())
    }

    fn range((): &()) -> Option<(Value, Value)> {
        None
    }

    fn nearest(&self, (): &()) -> Self {
        self.clone()
    }
}

/// The parameters of a model. [`params!`](crate::params!) writes this.
pub trait Params: Clone + Send + Sync + fmt::Debug + 'static {
    /// What the model is, in a sentence or two.
    const ABOUT: &'static str;
    /// How it is called; empty where the declaration does not say it and the model itself does.
    const TITLE: &'static str = "";
    /// Where its rule is from; empty as the name may be.
    const SOURCE: &'static str = "";
    /// How many ticks a run has if nobody says otherwise.
    const TICKS: u64 = 100;
    /// All of them at their defaults.
    fn defaults() -> Self;
    /// What is known of each, in the order of declaration.
    fn infos() -> Vec<ParamInfo>;
    /// The value of each, in the same order.
    fn values(&self) -> Vec<Value>;
    /// The names of its presets.
    const PRESETS: &'static [&'static str];
    /// Takes the values of a preset; false if there is none of this name.
    fn preset(&mut self, name: &str) -> bool;
    /// Gives a parameter another value.
    ///
    /// # Errors
    /// [`ParamError`]: no such parameter, another type, out of range.
    fn set(&mut self, name: &str, value: &Value) -> Result<(), ParamError>;
}

/// Checks a value for a parameter; used by [`params!`](crate::params!).
#[doc(hidden)]
pub fn checked<P: Param + PartialEq>(
    name: &'static str,
    value: &Value,
    range: &P::Range,
) -> Result<P, ParamError> {
    let Some(good) = P::from_value(value) else {
        return Err(match P::why_not(value) {
            Some(why) => ParamError::Unreadable { name, why },
            None => ParamError::Type {
                name,
                value: value.to_string(),
                expected: P::EXPECTED,
            },
        });
    };
    let nearest = good.nearest(range);
    match P::range(range) {
        Some(range) if nearest != good => Err(ParamError::Range {
            name,
            value: good.value(),
            range,
            nearest: nearest.value(),
        }),
        _ => Ok(good),
    }
}

/// The name among `names` that is written most like this one: by letters to insert, remove or exchange.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let scored = names.map(|known| (distance(name, known), known));
    let (best, known) = scored.min()?;
    (best <= name.len().max(known.len()) / 2).then_some(known)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut line: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = line[0];
        line[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let exchange = diagonal + usize::from(left != *right);
            diagonal = line[j + 1];
            line[j + 1] = exchange.min(line[j] + 1).min(diagonal + 1);
        }
    }
    line[b.len()]
}

/// Gives a model another number of agents, at the density that it has: parameters that count agents keep their shares of
/// the whole (the largest remainders are rounded up), sides grow as the root of the number.
///
/// # Errors
/// [`ParamError::Uncounted`], or the [`ParamError`] of a value that goes out of range.
pub fn scale<P: Params>(
    params: &mut P,
    model: &'static str,
    agents: u64,
) -> Result<(), ParamError> {
    let infos = P::infos();
    let values = params.values();
    let of = |grows| {
        let known = infos.iter().zip(&values);
        known.filter(move |(info, _)| info.grows == grows)
    };
    let count = |value: &Value| match value {
        Value::U64(count) => *count,
        Value::F64(_) | Value::Bool(_) | Value::Text(_) => 0,
    };
    let side = |value: &Value| match value {
        Value::U64(side) => *side as f64,
        Value::F64(side) => *side,
        Value::Bool(_) | Value::Text(_) => 0.0,
    };
    let now: Vec<(&str, u64)> = of(Grows::Count)
        .map(|(info, value)| (info.name, count(value)))
        .collect();
    let total: u128 = now.iter().map(|(_, count)| u128::from(*count)).sum();
    let before = if now.is_empty() {
        of(Grows::Side)
            .map(|(_, value)| side(value))
            .fold(1.0, |area, side| area * side * side)
    } else {
        total as f64
    };
    if before == 0.0 || of(Grows::Count).chain(of(Grows::Side)).next().is_none() {
        return Err(ParamError::Uncounted { model });
    }
    let mut given = 0;
    let mut rest = Vec::new();
    for (name, count) in now {
        let whole = u128::from(count) * u128::from(agents);
        let share = u64::try_from(whole / total).unwrap_or(u64::MAX);
        given += share;
        rest.push((std::cmp::Reverse(whole % total), name, share));
    }
    // The largest remainders first; equal ones in the order of declaration, as sorting is stable.
    rest.sort_by_key(|(remainder, ..)| *remainder);
    for (at, (_, name, share)) in rest.into_iter().enumerate() {
        let more = u64::from((at as u64) < agents.saturating_sub(given));
        params.set(name, &Value::U64(share + more))?;
    }
    let factor = (agents as f64 / before).sqrt();
    for (info, value) in of(Grows::Side) {
        let grown = side(value) * factor;
        let grown = match value {
            // A square of patches has whole sides, and at least one patch.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "out of range is refused"
            )]
            Value::U64(_) => Value::U64(grown.round().max(1.0) as u64),
            Value::F64(_) | Value::Bool(_) | Value::Text(_) => Value::F64(grown),
        };
        params.set(info.name, &grown)?;
    }
    Ok(())
}

/// Declares the parameters of a model, each in a line: name, type, default, range, unit; `fixed` where a value shapes the
/// world when it is built, `agents` where it moreover counts agents, `side` where it is the side of their square (see
/// [`Grows`](crate::params::Grows)).
///
/// Behind the name may stand how the model is called, where its rule is from, how many ticks a run has, and its presets. A
/// parameter then has one value, or one for each preset in their order; the last preset is the default.
///
/// ```
/// use sims::prelude::*;
///
/// params! {
///     /// Birds that fly as their neighbours do.
///     pub struct Flocking = "flocking", "Reynolds 1987", 200 ticks, presets [small, large] {
///         /// How many birds.
///         birds: u64 = [200, 400], 1..=100_000_000, "birds", agents;
///         /// How far a bird sees.
///         vision: f64 = [5.0, 15.0], 0.1..=1_000.0, "m";
///         /// How far it flies in a tick.
///         speed: f64 = 1.0, 0.0..=10.0, "m";
///     }
/// }
/// let mut flocking = Flocking::defaults();
/// assert_eq!((flocking.birds, Flocking::TICKS), (400, 200));
/// assert!(flocking.preset("small"));
/// assert_eq!((flocking.birds, flocking.vision, flocking.speed), (200, 5.0, 1.0));
/// let error = flocking.set("vison", &Value::F64(1.0)).unwrap_err();
/// assert_eq!(error.hint().as_deref(), Some("is it `vision`?"));
/// ```
///
/// Presets that name few of many parameters may also follow the struct:
///
/// ```
/// use sims::prelude::*;
///
/// params! {
///     /// Walkers.
///     pub struct Walk {
///         /// How many walk.
///         walkers: u64 = 1_000, 1..=10_000_000, "walkers", agents;
///     }
///     crowd { walkers: 100_000 }
/// }
/// let mut walk = Walk::defaults();
/// assert!(walk.preset("crowd") && walk.walkers == 100_000);
/// ```
#[macro_export]
macro_rules! params {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident
            = $title:literal, $rule:literal $(, $steps:literal ticks)? $(, presets [$($preset:ident),+])? {
            $(
                $(#[doc = $doc:literal])+
                $field:ident : $type:ty = $value:tt, $range:expr, $unit:literal $(, $word:ident)? ;
            )*
        }
    ) => {
        $crate::params! {
            @items [$($about),+] $vis $name
            [$( [$($doc),+] $field [$type] [$crate::params!(@last $type, $value)] [$range] $unit [$($word)?] )*]
            {
                const TITLE: &'static str = $title;
                const SOURCE: &'static str = $rule;
                $( const TICKS: u64 = $steps; )?
                const PRESETS: &'static [&'static str] = &[$( $( stringify!($preset) ),+ )?];

                fn preset(&mut self, name: &str) -> bool {
                    let nth = Self::PRESETS.iter().position(|known| *known == name);
                    if let Some(nth) = nth {
                        $( self.$field = $crate::params!(@nth $type, $value, nth, self.$field); )*
                    }
                    nth.is_some()
                }
            }
        }
    };
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident { $(
            $(#[doc = $doc:literal])+
            $field:ident : $type:ty = $default:expr, $range:expr, $unit:literal $(, $word:ident)? ;
        )* }
        $( $preset:ident { $( $pfield:ident : $pvalue:expr ),* $(,)? } )*
    ) => {
        $crate::params! {
            @items [$($about),+] $vis $name
            [$( [$($doc),+] $field [$type] [<$type as $crate::params::Param>::written($default)] [$range] $unit [$($word)?] )*]
            {
                const PRESETS: &'static [&'static str] = &[$( stringify!($preset) ),*];

                fn preset(&mut self, name: &str) -> bool {
                    match name {
                        $( stringify!($preset) => {
                            $( self.$pfield = $crate::params::Param::written($pvalue); )*
                            true
                        } )*
                        _ => false,
                    }
                }
            }
        }
    };
    // The value of the last preset, or the only one.
    (@last $type:ty, [$($value:expr),+]) => {{
        let [.., last] = [$( <$type as $crate::params::Param>::written($value) ),+];
        last
    }};
    (@last $type:ty, $value:expr) => { <$type as $crate::params::Param>::written($value) };
    // The value of a preset, or what it was.
    (@nth $type:ty, [$($value:expr),+], $nth:expr, $was:expr) => {{
        let values = [$( <$type as $crate::params::Param>::written($value) ),+];
        // A parameter has a value for each preset.
        values.into_iter().nth($nth).unwrap_or($was)
    }};
    (@nth $type:ty, $value:expr, $nth:expr, $was:expr) => { <$type as $crate::params::Param>::written($value) };
    (
        @items [$($about:literal),+] $vis:vis $name:ident
        [$( [$($doc:literal),+] $field:ident [$type:ty] [$default:expr] [$range:expr] $unit:literal [$($word:ident)?] )*]
        { $($presets:tt)* }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::struct_field_names, reason = "a parameter is called as the one who sets it calls it")]
        $vis struct $name { $( $(#[doc = $doc])+ pub $field: $type ),* }

        impl $crate::params::Params for $name {
            const ABOUT: &'static str = concat!($($about),+);
            $($presets)*

            fn defaults() -> Self {
                Self { $( $field: $default ),* }
            }

            fn infos() -> Vec<$crate::params::ParamInfo> {
                vec![$( $crate::params::ParamInfo {
                    name: stringify!($field),
                    about: concat!($($doc),+).trim(),
                    unit: $unit,
                    default: $crate::params::Param::value(&$default),
                    range: <$type as $crate::params::Param>::range(&$range),
                    fixed: false $( || ["fixed", "agents", "side"].contains(&stringify!($word)) )?,
                    grows: $crate::params::Grows::of(concat!("", $( stringify!($word) )?)),
                } ),*]
            }

            fn values(&self) -> Vec<$crate::params::Value> {
                vec![$( $crate::params::Param::value(&self.$field) ),*]
            }

            fn set(
                &mut self,
                name: &str,
                value: &$crate::params::Value,
            ) -> Result<(), $crate::params::ParamError> {
                match name {
                    $( stringify!($field) => {
                        self.$field = $crate::params::checked(stringify!($field), value, &$range)?;
                        Ok(())
                    } )*
                    _ => Err($crate::params::ParamError::Unknown {
                        name: name.to_owned(),
                        nearest: $crate::params::nearest(name, [$( stringify!($field) ),*].into_iter()),
                    }),
                }
            }
        }
    };
}
