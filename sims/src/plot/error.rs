//! Why a table could not be plotted: [`Error`].

use std::path::PathBuf;

use super::{LINES_MAX, PIXELS_MAX, SIDE_MAX, SIDE_MIN};

/// Why a table could not be plotted.
///
/// The text says in one line what is wrong; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of a file does not say what it is to be.
    #[error("`{}` ends neither in `.svg` nor in `.png`", path.display())]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// The table has no such column.
    #[error("there is no column `{name}`")]
    NoSuchColumn {
        /// What was asked for.
        name: String,
        /// Those that there are.
        columns: Vec<String>,
    },
    /// The column cannot be drawn.
    #[error("column `{name}` holds text, not numbers")]
    NotNumbers {
        /// The column.
        name: String,
    },
    /// More lines than can be told apart.
    #[error("the plot would have {lines} lines, and {LINES_MAX} can be told apart")]
    TooManyLines {
        /// How many there would be.
        lines: usize,
    },
    /// There is nothing to be drawn.
    #[error("there is nothing to plot: {why}")]
    Nothing {
        /// Why not.
        why: &'static str,
    },
    /// The plot is small or large.
    #[error(
        "a plot of {width} x {height} pixels cannot be made: sides are {SIDE_MIN} to {SIDE_MAX} pixels, all in all at most {PIXELS_MAX}"
    )]
    Size {
        /// What was asked for.
        width: u32,
        /// What was asked for.
        height: u32,
    },
    /// The picture could not be drawn or encoded.
    #[error("the picture cannot be drawn: {0}")]
    Draw(String),
    /// The operating system refused; its text names the file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// What to do about it, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::Ending { .. } => "for example: `plot.svg` or `plot.png`".to_owned(),
            Self::NoSuchColumn { columns, .. } => {
                format!("the columns are {}", columns.join(", "))
            }
            Self::NotNumbers { .. } => "name it as a group instead".to_owned(),
            Self::TooManyLines { .. } => {
                "draw fewer columns, group by fewer columns, or select some rows first".to_owned()
            }
            Self::Nothing { .. } => {
                "check which columns are drawn, and whether a logarithmic axis leaves anything over zero"
                    .to_owned()
            }
            Self::Size { .. } => "for example 960 x 600".to_owned(),
            Self::Draw(_) => "report it with the table".to_owned(),
            Self::Io(_) => "check the path, who may use it, and whether the disk is full".to_owned(),
        }
    }
}
