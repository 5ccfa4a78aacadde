//! What can be wrong with a row module, with its rows, and with a turn.

use genesis::refusal::{Code, Refusal};

/// Why a module is not taken, or a tick did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// The module is not taken, or no code can be made of it.
    #[error("{0}")]
    Refused(Refusal),
    /// The module is about other rows than the world's.
    #[error("the module's `turn` is about other rows ({found}) than the world's ({declared})")]
    Row {
        /// The row by the type of `turn`.
        found: String,
        /// The row by the world.
        declared: String,
    },
    /// What was given for a tick does not fit together.
    #[error("{rows} rows, and {found} {what}")]
    Shape {
        /// What there is too much or too little of.
        what: &'static str,
        /// How much of it there is.
        found: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// The turn of a row trapped.
    #[error("the turn of row {row} (id {id}) failed: {reason}")]
    Trap {
        /// Which of the rows that were given, from 0.
        row: usize,
        /// Whose row it is.
        id: u64,
        /// What happened.
        reason: String,
    },
    /// The turn of a row did not end.
    #[error("the turn of row {row} (id {id}) did not end: it used its {fuel_max} fuel")]
    Fuel {
        /// Which of the rows that were given, from 0.
        row: usize,
        /// Whose row it is.
        id: u64,
        /// How much a row has.
        fuel_max: u64,
    },
}

impl RowError {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.hint.as_deref(),
            Self::Row { .. } => Some(
                "one parameter for each field, in order: i32 for integers of up to 32 bits and truths, else i64, f32, f64",
            ),
            Self::Shape { .. } => None,
            Self::Trap { .. } => Some("try that row alone; a turn may only use what it was given"),
            Self::Fuel { .. } => Some("bound the turn's loops, or allow a row more fuel"),
        }
    }
}

impl From<Refusal> for RowError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RowError> for Refusal {
    fn from(error: RowError) -> Self {
        let code = match &error {
            RowError::Refused(refusal) => return refusal.clone(),
            RowError::Row { .. } => Code::Malformed,
            RowError::Shape { .. } => Code::Internal,
            RowError::Trap { .. } => Code::Fault,
            RowError::Fuel { .. } => Code::TooLarge,
        };
        let refusal = Self::new(code, error.to_string());
        match error.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}
