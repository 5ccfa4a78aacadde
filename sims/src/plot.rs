//! Plots of tables, as SVG or PNG.
//!
//! Read in this order: [`plot`], [`Options`]. A table becomes lines (rows of equal `x` within a group are
//! one point: their mean, with a band from the least to the greatest), lines become a picture (a list of
//! shapes and labels), and a picture is drawn. The same table and options give the same bytes.

mod axis;
mod draw;
mod error;
mod letters;
mod lines;
mod picture;

use std::collections::BTreeSet;
use std::path::Path;

pub use error::Error;

use crate::data::{Kind, Table};
use lines::Lines;

/// Most lines of one plot: seven colours that colour-blind people tell apart, each whole, dashed and dotted.
pub const LINES_MAX: usize = 21;
/// Least width and height of a plot, in pixels.
pub const SIDE_MIN: u32 = 160;
/// Greatest width and height of a plot, in pixels.
pub const SIDE_MAX: u32 = 4096;
/// Most pixels of a plot: those of a screen of 3840 x 2160.
pub const PIXELS_MAX: u32 = 3840 * 2160;
/// Longest text of a title, of a label or in the legend, in characters; what is longer is cut.
pub const TEXT_MAX: usize = 120;
/// A value whose size is over this is left out, as NaN is.
pub const VALUE_MAX: f64 = 1e300;

/// The key of a table's metadata that names the columns of a sweep's parameters, with commas between.
pub const PARAMETERS: &str = "parameters";
/// The column that tells replications apart.
pub const SEED: &str = "seed";

/// What is plotted, and how it looks.
#[derive(Clone, Debug)]
pub struct Options {
    /// The column of the horizontal axis; numbers. Default: `step`.
    pub x: String,
    /// The columns that are drawn; numbers. Default: empty, which stands for all columns of numbers save
    /// `x`, those of `group`, and `seed`.
    pub y: Vec<String>,
    /// Columns each combination of whose values has lines of its own. Rows of equal `x` within one, which
    /// are those of other seeds, are one point. Default: `None`, which stands for the columns that the
    /// table's metadata names under [`PARAMETERS`]. Columns that are everywhere the same make no difference.
    pub group: Option<Vec<String>>,
    /// Above everything. Default: none.
    pub title: Option<String>,
    /// At the horizontal axis. Default: `x`.
    pub x_label: Option<String>,
    /// At the vertical axis. Default: the column that is drawn, if it is one.
    pub y_label: Option<String>,
    /// Powers of ten on the horizontal axis; what is not over zero is left out. Default: no.
    pub x_log: bool,
    /// Powers of ten on the vertical axis; what is not over zero is left out. Default: no.
    pub y_log: bool,
    /// In pixels, [`SIDE_MIN`] to [`SIDE_MAX`]. Default: 960.
    pub width: u32,
    /// In pixels, [`SIDE_MIN`] to [`SIDE_MAX`]. Default: 600.
    pub height: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            x: "step".to_owned(),
            y: Vec::new(),
            group: None,
            title: None,
            x_label: None,
            y_label: None,
            x_log: false,
            y_log: false,
            width: 960,
            height: 600,
        }
    }
}

/// Plots a table to a file that ends in `.svg` or `.png`, which is replaced when the plot is whole.
///
/// A table of any length becomes a bounded picture: of the points that fall into one column of pixels the
/// first, the least, the greatest and the last are drawn, so that peaks stay.
///
/// # Errors
/// [`Error::Ending`]; columns that are not there or are no numbers; [`Error::TooManyLines`];
/// [`Error::Nothing`] if no value can be drawn; [`Error::Size`]; and [`Error::Io`].
pub fn plot(table: &Table, options: &Options, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let ending = path.extension().unwrap_or_default();
    let image = if ending.eq_ignore_ascii_case("svg") {
        svg(table, options)?.into_bytes()
    } else if ending.eq_ignore_ascii_case("png") {
        png(table, options)?
    } else {
        return Err(Error::Ending {
            path: path.to_owned(),
        });
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs_err::write(&part, image)?;
    fs_err::rename(&part, path)?;
    Ok(())
}

/// The text of an SVG image; see [`plot`].
///
/// # Errors
/// As [`plot`], save those of files.
pub fn svg(table: &Table, options: &Options) -> Result<String, Error> {
    draw::svg(&picture::of(&lines(table, options)?, options)?)
}

/// The bytes of a PNG image; see [`plot`].
///
/// # Errors
/// As [`plot`], save those of files.
pub fn png(table: &Table, options: &Options) -> Result<Vec<u8>, Error> {
    draw::png(&picture::of(&lines(table, options)?, options)?)
}

/// Finds the columns and makes lines of them.
fn lines(table: &Table, options: &Options) -> Result<Lines, Error> {
    let side = SIDE_MIN..=SIDE_MAX;
    let (width, height) = (options.width, options.height);
    if !side.contains(&width) || !side.contains(&height) || width * height > PIXELS_MAX {
        return Err(Error::Size { width, height });
    }
    let columns = || table.columns().iter();
    let names = || columns().map(|column| column.name.clone()).collect();
    let known = |name: &str| match table.column(name) {
        Some(values) => Ok(values),
        None => Err(Error::NoSuchColumn {
            name: name.to_owned(),
            columns: names(),
        }),
    };
    let number = |name: &str| match known(name)?.kind() {
        Kind::Text => Err(Error::NotNumbers {
            name: name.to_owned(),
        }),
        _ => Ok(()),
    };
    number(&options.x)?;
    let of_sweep = || {
        let parameters = table.metadata.get(PARAMETERS).map_or("", String::as_str);
        let parameters = parameters.split(',').map(str::trim).map(str::to_owned);
        parameters
            .filter(|name| table.column(name).is_some())
            .collect()
    };
    let mut group: Vec<String> = options.group.clone().unwrap_or_else(of_sweep);
    let mut seen = BTreeSet::new();
    group.retain(|name| seen.insert(name.clone()));
    for name in &group {
        known(name)?;
    }
    let series: Vec<String> = if options.y.is_empty() {
        let not_drawn = |name: &String| *name == options.x || name == SEED || group.contains(name);
        let numbers = columns().filter(|column| column.values.kind() != Kind::Text);
        let names = numbers.map(|column| column.name.clone());
        names.filter(|name| !not_drawn(name)).collect()
    } else {
        options.y.clone()
    };
    for name in &series {
        number(name)?;
    }
    if series.is_empty() {
        return Err(Error::Nothing {
            why: "no column of numbers is left for the vertical axis",
        });
    }
    Lines::of(table, options, &series, &group)
}

#[cfg(test)]
mod tests;
