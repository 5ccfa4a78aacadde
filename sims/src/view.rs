//! A world as text: a map of where everybody is, and a line for each series.
//!
//! Dots of Braille are agents: whoever has a point, a spot of the world's lattice, or fields `x` and `y`. Patches are shades of
//! the mean of their first field. Looking changes nothing: no digest depends on it.

use std::collections::VecDeque;

use crate::agent::Place;
use crate::field::Leaf;
use crate::live::{CohortInfo, Live};
use crate::model::Sample;

/// Most letters of a line.
pub const WIDTH_MAX: usize = 160;
/// Most lines of a map.
pub const MAP_HEIGHT_MAX: usize = 48;
/// Most series that are shown.
pub const SERIES_MAX: usize = 6;
/// Dots of a letter: two beside and four below one another.
const DOTS: (usize, usize) = (2, 4);
/// Shades from the least to the greatest.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// Heights from the least to the greatest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The colours of cohorts, as the numbers that terminals have for them.
const COLOURS: [u8; 6] = [36, 31, 33, 35, 32, 34];

/// What was seen so far, and how large it is drawn.
#[derive(Clone, Debug)]
pub struct View {
    columns: usize,
    rows: usize,
    in_colour: bool,
    series: Vec<(&'static str, VecDeque<f64>)>,
    /// The least and the greatest coordinates so far, so that the map does not jump.
    extent: Option<[f64; 4]>,
}

/// Where rows of a cohort are.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// At the leaves with these numbers.
    Point(usize, usize),
    /// On the spot that this leaf names, of a lattice of this width.
    Spot(usize, u64),
}

/// A letter of the map.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// A bit for each dot.
    dots: u8,
    /// How many dots each cohort has set here.
    colour: usize,
    sum: f64,
    count: u32,
}

impl View {
    /// On a terminal of so many columns and rows.
    pub fn new(columns: usize, rows: usize, in_colour: bool) -> Self {
        Self {
            columns: columns.clamp(20, WIDTH_MAX),
            rows: rows.max(8),
            in_colour,
            series: Vec::new(),
            extent: None,
        }
    }

    /// Remembers what was collected after a tick.
    pub fn note(&mut self, sample: &Sample) {
        for (at, &(name, value)) in sample.values().iter().take(SERIES_MAX).enumerate() {
            if self.series.len() <= at {
                self.series.push((name, VecDeque::new()));
            }
            let (_, values) = &mut self.series[at];
            if values.len() == self.columns {
                values.pop_front();
            }
            values.push_back(value);
        }
    }

    /// The world as it is now; `head` stands above it.
    pub fn frame(&mut self, live: &mut dyn Live, head: &str) -> Vec<String> {
        let mut lines = vec![clipped(head, self.columns)];
        lines.extend(self.map(live));
        lines.extend(
            self.series
                .iter()
                .map(|(name, values)| self.line(name, values)),
        );
        lines
    }

    fn map(&mut self, live: &mut dyn Live) -> Vec<String> {
        let cohorts = live.cohorts();
        let lattice = cohorts.iter().find_map(|cohort| cohort.lattice);
        let placed: Vec<_> = cohorts
            .iter()
            .map(|cohort| located(cohort, lattice))
            .collect();
        if let Some((width, height)) = lattice {
            self.extent = Some([0.0, f64::from(width), 0.0, f64::from(height)]);
        } else {
            for (cohort, place) in cohorts.iter().zip(&placed) {
                if let Some(Where::Point(x, y)) = *place {
                    // A cohort that is named by its world is there.
                    let _ = live.each(cohort.name, &mut |_, leaves| {
                        self.widen(leaves[x].number(), leaves[y].number());
                    });
                }
            }
        }
        let Some([left, right, low, high]) = self.extent else {
            return Vec::new();
        };
        let rows = self
            .rows
            .saturating_sub(2 + self.series.len())
            .clamp(1, MAP_HEIGHT_MAX);
        let (width, height) = ((right - left).max(1e-9), (high - low).max(1e-9));
        // Dots are about square, so that a square world is a square.
        let dots = |count: usize, each: usize| (count * each) as f64;
        let scale = (dots(self.columns, DOTS.0) / width).min(dots(rows, DOTS.1) / height);
        let columns = letters(width * scale, DOTS.0, self.columns);
        let rows = letters(height * scale, DOTS.1, rows);
        let mut cells = vec![Cell::default(); columns * rows];
        let dot = |value: f64, from: f64, letters: usize, each: usize| {
            whole((value - from) * scale).min(letters * each - 1)
        };
        for (at, (cohort, place)) in cohorts.iter().zip(&placed).enumerate() {
            let mut see = |x: f64, y: f64, ground: Option<f64>| {
                let (x, y) = (dot(x, left, columns, DOTS.0), dot(y, low, rows, DOTS.1));
                let cell = &mut cells[y / DOTS.1 * columns + x / DOTS.0];
                if let Some(value) = ground {
                    cell.sum += value;
                    cell.count += 1;
                } else {
                    cell.dots |= braille(x % DOTS.0, y % DOTS.1);
                    cell.colour = at;
                }
            };
            let seen = match (cohort.lattice, *place) {
                (Some((width, _)), _) => {
                    let mut spot = 0;
                    live.each(cohort.name, &mut |_, leaves| {
                        let value = leaves.first().map_or(0.0, |leaf| leaf.number());
                        see(
                            (spot % u64::from(width)) as f64,
                            (spot / u64::from(width)) as f64,
                            Some(value),
                        );
                        spot += 1;
                    })
                }
                (None, Some(Where::Point(x, y))) => live.each(cohort.name, &mut |_, leaves| {
                    see(leaves[x].number(), leaves[y].number(), None);
                }),
                (None, Some(Where::Spot(leaf, width))) => {
                    live.each(cohort.name, &mut |_, leaves| {
                        if let Leaf::U64(spot) = leaves[leaf] {
                            see((spot % width) as f64, (spot / width) as f64, None);
                        }
                    })
                }
                (None, None) => Ok(()),
            };
            // A cohort that is named by its world is there.
            let _ = seen;
        }
        self.drawn(&cells, columns)
    }

    /// Makes room for a place.
    fn widen(&mut self, x: f64, y: f64) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let [left, right, low, high] = self.extent.unwrap_or([x, x, y, y]);
        self.extent = Some([left.min(x), right.max(x), low.min(y), high.max(y)]);
    }

    fn drawn(&self, cells: &[Cell], columns: usize) -> Vec<String> {
        let means = cells
            .iter()
            .filter(|cell| cell.count > 0)
            .map(|cell| cell.sum / f64::from(cell.count));
        let (least, greatest) = means.fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, greatest), mean| (least.min(mean), greatest.max(mean)),
        );
        let lines = cells.chunks(columns).map(|cells| {
            let mut line = String::new();
            let mut colour = None;
            for cell in cells {
                let now = (cell.dots != 0 && self.in_colour)
                    .then(|| COLOURS[cell.colour % COLOURS.len()]);
                if now != colour {
                    line.push_str(&now.map_or("\x1b[0m".to_owned(), |now| format!("\x1b[{now}m")));
                    colour = now;
                }
                line.push(if cell.dots != 0 {
                    char::from_u32(0x2800 + u32::from(cell.dots)).unwrap_or('.')
                } else if cell.count > 0 {
                    SHADES[level(
                        cell.sum / f64::from(cell.count),
                        least,
                        greatest,
                        SHADES.len(),
                    )]
                } else {
                    ' '
                });
            }
            if colour.is_some() {
                line.push_str("\x1b[0m");
            }
            line
        });
        lines.collect()
    }

    /// `sheep ▁▂▅█▇ 1234`
    fn line(&self, name: &str, values: &VecDeque<f64>) -> String {
        let last = values.back().copied().unwrap_or_default();
        let last = format!("{last:.6}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned();
        let room = self
            .columns
            .saturating_sub(name.chars().count() + last.chars().count() + 2);
        let shown = || {
            values
                .iter()
                .skip(values.len().saturating_sub(room))
                .copied()
        };
        let finite = || shown().filter(|value| value.is_finite());
        let least = finite().fold(f64::INFINITY, f64::min);
        let greatest = finite().fold(f64::NEG_INFINITY, f64::max);
        let bars: String = shown()
            .map(|value| BARS[level(value, least, greatest, BARS.len())])
            .collect();
        clipped(&format!("{name} {bars} {last}"), self.columns)
    }
}

/// Where the rows of a cohort are, if anything says so.
fn located(cohort: &CohortInfo, lattice: Option<(u32, u32)>) -> Option<Where> {
    let mut leaf = 0;
    let (mut x, mut y) = (None, None);
    for field in cohort.fields {
        match (field.place, lattice) {
            (Place::Point, _) => return Some(Where::Point(leaf, leaf + 1)),
            (Place::Spot, Some((width, _))) => {
                return Some(Where::Spot(leaf, u64::from(width.max(1))));
            }
            (Place::Spot, None) | (Place::No, _) => {}
        }
        match field.name {
            "x" => x = Some(leaf),
            "y" => y = Some(leaf),
            _ => {}
        }
        leaf += field.leaves.len();
    }
    Some(Where::Point(x?, y?))
}

/// The bit of a dot. Source: Unicode, block Braille Patterns.
fn braille(x: usize, y: usize) -> u8 {
    const BITS: [[u8; 4]; 2] = [[0, 1, 2, 6], [3, 4, 5, 7]];
    1 << BITS[x][y]
}

/// How many letters so many dots take: at least one, at most as many as there is room for.
fn letters(dots: f64, each: usize, most: usize) -> usize {
    whole((dots / each as f64).ceil()).clamp(1, most)
}

/// The whole part of a number that is not below zero; 0 of what is no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, as it should"
)]
fn whole(value: f64) -> usize {
    value as usize
}

/// Which of some levels a value has between the least and the greatest.
fn level(value: f64, least: f64, greatest: f64, levels: usize) -> usize {
    let span = greatest - least;
    if !(span > 0.0 && value.is_finite()) {
        return 0;
    }
    whole((value - least) / span * levels as f64).min(levels - 1)
}

/// The first letters of a line.
fn clipped(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::Crew;
    use crate::model::Setting;
    use crate::models::{MODELS, find};
    use crate::params::Value;

    #[test]
    fn a_pasture_on_a_few_lines() {
        let setting = Setting {
            preset: Some("small".to_owned()),
            set: vec![
                ("sheep".to_owned(), Value::U64(3)),
                ("wolves".to_owned(), Value::U64(1)),
            ],
            seed: 4,
            ..Setting::default()
        };
        let mut live = find("wolfsheep").unwrap().begin(&setting).unwrap();
        let mut view = View::new(40, 12, false);
        for _ in 0..5 {
            live.tick(&Crew::alone()).unwrap();
            view.note(&live.observe());
        }
        insta::assert_snapshot!(view.frame(live.as_mut(), "wolfsheep, tick 5").join("\n"));
    }

    #[test]
    fn looking_at_any_model_changes_nothing_and_stays_within_the_terminal() {
        let crew = Crew::alone();
        for model in MODELS {
            let digest = |look: bool| {
                let mut live = model
                    .begin(&Setting {
                        seed: 3,
                        ..Setting::default()
                    })
                    .unwrap();
                let mut view = View::new(60, 20, true);
                for _ in 0..3 {
                    live.tick(&crew).unwrap();
                    if look {
                        view.note(&live.observe());
                        let frame = view.frame(live.as_mut(), model.name);
                        assert!(frame.len() <= 20, "{}: {} lines", model.name, frame.len());
                    }
                }
                live.digest()
            };
            assert_eq!(digest(true), digest(false), "{}", model.name);
        }
    }

    #[test]
    fn birds_are_dots_and_nothing_is_no_number() {
        let mut live = find("flocking")
            .unwrap()
            .begin(&Setting::default())
            .unwrap();
        let mut view = View::new(40, 24, false);
        let mut sample = Sample::default();
        sample.value("odd", f64::NAN);
        view.note(&sample);
        let frame = view.frame(live.as_mut(), "x");
        let dots = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
        assert!(
            frame
                .iter()
                .flat_map(|line| line.chars())
                .filter(|&c| dots(c))
                .count()
                > 50,
            "{frame:?}"
        );
        assert_eq!(frame.last().map(String::as_str), Some("odd ▁ NaN"));
    }
}
