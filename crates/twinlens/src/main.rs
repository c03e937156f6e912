//! The command line; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    twinlens::signals::tell_aborts();
    twinlens_nn::ops::keep_freed_memory();
    twinlens::exit::guard(|| twinlens::cli::run(std::env::args_os())).into()
}
