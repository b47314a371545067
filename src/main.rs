//! Hands the arguments to `cli` and turns the outcome into an exit status.

fn main() {}
