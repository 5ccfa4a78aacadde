//! What of a table is drawn: [`Lines`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::axis::Axis;
use super::error::Error;
use super::{LINES_MAX, Options, VALUE_MAX};
use crate::data::{Table, Values};

/// Rows of one line that have the same `x`; NaN where they have no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) greatest: f64,
}

/// A line with its place in the legend.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: String,
    /// In the order of `x`.
    pub(super) points: Vec<Point>,
    /// Whether some point stands for rows that differ.
    pub(super) has_band: bool,
}

/// Every line, and the axes that all of them fit on.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) all: Vec<Line>,
    /// What all lines are of, if it is one column.
    pub(super) only: Option<String>,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Lines {
    pub(super) fn of(
        table: &Table,
        options: &Options,
        series: &[String],
        group: &[String],
    ) -> Result<Self, Error> {
        let nothing = |why| Error::Nothing { why };
        let column = |name: &String| {
            table
                .column(name)
                .ok_or_else(|| nothing("a column is gone"))
        };
        let groups = groups(table, group)?;
        let count = groups.len() * series.len();
        if count > LINES_MAX {
            return Err(Error::TooManyLines { lines: count });
        }
        let xs = column(&options.x)?;
        let mut lines = Vec::new();
        for name in series {
            let ys = column(name)?;
            for (label, rows) in &groups {
                let label = match (label.is_empty(), series.len()) {
                    (true, _) => name.clone(),
                    (false, 1) => label.clone(),
                    (false, _) => format!("{name}, {label}"),
                };
                lines.push(line(
                    label,
                    rows.iter().map(|row| (xs.number(*row), ys.number(*row))),
                    options,
                ));
            }
        }
        let points = || lines.iter().flat_map(|line| &line.points);
        let seen = || points().filter(|point| !point.mean.is_nan());
        let x = Axis::over(seen().map(|point| (point.x, point.x)), options.x_log);
        let y = Axis::over(
            seen().map(|point| (point.least, point.greatest)),
            options.y_log,
        );
        let (Some(x), Some(mut y)) = (x, y) else {
            return Err(nothing("no row has a number on both axes"));
        };
        y.widen();
        Ok(Self {
            all: lines,
            only: match series {
                [only] => Some(only.clone()),
                _ => None,
            },
            x,
            y,
        })
    }
}

/// Label and rows of each combination of values of the group columns, in the order of their values.
fn groups(table: &Table, group: &[String]) -> Result<Vec<(String, Vec<usize>)>, Error> {
    let columns: Vec<(&String, &Values)> = group
        .iter()
        .filter_map(|name| Some((name, table.column(name)?)))
        .filter(|(_, values)| differs(values))
        .collect();
    if columns.is_empty() {
        return Ok(vec![(String::new(), (0..table.rows()).collect())]);
    }
    let mut found: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for row in 0..table.rows() {
        let key = columns
            .iter()
            .map(|(_, values)| values.shown(row))
            .collect();
        found.entry(key).or_default().push(row);
        if found.len() > LINES_MAX {
            // How many there are would need memory that nothing bounds.
            return Err(Error::TooManyLines { lines: found.len() });
        }
    }
    let mut groups: Vec<(Vec<String>, Vec<usize>)> = found.into_iter().collect();
    groups.sort_by(|(_, a), (_, b)| {
        let first = |rows: &[usize]| rows.first().copied().unwrap_or_default();
        let by_column = columns
            .iter()
            .map(|(_, values)| compare(values, first(a), first(b)));
        by_column.fold(Ordering::Equal, Ordering::then)
    });
    let groups = groups.into_iter().map(|(key, rows)| {
        let pairs = columns.iter().zip(&key);
        let pairs = pairs.map(|((name, _), value)| format!("{name} = {value}"));
        (pairs.collect::<Vec<_>>().join(", "), rows)
    });
    Ok(groups.collect())
}

fn differs(values: &Values) -> bool {
    (1..values.len()).any(|row| compare(values, 0, row) != Ordering::Equal)
}

/// The order of two rows by one column.
fn compare(values: &Values, a: usize, b: usize) -> Ordering {
    match (values.number(a), values.number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => values.shown(a).cmp(&values.shown(b)),
    }
}

fn line(
    label: String,
    rows: impl Iterator<Item = (Option<f64>, Option<f64>)>,
    options: &Options,
) -> Line {
    let usable = |value: Option<f64>, log: bool| {
        value.filter(|value| value.abs() <= VALUE_MAX && (!log || *value > 0.0))
    };
    let mut rows: Vec<(f64, f64)> = rows
        .filter_map(|(x, y)| {
            Some((
                usable(x, options.x_log)?,
                usable(y, options.y_log).unwrap_or(f64::NAN),
            ))
        })
        .collect();
    // Stable: means are summed in the order of the rows.
    rows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let points: Vec<Point> = rows
        .chunk_by(|(a, _), (b, _)| a.total_cmp(b).is_eq())
        .map(|rows| {
            let values = || rows.iter().map(|(_, y)| *y).filter(|y| !y.is_nan());
            let count = values().count();
            let (least, greatest) = extent(values());
            Point {
                x: rows.first().map_or(f64::NAN, |(x, _)| *x),
                // Divided first, for the sum may be over what a float holds. A value alone stays as it is.
                mean: match count {
                    0 => f64::NAN,
                    count => values()
                        .map(|y| y / count as f64)
                        .sum::<f64>()
                        .clamp(least, greatest),
                },
                least,
                greatest,
            }
        })
        .collect();
    Line {
        has_band: points.iter().any(|point| point.least < point.greatest),
        label,
        points,
    }
}

/// Least and greatest; NaN of nothing.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::NAN, f64::NAN), |(least, greatest), value| {
        (least.min(value), greatest.max(value))
    })
}
