//! The price of a token: a walk of the world's own, or a file.

use std::sync::Arc;

use fs_err as fs;

use crate::params::{Param, Value};
use crate::random::Stream;

/// The longest file of prices, in bytes.
pub const FILE_LEN_MAX: u64 = 4 << 20;

/// What a token costs at least and at most, in microeuros: 0.001 and 1,000 euros. Within them, no product of a rate, hours and
/// a price leaves 64 bits.
pub const PRICE_MIN: u64 = 1_000;
/// The most.
pub const PRICE_MAX: u64 = 1_000_000_000;

/// How many prices a feed has at most: more than a year of hours. They are kept with the parameters of every run.
pub const PRICES_MAX: usize = 10_000;

/// The prices of a token, tick by tick, in microeuros; none if the price walks. After the last, that stays.
///
/// As a parameter it is written as the name of a CSV file with a column `price` in euros, or as the prices themselves, in
/// euros with blanks between them. It is kept in the second way, so that a run needs no file to go on or to be verified.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feed(Arc<[u64]>);

impl Feed {
    /// The price at a tick; none if there is no feed.
    pub fn at(&self, tick: u64) -> Option<u64> {
        let at = usize::try_from(tick).unwrap_or(usize::MAX);
        self.0.get(at).or(self.0.last()).copied()
    }

    fn find(text: &str) -> Result<Self, String> {
        let listed: Option<Vec<u64>> = text.split_whitespace().map(price).collect();
        let prices = match listed {
            Some(prices) => prices,
            None => read(text)?,
        };
        match prices.len() {
            0..=PRICES_MAX => Ok(Self(prices.into())),
            len => Err(format!("{len} prices; {PRICES_MAX} are the most")),
        }
    }
}

impl From<&str> for Feed {
    /// What is no feed is none: for defaults.
    fn from(text: &str) -> Self {
        Self::find(text).unwrap_or_default()
    }
}

impl Param for Feed {
    type Range = ();
    type Written = &'static str;
    const EXPECTED: &'static str = "prices in euros, or the name of a file";

    fn written(text: &'static str) -> Self {
        text.into()
    }

    fn value(&self) -> Value {
        let prices = self.0.iter().map(|price| {
            let text = format!("{}.{:06}", price / 1_000_000, price % 1_000_000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        });
        Value::Text(prices.collect::<Vec<_>>().join(" "))
    }

    fn from_value(value: &Value) -> Option<Self> {
        Self::find(&value.to_string()).ok()
    }

    fn why_not(value: &Value) -> Option<String> {
        Self::find(&value.to_string()).err()
    }

    fn range((): &()) -> Option<(Value, Value)> {
        None
    }

    fn nearest(&self, (): &()) -> Self {
        self.clone()
    }
}

/// Prices from a CSV file.
fn read(path: &str) -> Result<Vec<u64>, String> {
    // The error of `fs_err` names the file.
    let failed = |why: std::io::Error| why.to_string();
    let len = fs::metadata(path).map_err(failed)?.len();
    if len > FILE_LEN_MAX {
        return Err(format!("{path}: {len} bytes; {FILE_LEN_MAX} are the most"));
    }
    parse(&fs::read_to_string(path).map_err(failed)?).map_err(|why| format!("{path}: {why}"))
}

/// The same from its text.
fn parse(text: &str) -> Result<Vec<u64>, String> {
    let mut lines = (1_u64..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines
        .next()
        .ok_or("line 1: a header with a column `price` is missing")?;
    let mut names = header.split(',').map(|name| name.trim().trim_matches('"'));
    let column = names.position(|name| name == "price");
    let column =
        column.ok_or_else(|| format!("line 1: no column is called `price` in {header:?}"))?;
    let mut prices = Vec::new();
    for (number, line) in lines {
        let field = line
            .split(',')
            .nth(column)
            .map(|field| field.trim().trim_matches('"'));
        let price = field.and_then(micros).filter(|&price| price >= PRICE_MIN);
        prices.push(price.ok_or_else(|| {
            format!(
                "line {number}: the price {:?} is no amount from 0.001 to 1000",
                field.unwrap_or_default()
            )
        })?);
    }
    if prices.is_empty() {
        return Err("there is no price".to_owned());
    }
    Ok(prices)
}

/// A price in euros, as microeuros.
fn price(text: &str) -> Option<u64> {
    micros(text).filter(|price| (PRICE_MIN..=PRICE_MAX).contains(price))
}

/// `0.2431` as 243,100, digit by digit, so that no rounding of a platform is in it. Digits beyond the sixth are cut off.
fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || !digits(whole) || !digits(part) || whole.len() + part.len() == 0 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    whole
        .checked_mul(1_000_000)?
        .checked_add(part.parse().ok()?)
}

/// The price after one more tick of a walk: up or down by at most so many thousandths.
pub fn step(price: u64, volatility: u64, lots: &mut Stream) -> u64 {
    let volatility = volatility.min(999);
    let by = 1_000 + lots.below(2 * volatility + 1) - volatility;
    // Rounded to the nearest, so that small prices do not sink by rounding alone.
    ((price * by + 500) / 1_000).clamp(PRICE_MIN, PRICE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_digit_by_digit() {
        let check = |text: &str, prices: Result<&[u64], &str>| {
            let found = parse(text);
            assert_eq!(found.as_deref().map_err(String::as_str), prices, "{text:?}");
        };
        check("price\n0.25\n1\n.5\n", Ok(&[250_000, 1_000_000, 500_000]));
        check(
            "day,price\r\n1,0.2431999\r\n\r\n2, \"3.\"\r\n",
            Ok(&[243_199, 3_000_000]),
        );
        check("", Err("line 1: a header with a column `price` is missing"));
        check(
            "cost\n1\n",
            Err("line 1: no column is called `price` in \"cost\""),
        );
        check("price\n", Err("there is no price"));
        for bad in [
            "-1",
            "1e3",
            "abc",
            "0",
            ".",
            "1.2.3",
            "99999999999999999999",
            "",
        ] {
            let text = format!("price,x\n0.5,1\n{bad},1\n");
            let why = format!("line 3: the price {bad:?} is no amount from 0.001 to 1000");
            check(&text, Err(&why));
        }
    }

    #[test]
    fn a_feed_is_kept_as_its_prices() {
        let feed = Feed::find("0.25 1 .0625001 3.10").unwrap();
        assert_eq!(feed.value(), Value::Text("0.25 1 0.0625 3.1".to_owned()));
        assert_eq!(Feed::from_value(&feed.value()), Some(feed.clone()));
        assert_eq!(
            [0, 1, 3, 4, u64::MAX].map(|tick| feed.at(tick)),
            [250_000, 1_000_000, 3_100_000, 3_100_000, 3_100_000].map(Some)
        );
        assert_eq!(Feed::find("").unwrap().at(0), None);
        let why = Feed::why_not(&Value::Text("no/such/file.csv".to_owned())).unwrap();
        assert!(why.contains("no/such/file.csv"), "{why}");
        let many = "1 ".repeat(PRICES_MAX + 1);
        assert_eq!(
            Feed::find(&many).unwrap_err(),
            "10001 prices; 10000 are the most"
        );
    }

    #[test]
    fn a_walk_stays_within_its_bounds_and_does_not_drift_by_rounding() {
        let mut lots = Stream::at(3, 1, 0);
        let mut price = 250_000;
        for _ in 0..10_000 {
            let next = step(price, 20, &mut lots);
            assert!(next.abs_diff(price) <= price / 50 + 1);
            price = next;
        }
        assert_eq!(step(1_234_567, 0, &mut lots), 1_234_567);
    }
}
