//! The stages of a boot, in the order they are passed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One stage of the boot chain. `Ord` follows the chain.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The host: QEMU, OVMF, accelerator, sockets.
    Host,
    /// OVMF runs.
    Firmware,
    /// systemd-boot, GRUB or a UKI stub is read.
    Bootloader,
    /// The kernel is entered.
    Kernel,
    /// `/init` of the initrd runs.
    Initrd,
    /// The root file system is mounted.
    Rootfs,
    /// PID 1 of the root file system runs.
    Systemd,
    /// The shell device (`/dev/hvc0`) exists.
    Device,
    /// The job of the backdoor unit ran.
    Unit,
    /// The backdoor script runs.
    Script,
    /// The magic line arrived and the shell answers a command.
    Shell,
}

impl Stage {
    /// All stages in boot order.
    pub const ALL: [Stage; 11] = [
        Stage::Host,
        Stage::Firmware,
        Stage::Bootloader,
        Stage::Kernel,
        Stage::Initrd,
        Stage::Rootfs,
        Stage::Systemd,
        Stage::Device,
        Stage::Unit,
        Stage::Script,
        Stage::Shell,
    ];

    /// The stage id used in JSON, rules and docs.
    pub fn id(self) -> &'static str {
        match self {
            Stage::Host => "host",
            Stage::Firmware => "firmware",
            Stage::Bootloader => "bootloader",
            Stage::Kernel => "kernel",
            Stage::Initrd => "initrd",
            Stage::Rootfs => "rootfs",
            Stage::Systemd => "systemd",
            Stage::Device => "device",
            Stage::Unit => "unit",
            Stage::Script => "script",
            Stage::Shell => "shell",
        }
    }

    /// The stage with this id.
    pub fn from_id(id: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|s| s.id() == id)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
