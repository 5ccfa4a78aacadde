//! Sweeps: a run for each combination of parameter values and each seed, over all cores, as one table.
//!
//! Read in this order: [`Axis`] (values of one parameter, or seeds), [`Plan`] (which runs there are, in which order), [`Sweep`]
//! (a folder, in which they are run). Each run has one thread, and leaves its rows in a file of its own when it has ended; a
//! sweep that was stopped runs the others. The table has the runs in the order of the plan, whichever ended first.

mod axis;
mod folder;
mod verify;

pub use axis::{Axis, AxisError, VALUES_MAX};
pub use folder::{Outcome, RunRecord, Sweep, SweepRecord};
pub use verify::{read, verify};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::folder::Format;
use crate::live::RunError;
use crate::model::{ModelInfo, Setting};
use crate::params::Value;

/// The file that says what a folder is a sweep of.
pub(crate) const RECORD: &str = "sweep.json";
/// The folder of what single runs left.
pub(crate) const RUNS: &str = "model.runs";

/// Most runs of a sweep.
pub const RUNS_MAX: usize = 1_000_000;

/// Which runs there are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of which model.
    pub model: String,
    /// All parameters; those of the axes have the values of the first run.
    pub params: BTreeMap<String, Json>,
    /// The parameters that differ between runs. The last one changes fastest, but for the seed.
    pub axes: Vec<(String, Vec<Json>)>,
    /// The seeds, each for every combination.
    pub seeds: Vec<u64>,
    /// To which tick each run goes.
    pub steps: u64,
    /// After each so-many-th tick a row.
    pub collect_every: u64,
    /// How the table is written.
    pub format: Format,
    /// What each combination of the axes' values begins with: resolved once, in the order of the runs.
    #[serde(skip)]
    points: Vec<Vec<Value>>,
}

/// One run of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its place in the plan.
    pub index: usize,
    /// With what it begins.
    pub setting: Setting,
    /// The values of the axes' parameters.
    pub values: Vec<(String, Value)>,
}

impl Plan {
    /// The plan of some axes over a setting; every combination is checked, but nothing is run.
    ///
    /// # Errors
    /// [`RunError::Param`] of the first wrong combination.
    pub fn new(
        model: &ModelInfo,
        base: &Setting,
        axes: &[Axis],
        seeds: Vec<u64>,
        steps: u64,
    ) -> Result<Self, RunError> {
        let combinations = axes.iter().map(|axis| axis.values.len()).product();
        let mut points = Vec::with_capacity(combinations);
        for at in 0..combinations {
            let mut setting = base.clone();
            let mut rest = at;
            let mut chosen = Vec::new();
            for axis in axes.iter().rev() {
                chosen.push((
                    axis.name.clone(),
                    Value::Text(axis.values[rest % axis.values.len()].clone()),
                ));
                rest /= axis.values.len();
            }
            setting.set.extend(chosen.into_iter().rev());
            points.push(model.resolve(&setting)?);
        }
        let infos = model.params();
        let named = |values: &[Value]| -> BTreeMap<String, Json> {
            infos
                .iter()
                .zip(values)
                .map(|(info, value)| (info.name.to_owned(), value.into()))
                .collect()
        };
        let axes = axes.iter().enumerate().map(|(at, axis)| {
            let place = infos
                .iter()
                .position(|info| info.name == axis.name)
                .unwrap_or_default();
            let stride: usize = axes[at + 1..]
                .iter()
                .map(|axis| axis.values.len())
                .product();
            let values =
                (0..axis.values.len()).map(|value| Json::from(&points[value * stride][place]));
            (axis.name.clone(), values.collect())
        });
        Ok(Self {
            model: model.name.to_owned(),
            params: points
                .first()
                .map(|values| named(values))
                .unwrap_or_default(),
            axes: axes.collect(),
            seeds,
            steps,
            collect_every: 1,
            format: Format::default(),
            points,
        })
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.points.len() * self.seeds.len()
    }

    /// `3 x 2 x 30`: the values of each axis, and the seeds.
    pub fn shape(&self) -> String {
        let counts = self
            .axes
            .iter()
            .map(|(_, values)| values.len())
            .chain([self.seeds.len()]);
        counts
            .map(|count| count.to_string())
            .collect::<Vec<_>>()
            .join(" x ")
    }

    /// The so-many-th run.
    pub fn point(&self, model: &ModelInfo, index: usize) -> Point {
        let values = &self.points[index / self.seeds.len()];
        let named: Vec<_> = model
            .params()
            .iter()
            .zip(values)
            .map(|(info, value)| (info.name.to_owned(), value.clone()))
            .collect();
        let swept = named
            .iter()
            .filter(|(name, _)| self.axes.iter().any(|(axis, _)| axis == name));
        Point {
            index,
            values: swept.cloned().collect(),
            setting: Setting {
                seed: self.seeds[index % self.seeds.len()],
                set: named,
                ..Setting::default()
            },
        }
    }

    /// The same plan, read from a file: its combinations are resolved again.
    ///
    /// # Errors
    /// [`RunError::Param`]: a value that the model does not take.
    pub fn resolved(mut self, model: &ModelInfo) -> Result<Self, RunError> {
        let base = Setting {
            set: self
                .params
                .iter()
                .map(|(name, value)| (name.clone(), Value::from_json(value)))
                .collect(),
            ..Setting::default()
        };
        let axes: Vec<_> = self
            .axes
            .iter()
            .map(|(name, values)| Axis {
                name: name.clone(),
                values: values
                    .iter()
                    .map(|value| Value::from_json(value).to_string())
                    .collect(),
            })
            .collect();
        self.points = Self::new(model, &base, &axes, self.seeds.clone(), self.steps)?.points;
        Ok(self)
    }
}

/// `vision=5, seed 3`: what sets a run apart.
impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.values {
            write!(f, "{name}={value}, ")?;
        }
        write!(f, "seed {}", self.setting.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::find;

    #[test]
    fn runs_stand_in_the_order_of_the_plan() {
        let model = find("flocking").unwrap();
        let axes = [
            Axis::parse("vision=5..15:5").unwrap(),
            Axis::parse("birds=10,20").unwrap(),
        ];
        let plan = Plan::new(model, &Setting::default(), &axes, vec![1, 2], 10).unwrap();
        assert_eq!((plan.runs(), plan.shape().as_str()), (12, "3 x 2 x 2"));
        let names: Vec<_> = (0..5)
            .map(|index| plan.point(model, index).to_string())
            .collect();
        assert_eq!(
            names,
            [
                "birds=10, vision=5, seed 1",
                "birds=10, vision=5, seed 2",
                "birds=20, vision=5, seed 1",
                "birds=20, vision=5, seed 2",
                "birds=10, vision=10, seed 1",
            ]
        );
        let text = serde_json::to_string(&plan).unwrap();
        let read: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(read.resolved(model).unwrap(), plan);
    }

    #[test]
    fn every_combination_is_checked_before_the_first_run() {
        let model = find("flocking").unwrap();
        let axes = [Axis::parse("vision=5,1e9").unwrap()];
        let error = Plan::new(model, &Setting::default(), &axes, vec![1], 10).unwrap_err();
        assert!(error.to_string().contains("outside"), "{error}");
    }
}
