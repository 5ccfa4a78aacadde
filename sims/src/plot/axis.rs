//! From values to places on a side, and which values are named there: [`Axis`].

/// A range of values, plain or by powers of ten.
///
/// Inside, a logarithmic axis counts in decades: `low` and `high` are logarithms to base 10 (of the `libm`
/// crate, for the same bytes on every machine).
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

/// A value that is named on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Its place: 0 at the low end, 1 at the high end.
    pub(super) at: f64,
    pub(super) label: String,
}

/// A range that is less than this part of its values is shown as if it were one value: floats have no
/// round numbers in between.
const SPAN_MIN: f64 = 1e-9;

impl Axis {
    /// The range of all given values, of which each is a least and a greatest; `None` of nothing.
    pub(super) fn over(values: impl Iterator<Item = (f64, f64)>, log: bool) -> Option<Self> {
        let mut range: Option<(f64, f64)> = None;
        for (least, greatest) in values {
            let (low, high) = range.unwrap_or((least, greatest));
            range = Some((low.min(least), high.max(greatest)));
        }
        let (low, high) = range?;
        let scale = |value| if log { libm::log10(value) } else { value };
        let (mut low, mut high) = (scale(low), scale(high));
        let size = low.abs().max(high.abs());
        if high - low <= size * SPAN_MIN || high - low < 1e-290 {
            let pad = if log { 0.5 } else { size * 0.1 };
            let pad = if pad < 1e-280 { 1.0 } else { pad };
            (low, high) = (low - pad, high + pad);
        }
        Some(Self { low, high, log })
    }

    /// Makes room, so that no line runs along the edge: down to zero if that is near, and to round numbers.
    pub(super) fn widen(&mut self) {
        if self.log {
            let pad = (self.high - self.low) * 0.05;
            (self.low, self.high) = (self.low - pad, self.high + pad);
            return;
        }
        if self.low > 0.0 && self.low < self.high * 0.3 {
            self.low = 0.0;
        }
        let (step, _) = step(self.high - self.low, 8);
        if step.is_normal() {
            self.low = libm::floor(self.low / step) * step;
            self.high = libm::ceil(self.high / step) * step;
        }
    }

    /// The place of a value: 0 at the low end, 1 at the high end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = if self.log { libm::log10(value) } else { value };
        self.part(value)
    }

    /// Halved, because a span may be over what a float holds.
    fn part(&self, value: f64) -> f64 {
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// Round values, about as many as asked for, from the low to the high end.
    pub(super) fn ticks(&self, count: u32) -> Vec<Tick> {
        if self.log {
            let decades = self.decades(count);
            if decades.len() >= 2 {
                return decades;
            }
            // Less than a decade: round values, which stand closer to one another the greater they are.
            let ends = Self {
                low: power_of_ten(self.low),
                high: power_of_ten(self.high),
                log: false,
            };
            let ticks = ends.values(count);
            let ticks = ticks.into_iter().filter(|(value, _)| *value > 0.0);
            return named(ticks, |value| self.part(libm::log10(value)));
        }
        named(self.values(count).into_iter(), |value| self.part(value))
    }

    /// Round values of a plain axis, with their labels.
    fn values(&self, count: u32) -> Vec<(f64, String)> {
        let (step, exponent) = step(self.high - self.low, count);
        if !step.is_normal() {
            return Vec::new();
        }
        let first = libm::ceil(self.low / step - 1e-6);
        let last = libm::floor(self.high / step + 1e-6);
        let mantissa = libm::round(step / power(exponent));
        let size = self.low.abs().max(self.high.abs());
        let mut values = Vec::new();
        let mut index = first;
        while index <= last && values.len() < 100 {
            // As text, so that 3 x 0.1 is 0.3.
            let whole = (index * mantissa) + 0.0;
            let value: f64 = format!("{whole}e{exponent}").parse().unwrap_or(f64::NAN);
            values.push((value, label(value, size)));
            index += 1.0;
        }
        values
    }

    /// Powers of ten, and 2 and 5 times them where there is room.
    fn decades(&self, count: u32) -> Vec<Tick> {
        let span = self.high - self.low;
        let (first, last) = (libm::floor(self.low), libm::ceil(self.high));
        let every = libm::ceil(span / f64::from(count)).max(1.0);
        let between: &[f64] = if span * 3.0 <= f64::from(count) {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut values = Vec::new();
        let mut decade = libm::ceil(first / every) * every;
        while decade <= last && values.len() < 300 {
            for mantissa in between {
                let value: f64 = format!("{mantissa}e{decade}").parse().unwrap_or(f64::NAN);
                values.push((value, label(value, value)));
            }
            decade += every;
        }
        named(values.into_iter(), |value| self.part(libm::log10(value)))
    }
}

/// Ticks at the places of values; what is outside of the axis is left out.
fn named(values: impl Iterator<Item = (f64, String)>, place: impl Fn(f64) -> f64) -> Vec<Tick> {
    let ticks = values.map(|(value, label)| Tick {
        at: place(value),
        label,
    });
    let seen = -1e-6..=1.0 + 1e-6;
    ticks.filter(|tick| seen.contains(&tick.at)).collect()
}

/// The distance of round values, 1, 2 or 5 times a power of ten, and the exponent of that power.
fn step(span: f64, count: u32) -> (f64, i32) {
    let raw = span / f64::from(count.max(1));
    let exponent = libm::floor(libm::log10(raw));
    let exponent = if exponent.is_finite() { exponent } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "exponents of floats are within 400"
    )]
    let exponent = exponent as i32;
    let power = power(exponent);
    let choices = [1.0, 2.0, 5.0];
    for mantissa in choices {
        if raw <= power * mantissa * (1.0 + 1e-9) {
            return (power * mantissa, exponent);
        }
    }
    (power * 10.0, exponent + 1)
}

/// Exact where floats are: by the parser, not by a logarithm.
fn power(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(f64::NAN)
}

fn power_of_ten(exponent: f64) -> f64 {
    libm::pow(10.0, exponent)
}

/// A value as people read it beside others of a size.
fn label(value: f64, size: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e6).contains(&size.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}
