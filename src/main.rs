//! The binary, which only calls the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Suits requests, which allocate and free the same few sizes on different threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    openrun::cli::main()
}
