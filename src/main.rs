//! Hands the arguments to `cli` and turns the outcome into an exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    tailwater::cli::main(std::env::args_os())
}
