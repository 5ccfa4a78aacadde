//! What `sim` takes: the command line that every model's crate has.

pub(crate) use sims::cli::Options as Sim;
