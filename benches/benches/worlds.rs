//! Worlds beside the simulators of others and beside hand-written arrays.

fn main() {}
