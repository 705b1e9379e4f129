//! The binary, which only calls the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Requests allocate and free the same few sizes on different threads, at which mimalloc is faster than the system's
/// allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    openrun::cli::main()
}
