//! The `isar-doctor` executable: arguments in, exit code out.

use std::process::ExitCode;

/// A third of inspect's time was page faults and glibc's malloc: many small strings, many buffers that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // QEMU's keeper is this executable too; it must start before anything else does.
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = isar_doctor::boot::keeper::dispatch(&arguments) {
        return code;
    }
    isar_doctor::cli::run()
}
