//! The values of one parameter in a sweep: lists and ranges.

/// Most values of one axis.
pub const VALUES_MAX: usize = 100_000;
/// Most digits behind the point in a range.
const DECIMALS_MAX: usize = 12;

/// The values of one parameter, or the seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Of which parameter.
    pub name: String,
    /// Its values as they would be typed.
    pub values: Vec<String>,
}

/// An axis that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AxisError {
    /// It is not of the form.
    #[error(
        "`{text}` is not of the form NAME=VALUES, as `vision=5..15:5` and `vision=5,10,15` are"
    )]
    Form {
        /// What was said.
        text: String,
    },
    /// A range goes nowhere.
    #[error(
        "`{text}` goes nowhere: a range is FROM..TO or FROM..TO:STEP, both ends included, with a step above 0"
    )]
    Range {
        /// What was said.
        text: String,
    },
    /// Too many values.
    #[error("`{text}` has more than {VALUES_MAX} values")]
    TooMany {
        /// What was said.
        text: String,
    },
    /// A value stands there twice.
    #[error("`{value}` stands in `{text}` twice")]
    Twice {
        /// What was said.
        text: String,
        /// Which value.
        value: String,
    },
}

impl Axis {
    /// Reads `NAME=VALUES`.
    ///
    /// # Errors
    /// [`AxisError`].
    pub fn parse(text: &str) -> Result<Self, AxisError> {
        match text.split_once('=') {
            Some((name, values)) if !name.trim().is_empty() => Self::of(name.trim(), values),
            _ => Err(AxisError::Form {
                text: text.to_owned(),
            }),
        }
    }

    /// Reads values: some with commas between, each a value or a range of numbers: `5..15:5` is 5, 10 and 15. The steps are
    /// counted in decimals, so that `0.1..0.3:0.1` has 0.3 as it is typed.
    ///
    /// # Errors
    /// [`AxisError`].
    pub fn of(name: &str, text: &str) -> Result<Self, AxisError> {
        let mut values: Vec<String> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            for value in range(part)?.unwrap_or_else(|| vec![part.to_owned()]) {
                if !seen.insert(value.clone()) {
                    let text = text.to_owned();
                    return Err(AxisError::Twice { text, value });
                }
                values.push(value);
            }
            if values.len() > VALUES_MAX {
                return Err(AxisError::TooMany {
                    text: text.to_owned(),
                });
            }
        }
        Ok(Self {
            name: name.to_owned(),
            values,
        })
    }
}

/// The values of a range; none if the text is no range of numbers.
fn range(text: &str) -> Result<Option<Vec<String>>, AxisError> {
    let Some((from, to)) = text.split_once("..") else {
        return Ok(None);
    };
    let (to, step) = to.split_once(':').unwrap_or((to, "1"));
    let decimals =
        [from, to, step].map(|text| text.split_once('.').map_or(0, |(_, digits)| digits.len()));
    let decimals = decimals.into_iter().max().unwrap_or_default();
    let scaled = |text: &str| scaled(text, decimals);
    // `../glider.rle` is a file.
    let (Some(from), Some(to), Some(step)) = (scaled(from), scaled(to), scaled(step)) else {
        return Ok(None);
    };
    if step <= 0 || to < from {
        return Err(AxisError::Range {
            text: text.to_owned(),
        });
    }
    let count = usize::try_from((to - from) / step + 1).unwrap_or(usize::MAX);
    if count > VALUES_MAX {
        return Err(AxisError::TooMany {
            text: text.to_owned(),
        });
    }
    let values = (0..count as i128).map(|at| typed(from + at * step, decimals));
    Ok(Some(values.collect()))
}

/// A decimal number times ten to the number of decimals.
fn scaled(text: &str, decimals: usize) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.replace('_', "");
    if whole.is_empty()
        || whole.len() > 20
        || decimals > DECIMALS_MAX
        || !is_number(&whole)
        || !is_number(part)
    {
        return None;
    }
    let number: i128 = format!("{whole}{part:0<decimals$}").parse().ok()?;
    Some(sign * number)
}

/// The number as one would type it.
fn typed(number: i128, decimals: usize) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> String {
        match Axis::parse(text) {
            Ok(axis) => axis.values.join(" "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn lists_and_ranges() {
        for (text, expected) in [
            ("a=5", "5"),
            ("a=5,10,x y", "5 10 x y"),
            ("a=5..15:5", "5 10 15"),
            ("a=5..14:5", "5 10"),
            ("a=1..3", "1 2 3"),
            ("a=0.1..0.5:0.1", "0.1 0.2 0.3 0.4 0.5"),
            ("a=-1..1:0.5", "-1 -0.5 0 0.5 1"),
            ("a=1,10..12", "1 10 11 12"),
            ("a=7..7", "7"),
            ("a=../glider.rle", "../glider.rle"),
            ("a=0.95..1.05:0.05", "0.95 1 1.05"),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn what_goes_nowhere_is_refused() {
        for (text, expected) in [
            ("a", "not of the form"),
            ("=1", "not of the form"),
            ("a=3..1", "goes nowhere"),
            ("a=1..3:0", "goes nowhere"),
            ("a=1..99999999999", "more than 100000"),
            ("a=1,2,1", "stands in `1,2,1` twice"),
        ] {
            assert!(values(text).contains(expected), "{text}: {}", values(text));
        }
    }
}
