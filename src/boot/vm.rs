//! The running machine as observers see it.

use super::qmp::Qmp;
use std::path::PathBuf;

/// A started QEMU.
#[derive(Debug, Clone)]
pub struct Vm {
    /// QEMU's process id.
    pub pid: u32,
    /// Guest memory in bytes.
    pub memory: u64,
    /// The run's private directory, where QEMU may write, too.
    pub dir: PathBuf,
    /// Control socket; commands may be sent from any thread.
    pub qmp: Qmp,
}
