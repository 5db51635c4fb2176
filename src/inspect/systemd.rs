//! The systemd of the image: units as PID 1 would load them, and the initial transaction.

mod assemble;
mod config;
pub mod enablement;
mod firstboot;
pub mod generators;
pub mod getty;
pub mod graph;
mod install;
mod keys;
pub mod load_path;
mod manager;
mod model;
mod mount_options;
pub mod name;
pub mod preset;
mod specifier;
mod stray;
mod syntax;
mod target;
mod transaction;
mod tree;
pub mod unit;
mod version;
mod words;

pub use model::*;

use super::cmdline::CmdlineFacts;
use super::error::Fact;
use super::exec::Executable;
use super::filesystem::FileSystem;
use super::fstab::FstabEntry;
use super::udev::UdevFacts;
use std::sync::Arc;

/// What other parts of the image say, and what the machine will have. The default is a machine about which nothing is known.
pub struct Inputs<'a> {
    /// Command line of the entry that boots.
    pub cmdline: Option<&'a CmdlineFacts>,
    /// `/etc/fstab`.
    pub fstab: &'a [FstabEntry],
    /// udev rules.
    pub udev: Option<&'a UdevFacts>,
    /// Version of the systemd package; read from the library's name when absent.
    pub version: Option<&'a str>,
    /// Release of the kernel that boots (`%v`).
    pub kernel_release: Option<&'a str>,
    /// Names below `/dev` that exist when the generators run: the serial ports, and `hvc0` when virtio_console is built in or
    /// loaded in the initrd. `getty-generator` looks at these.
    pub early_devices: &'a [&'a str],
    /// Names below `/dev` that exist sooner or later on this machine, the early ones included; udev's `SYSTEMD_WANTS` apply to them.
    pub devices: &'a [&'a str],
    /// Reads a program of the image ([`exec::read`](super::exec)); called once per path, for the units of the boot. A name without a
    /// slash is to be searched in systemd's fixed path.
    pub exec: &'a dyn Fn(&str) -> Fact<Executable>,
    /// Units whose programs are looked at although they have no part in the boot.
    pub interesting: &'a [&'a str],
}

fn no_exec(_: &str) -> Fact<Executable> {
    Fact::Absent
}

impl Default for Inputs<'_> {
    fn default() -> Self {
        Inputs {
            cmdline: None,
            fstab: &[],
            udev: None,
            version: None,
            kernel_release: None,
            early_devices: &[],
            devices: &[],
            exec: &no_exec,
            interesting: &[],
        }
    }
}

/// Reads units, generators' work, presets and configuration, and builds the initial transaction. `Absent` when there is no systemd.
pub fn read(rootfs: &Arc<dyn FileSystem>, inputs: &Inputs) -> Fact<SystemdFacts> {
    assemble::read(rootfs.as_ref(), inputs)
}
