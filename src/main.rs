//! The binary: all code is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    kirc::cli::run(std::env::args_os())
}
