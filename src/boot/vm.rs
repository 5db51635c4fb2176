//! The running machine as observers see it.

use super::qmp::Qmp;

/// A started QEMU.
#[derive(Debug, Clone)]
pub struct Vm {
    /// QEMU's process id.
    pub pid: u32,
    /// Guest memory in bytes.
    pub memory: u64,
    /// Guest memory is a shared memfd that can be opened through `/proc/<pid>/fd`
    /// (its link reads `/memfd:…`).
    pub memory_is_memfd: bool,
    /// Control socket; commands may be sent from any thread.
    pub qmp: Qmp,
}
