//! Conditions and assertions of the backdoor unit that cannot be true in this image on the test machine.

use super::{Answer, Check, Context, Violation};
use crate::inspect::systemd::{LoadState, Setting};
use crate::known;
use serde::Deserialize;

/// Which conditions are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// Those about device paths.
    DevicePaths,
    /// All others.
    Others,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitConditions {
    /// Which conditions.
    pub which: Which,
    /// Device names (without `/dev/`) that the machine has besides the shell device.
    #[serde(default)]
    pub devices: Vec<String>,
}

impl Check for UnitConditions {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        known!(cx.facts.systemd);
        let Some(unit) = cx.unit().filter(|u| u.load == LoadState::Loaded) else {
            return Answer::NotApplicable;
        };
        let conditions: Vec<&Setting> = unit
            .settings
            .iter()
            .filter(|s| {
                s.section == "Unit"
                    && (s.key.starts_with("Condition") || s.key.starts_with("Assert"))
                    && !s.value.is_empty()
            })
            .filter(|s| (self.which == Which::DevicePaths) == is_device_path(s))
            // A triggering condition (`|`) only counts together with the other triggering ones.
            .filter(|s| !s.value.starts_with('|'))
            .collect();
        if conditions.is_empty() {
            return Answer::NotApplicable;
        }
        let violations = conditions.iter().filter_map(|s| {
            self.falsehood(cx, s).map(|why| {
                Violation::at_line(
                    &s.origin,
                    format!("{}={} is never true here: {why}", s.key, s.value),
                )
            })
        });
        Answer::from_violations(violations.collect())
    }
}

fn is_device_path(setting: &Setting) -> bool {
    setting.key.contains("Path")
        && setting
            .value
            .trim_start_matches(['!', '|'])
            .starts_with("/dev/")
}

impl UnitConditions {
    /// Why a condition is certainly false; none when it is true or cannot be told.
    fn falsehood(&self, cx: &Context<'_>, setting: &Setting) -> Option<String> {
        let negated = setting.value.starts_with('!');
        let value = setting.value.trim_start_matches('!').trim();
        let kind = setting
            .key
            .trim_start_matches("Condition")
            .trim_start_matches("Assert");
        let truth = self.truth(cx, kind, value)?;
        (truth.0 == negated).then_some(truth.1)
    }

    /// Truth of a condition on the test machine, with the reason; none when it cannot be told offline.
    fn truth(&self, cx: &Context<'_>, kind: &str, value: &str) -> Option<(bool, String)> {
        let cmdline = cx.facts.cmdline.known();
        match kind {
            "PathExists" | "PathIsReadWrite" if value.starts_with("/dev/") => {
                let name = value.trim_start_matches("/dev/");
                let standard = [
                    "null", "zero", "console", "tty", "tty0", "random", "urandom", "vda", "kmsg",
                    "ptmx", "full",
                ]
                .contains(&name);
                let exists =
                    name == cx.profile.device || standard || self.devices.iter().any(|d| d == name);
                // Only names of consoles and serial ports are certain; /dev may hold anything else.
                let certain = exists
                    || name.starts_with("hvc")
                    || name.starts_with("ttyS")
                    || name.starts_with("ttyAMA")
                    || name.starts_with("vport");
                certain.then(|| (exists, format!("the test driver's machine has no {value}")))
            }
            "KernelCommandLine" => {
                let cmdline = cmdline?;
                let word_matches = |w: &crate::inspect::cmdline::Word| match value.split_once('=') {
                    Some((key, want)) => w.key == key && w.value.as_deref() == Some(want),
                    None => w.key == value,
                };
                let present = cmdline
                    .words
                    .iter()
                    .chain(&cmdline.init_words)
                    .any(word_matches);
                Some((
                    present,
                    format!(
                        "the command line has {}`{value}`",
                        if present { "" } else { "no " }
                    ),
                ))
            }
            "Virtualization" => virtualization(value),
            "FirstBoot" => {
                let first = cx.systemd()?.first_boot;
                let want = matches!(value, "yes" | "true" | "1" | "on");
                Some((
                    first == want,
                    format!("this {} a first boot", if first { "is" } else { "is not" }),
                ))
            }
            "Architecture" => {
                let own = cx.facts.rootfs.known()?.architecture.as_deref()?;
                let own = match own {
                    "x86_64" => "x86-64",
                    "aarch64" => "arm64",
                    "i686" => "x86",
                    other => other,
                };
                (value != "native").then(|| (own == value, format!("the image is {own}")))
            }
            "KernelModuleLoaded" => {
                let state = cx
                    .facts
                    .modules
                    .known()?
                    .states
                    .get(&value.replace('-', "_"))?;
                (!state.builtin && state.file.known().is_none() && !state.in_initrd)
                    .then(|| (false, format!("{value} is not in the image")))
            }
            _ => None,
        }
    }
}

/// The test driver's machine is QEMU: `kvm` or, without acceleration, `qemu` (systemd-detect-virt(1)).
fn virtualization(value: &str) -> Option<(bool, String)> {
    let why = "the test driver's machine is a QEMU virtual machine".to_owned();
    match value {
        "yes" | "true" | "1" | "vm" => Some((true, why)),
        "no" | "false" | "0" | "container" | "private-users" => Some((false, why)),
        // One of the two is true; which depends on the accelerator.
        "kvm" | "qemu" => None,
        "vmware" | "microsoft" | "oracle" | "xen" | "bochs" | "uml" | "parallels" | "bhyve"
        | "qnx" | "acrn" | "powervm" | "apple" | "sre" | "google" | "amazon" | "zvm" | "openvz"
        | "lxc" | "lxc-libvirt" | "systemd-nspawn" | "docker" | "podman" | "rkt" | "wsl"
        | "proot" | "pouch" => Some((false, why)),
        _ => None,
    }
}
