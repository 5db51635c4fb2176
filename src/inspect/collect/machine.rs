//! What the test driver's machine has, as far as the image's own files do not say it.

use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::kernel::KernelFacts;
use crate::inspect::modules::ModuleFacts;
use crate::profile::Profile;

/// The kernel makes `/dev/ttyS0` to `/dev/ttyS3` by itself, whether there is hardware behind them or not
/// (`CONFIG_SERIAL_8250_RUNTIME_UARTS`, drivers/tty/serial/8250).
const UARTS: u32 = 4;
/// A kernel cannot be asked for more ports than this.
const MAX_UARTS: u32 = 64;

/// Modules that the boot needs on this machine, with the modalias of their device as QEMU presents it.
const DRIVERS: &[(&str, Option<&str>)] = &[
    ("virtio_blk", Some("virtio:d00000002v00001AF4")),
    (
        "virtio_pci",
        Some("pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00"),
    ),
];

/// Names below `/dev` that exist when systemd's generators run, and those that exist sooner or later.
pub struct Devices {
    pub early: Vec<String>,
    pub all: Vec<String>,
}

/// The devices of the machine. The shell device is there early when nothing has to load its driver later.
pub fn devices(
    profile: &Profile,
    kernel: Option<&KernelFacts>,
    cmdline: Option<&CmdlineFacts>,
    modules: Option<&ModuleFacts>,
) -> Devices {
    let asked = cmdline.and_then(|c| c.value("8250.nr_uarts"));
    let built = kernel
        .and_then(|k| k.config.known())
        .and_then(|c| c.get("CONFIG_SERIAL_8250_RUNTIME_UARTS"));
    let uarts = asked
        .or(built.map(String::as_str))
        .and_then(|n| n.parse().ok())
        .unwrap_or(UARTS)
        .min(MAX_UARTS);
    let mut early: Vec<String> = (0..uarts).map(|n| format!("ttyS{n}")).collect();
    let driver = modules.and_then(|m| m.states.get(&profile.module));
    let mut all = early.clone();
    if !all.contains(&profile.device) {
        all.push(profile.device.clone());
        if driver.is_some_and(|d| d.builtin || d.loaded_in_initrd) {
            early.push(profile.device.clone());
        }
    }
    Devices { early, all }
}

/// Modules to look at: the shell device's, the disk's, and those of the file systems that are mounted.
pub fn wanted<'a>(
    profile: &'a Profile,
    file_systems: &'a [String],
) -> Vec<(&'a str, Option<&'a str>)> {
    let mut wanted = vec![(profile.module.as_str(), Some(profile.modalias.as_str()))];
    wanted.extend(DRIVERS);
    wanted.extend(file_systems.iter().map(|name| (name.as_str(), None)));
    let mut seen = std::collections::BTreeSet::new();
    wanted.retain(|(name, _)| seen.insert(*name));
    wanted
}
