//! Arguments and exit codes.

use std::process::ExitCode;

/// What one thread of the hub makes another lets go of. The system's allocator took a quarter of all events for that
/// (`benches/ingest`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tandem::cli::main()
}
