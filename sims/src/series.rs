//! What is collected of a run: a row after each so-many-th tick, and the tidy table that the rows become.
//!
//! The columns of a table are `step`, `seed`, the parameters, what the model collects, and what is counted of each piece
//! (`sheep.births`). A parameter that is called as one of the others has `param.` before its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::data::{self, Kind, Schema, Table, Values};
use crate::live::{Live, RunError};
use crate::model::ModelInfo;
use crate::params::Value;
use crate::plot;

/// The key of a table's metadata that names the columns of what the model collects, with commas between.
pub const SERIES: &str = "series";

/// How the columns are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The columns of the parameters, in the order of the model's declaration, and of which kind each is.
    params: Vec<(String, Kind)>,
    values: Vec<String>,
    counts: Vec<String>,
}

/// What was collected after a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// After which.
    pub step: u64,
    /// What the model collects.
    pub values: Vec<f64>,
    /// What is counted of each piece.
    pub counts: Vec<u64>,
}

/// Which values the parameters have after a tick, until the next era.
#[derive(Clone, Debug, PartialEq)]
pub struct Era {
    /// In the ticks after this one; the first era has tick 0 as well.
    pub after: u64,
    /// In the order of the model's declaration.
    pub values: Vec<Value>,
}

/// Two tables, or a table and a run, that are not the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// After which tick.
    pub step: u64,
    /// In which column.
    pub series: String,
    /// What the table says.
    pub recorded: String,
    /// What came of it now.
    pub recomputed: String,
}

impl Names {
    /// Those of a world.
    pub fn of(live: &dyn Live) -> Self {
        let values: Vec<_> = live
            .observe()
            .values()
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        let counts: Vec<_> = live.counts().into_iter().map(|(name, _)| name).collect();
        let taken: BTreeSet<&str> = values
            .iter()
            .chain(&counts)
            .map(String::as_str)
            .chain(["step", "seed"])
            .collect();
        let params = live.model().params().into_iter().map(|info| {
            let name = if taken.contains(info.name) {
                format!("param.{}", info.name)
            } else {
                info.name.to_owned()
            };
            (name, kind(&info.default))
        });
        Self {
            params: params.collect(),
            values,
            counts,
        }
    }

    /// The columns of the parameters.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.params.iter().map(|(name, _)| name.as_str())
    }

    /// The columns of what the model collects.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// How many numbers a row has beside its step: values, and counts.
    pub(crate) fn widths(&self) -> (usize, usize) {
        (self.values.len(), self.counts.len())
    }

    /// The row of now.
    ///
    /// # Errors
    /// [`RunError::Failed`] if the model does not collect in each tick what it collected in the first.
    pub fn row(&self, live: &dyn Live) -> Result<Row, RunError> {
        let sample = live.observe();
        let counts = live.counts();
        let same = sample
            .values()
            .iter()
            .map(|(name, _)| *name)
            .eq(self.values())
            && counts.iter().map(|(name, _)| name).eq(self.counts.iter());
        if !same {
            let now: Vec<_> = sample.values().iter().map(|(name, _)| *name).collect();
            return Err(RunError::Failed {
                tick: live.now(),
                why: format!(
                    "the model collects {} now and collected {} at first: it must be the same in each tick",
                    now.join(", "),
                    self.values.join(", ")
                ),
            });
        }
        Ok(Row {
            step: live.now(),
            values: sample.values().iter().map(|(_, value)| *value).collect(),
            counts: counts.into_iter().map(|(_, count)| count).collect(),
        })
    }

    /// Names and kinds of all columns.
    ///
    /// # Errors
    /// [`data::Error`]: two of one name, a bad name, too many.
    pub fn schema(&self) -> Result<Schema, data::Error> {
        let numbers = [("step", Kind::U64), ("seed", Kind::U64)];
        let numbers = numbers
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind));
        let values = self.values.iter().map(|name| (name.clone(), Kind::F64));
        let counts = self.counts.iter().map(|name| (name.clone(), Kind::U64));
        Schema::new(
            numbers
                .chain(self.params.iter().cloned())
                .chain(values)
                .chain(counts),
        )
    }

    /// What a table of this model says of itself.
    pub fn metadata(&self, model: &ModelInfo) -> BTreeMap<String, String> {
        let joined = |names: Vec<&str>| names.join(",");
        BTreeMap::from([
            ("model".to_owned(), model.name.to_owned()),
            ("rule".to_owned(), model.rule.to_owned()),
            ("sims".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (plot::PARAMETERS.to_owned(), joined(self.params().collect())),
            (SERIES.to_owned(), joined(self.values().collect())),
        ])
    }

    /// Rows of one run as a table.
    ///
    /// # Errors
    /// As [`Self::schema`].
    pub fn table(&self, rows: &[Row], seed: u64, eras: &[Era]) -> Result<Table, data::Error> {
        let mut table = Table::new();
        table.push("step", rows.iter().map(|row| row.step).collect::<Vec<_>>())?;
        table.push("seed", vec![seed; rows.len()])?;
        for (at, (name, kind)) in self.params.iter().enumerate() {
            let values = rows.iter().map(|row| &era(eras, row.step)[at]);
            table.push(name, column(*kind, values))?;
        }
        for (at, name) in self.values.iter().enumerate() {
            table.push(
                name,
                rows.iter().map(|row| row.values[at]).collect::<Vec<_>>(),
            )?;
        }
        for (at, name) in self.counts.iter().enumerate() {
            table.push(
                name,
                rows.iter().map(|row| row.counts[at]).collect::<Vec<_>>(),
            )?;
        }
        Ok(table)
    }

    /// The rows of a table that was made of them; none if it was not.
    pub fn rows(&self, table: &Table) -> Option<Vec<Row>> {
        if table.rows() == 0 {
            return Some(Vec::new());
        }
        let counts = |name: &str| match table.column(name)? {
            Values::U64(values) => Some(values.as_slice()),
            _ => None,
        };
        let values = |name: &str| match table.column(name)? {
            Values::F64(values) => Some(values.as_slice()),
            _ => None,
        };
        let steps = counts("step")?;
        let values: Vec<_> = self
            .values
            .iter()
            .map(|name| values(name))
            .collect::<Option<_>>()?;
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|name| counts(name))
            .collect::<Option<_>>()?;
        let rows = steps.iter().enumerate().map(|(at, &step)| Row {
            step,
            values: values.iter().map(|column| column[at]).collect(),
            counts: counts.iter().map(|column| column[at]).collect(),
        });
        Some(rows.collect())
    }

    /// Compares a row with the so-many-th row of a table; none if they are the same.
    pub fn difference(
        &self,
        row: &Row,
        seed: u64,
        params: &[Value],
        table: &Table,
        at: usize,
    ) -> Option<Difference> {
        let of = |series: &str, recorded: String, recomputed: String| Difference {
            step: row.step,
            series: series.to_owned(),
            recorded,
            recomputed,
        };
        if at >= table.rows() {
            return Some(of("step", "no such row".to_owned(), row.step.to_string()));
        }
        let fixed = [("step", Value::U64(row.step)), ("seed", Value::U64(seed))];
        let fixed = fixed.iter().map(|(name, value)| (*name, value.clone()));
        let params = self.params().zip(params.iter().cloned());
        let values = self
            .values()
            .zip(row.values.iter().map(|value| Value::F64(*value)));
        let counts = self.counts.iter().map(String::as_str);
        let counts = counts.zip(row.counts.iter().map(|count| Value::U64(*count)));
        for (name, value) in fixed.chain(params).chain(values).chain(counts) {
            let Some(column) = table.column(name) else {
                return Some(of(name, "no such column".to_owned(), value.to_string()));
            };
            if !same(column, at, &value) {
                return Some(of(name, column.shown(at), value.to_string()));
            }
        }
        None
    }
}

/// The values of the parameters in a step.
pub fn era(eras: &[Era], step: u64) -> &[Value] {
    let before = eras.iter().rev().find(|era| era.after < step);
    before.or(eras.first()).map_or(&[], |era| &era.values)
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::U64(_) => Kind::U64,
        Value::F64(_) => Kind::F64,
        Value::Bool(_) => Kind::Bool,
        Value::Text(_) => Kind::Text,
    }
}

/// A column of parameters, which have one kind for life.
fn column<'v>(kind: Kind, values: impl Iterator<Item = &'v Value>) -> Values {
    match kind {
        Kind::U64 => Values::U64(
            values
                .map(|value| {
                    if let Value::U64(value) = value {
                        *value
                    } else {
                        0
                    }
                })
                .collect(),
        ),
        Kind::Bool => Values::Bool(values.map(|value| *value == Value::Bool(true)).collect()),
        Kind::Text => Values::Text(values.map(ToString::to_string).collect()),
        _ => Values::F64(
            values
                .map(|value| {
                    if let Value::F64(value) = value {
                        *value
                    } else {
                        0.0
                    }
                })
                .collect(),
        ),
    }
}

/// Whether a cell holds a value, to the last bit; every NaN is the same.
fn same(column: &Values, at: usize, value: &Value) -> bool {
    let one: Values = match value {
        Value::U64(value) => vec![*value].into(),
        Value::F64(value) => vec![*value].into(),
        Value::Bool(value) => Values::Bool(vec![*value]),
        Value::Text(value) => vec![value.clone()].into(),
    };
    column.is_same(at, &one, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::Crew;
    use crate::model::Setting;
    use crate::models::find;

    #[test]
    fn rows_survive_their_table_and_differences_are_found() {
        let model = find("wolfsheep").unwrap();
        let mut live = model.begin(&Setting::default()).unwrap();
        let names = Names::of(live.as_ref());
        assert!(
            names.params().any(|name| name == "param.sheep"),
            "{names:?}"
        );
        let mut rows = vec![names.row(live.as_ref()).unwrap()];
        live.tick(&Crew::alone()).unwrap();
        rows.push(names.row(live.as_ref()).unwrap());
        let params = live.params();
        let eras = [Era {
            after: 0,
            values: params.clone(),
        }];
        let mut table = names.table(&rows, 0, &eras).unwrap();
        assert_eq!(table.schema().unwrap(), names.schema().unwrap());
        assert_eq!(names.rows(&table).unwrap(), rows);
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(names.difference(row, 0, &params, &table, at), None);
        }
        rows[1].values[0] += 1.0;
        let found = names.difference(&rows[1], 0, &params, &table, 1).unwrap();
        assert_eq!((found.step, found.series.as_str()), (1, "sheep"));
        table = names.table(&rows, 7, &eras).unwrap();
        assert_eq!(
            names
                .difference(&rows[1], 0, &params, &table, 1)
                .unwrap()
                .series,
            "seed"
        );
        assert_eq!(
            names
                .difference(&rows[1], 7, &params, &table, 2)
                .unwrap()
                .recorded,
            "no such row"
        );
    }

    #[test]
    fn parameters_have_the_values_of_their_time() {
        let eras = [
            Era {
                after: 0,
                values: vec![Value::U64(1)],
            },
            Era {
                after: 5,
                values: vec![Value::U64(2)],
            },
        ];
        let of = |step| era(&eras, step)[0].clone();
        assert_eq!(
            [of(0), of(5), of(6), of(99)].map(|value| value.to_string()),
            ["1", "1", "2", "2"]
        );
    }
}
