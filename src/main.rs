//! Arguments and exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    tandem::cli::main()
}
