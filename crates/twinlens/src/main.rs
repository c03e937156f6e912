//! The command line; everything is in the library.

use std::process::ExitCode;

use twinlens::invocation::Invocation;

fn main() -> ExitCode {
    twinlens::signals::tell_aborts();
    twinlens_nn::ops::keep_freed_memory();
    // What only a process has is read here and handed down as values.
    let invocation =
        Invocation { arguments: std::env::args_os().collect(), executable: std::env::current_exe().ok() };
    twinlens::exit::guard(|| twinlens::cli::run(&invocation)).into()
}
