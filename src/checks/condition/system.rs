//! Conditions about the system: command line, virtualisation, architecture, …

use crate::checks::{Confidence, Context};
use crate::inspect::bootloader::version;
use crate::inspect::cmdline::Word;
use crate::inspect::fnmatch;
use std::cmp::Ordering;

fn yes(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "t" | "1" | "on" => Some(true),
        "no" | "n" | "false" | "f" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// Truth, the reason for it, and how sure it is; `None` when it is not known.
pub fn truth(cx: &Context<'_>, kind: &str, value: &str) -> (Option<bool>, String, Confidence) {
    let certain = |holds, why: String| (holds, why, Confidence::Certain);
    let machine = |holds, why: &str| (holds, why.to_owned(), Confidence::Possible);
    match kind {
        "KernelCommandLine" => {
            let (holds, why) = command_line(cx, value);
            certain(holds, why)
        }
        "Virtualization" => machine(
            virtualization(value),
            "the test driver's machine is a virtual machine under QEMU",
        ),
        "FirstBoot" => {
            let first = cx.systemd().map(|s| s.first_boot);
            let holds = first.zip(yes(value)).map(|(first, want)| first == want);
            let is = if first == Some(true) {
                "has no machine-id yet"
            } else {
                "has its machine-id"
            };
            certain(holds, format!("the image {is}"))
        }
        "Architecture" => architecture(cx, value),
        "KernelModuleLoaded" => {
            let state = cx
                .facts
                .modules
                .known()
                .and_then(|m| m.states.get(&value.replace('-', "_")));
            let gone = state.is_some_and(|s| {
                !s.builtin && !s.in_initrd && s.file == crate::inspect::error::Fact::Absent
            });
            certain(
                gone.then_some(false),
                format!("the image has no module {value}"),
            )
        }
        "Firmware" => match value {
            "uefi" => machine(Some(true), "the machine has UEFI firmware"),
            "device-tree" => machine(Some(false), "the machine has UEFI firmware and ACPI"),
            _ => machine(None, ""),
        },
        // Without a battery systemd takes the machine to be on AC power.
        "ACPower" => machine(yes(value), "the machine has no battery"),
        "User" => match value {
            "root" | "0" | "@system" => {
                certain(Some(true), "the system manager runs as root".into())
            }
            _ => certain(Some(false), "the system manager runs as root".into()),
        },
        "OSRelease" => os_release(cx, value),
        "KernelVersion" => kernel_version(cx, value),
        "Version" => match value.strip_prefix("kernel") {
            Some(rest) => kernel_version(cx, rest),
            None => machine(None, ""),
        },
        _ => machine(None, ""),
    }
}

fn command_line(cx: &Context<'_>, value: &str) -> (Option<bool>, String) {
    let Some(cmdline) = cx.facts.cmdline.known() else {
        return (None, String::new());
    };
    let matches = |w: &Word| match value.split_once('=') {
        Some((key, want)) => w.key == key && w.value.as_deref() == Some(want),
        None => w.key == value,
    };
    let present = cmdline.words.iter().chain(&cmdline.init_words).any(matches);
    let no = if present { "" } else { "no " };
    (
        Some(present),
        format!("the kernel command line has {no}`{value}`"),
    )
}

/// systemd-detect-virt(1) says `kvm`, or `qemu` without acceleration.
fn virtualization(value: &str) -> Option<bool> {
    if let Some(want) = yes(value) {
        return Some(want);
    }
    match value {
        "vm" => Some(true),
        "qemu" | "kvm" | "private-users" => None,
        _ => Some(false),
    }
}

/// Expressions that must all hold, each a comparison or a shell pattern (systemd.unit(5), `ConditionKernelVersion=`).
fn kernel_version(cx: &Context<'_>, value: &str) -> (Option<bool>, String, Confidence) {
    let release = cx.facts.kernel.known().and_then(|k| k.release.as_deref());
    let Some(release) = release else {
        return (None, String::new(), Confidence::Certain);
    };
    // An operator may stand alone before its version.
    let mut holds = true;
    let mut words = value.split_whitespace();
    while let Some(word) = words.next() {
        let word = word.trim_matches(['"', '\'']);
        holds &= match OPERATORS.iter().find(|(sign, _)| word.starts_with(sign)) {
            Some((sign, fits)) => {
                let version = match &word[sign.len()..] {
                    "" => words.next().unwrap_or_default().trim_matches(['"', '\'']),
                    version => version,
                };
                fits(version::compare(release, version))
            }
            None => fnmatch::matches(word, release),
        };
    }
    let why = format!("kernel {release} boots");
    (Some(holds), why, Confidence::Certain)
}

type Fits = fn(Ordering) -> bool;

/// Longer signs first. `$=` and `!$=` (fnmatch) are left to the pattern without a sign.
const OPERATORS: &[(&str, Fits)] = &[
    ("<=", Ordering::is_le),
    (">=", Ordering::is_ge),
    ("==", Ordering::is_eq),
    ("!=", Ordering::is_ne),
    ("<>", Ordering::is_ne),
    ("<", Ordering::is_lt),
    (">", Ordering::is_gt),
    ("=", Ordering::is_eq),
];

fn architecture(cx: &Context<'_>, value: &str) -> (Option<bool>, String, Confidence) {
    let own = cx
        .facts
        .rootfs
        .known()
        .and_then(|r| r.architecture.as_deref())
        .map(|a| match a {
            "x86_64" => "x86-64",
            "aarch64" => "arm64",
            "i686" => "x86",
            "armv7l" => "arm",
            other => other,
        });
    let holds = match (value, own) {
        ("native", _) => Some(true),
        (_, own) => own.map(|own| own == value),
    };
    let why = format!("the image is for {}", own.unwrap_or("another architecture"));
    (holds, why, Confidence::Certain)
}

/// Only `FIELD=value`; the comparisons are left open.
fn os_release(cx: &Context<'_>, value: &str) -> (Option<bool>, String, Confidence) {
    let fields = cx.facts.rootfs.known().and_then(|r| r.os_release.known());
    let pair = value.split_once('=').filter(|(key, want)| {
        key.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') && !want.starts_with('=')
    });
    let (Some(fields), Some((key, want))) = (fields, pair) else {
        return (None, String::new(), Confidence::Certain);
    };
    let own = fields
        .iter()
        .find(|(k, _)| k == key)
        .map(|(_, v)| v.as_str());
    let holds = own == Some(want.trim_matches(['"', '\'']));
    let why = format!("os-release says {key}={}", own.unwrap_or_default());
    (Some(holds), why, Confidence::Certain)
}
