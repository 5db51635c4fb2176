//! From the firmware to the initrd.

use super::Sides;
use super::change::{Change, Weight, words};
use super::normal::Names;
use crate::inspect::bootloader::{LoaderFacts, LoaderKind};
use crate::inspect::cmdline::{CmdlineFacts, Word};
use crate::inspect::facts::Facts;
use crate::inspect::initrd::{Generator, InitrdFacts};
use crate::inspect::modules::ModuleState;
use crate::inspect::source::Location;
use crate::stage::Stage;
use std::collections::BTreeMap;

/// A loader's name for people.
pub fn loader_name(kind: LoaderKind) -> &'static str {
    match kind {
        LoaderKind::SystemdBoot => "systemd-boot",
        LoaderKind::Grub => "GRUB",
        LoaderKind::Uki => "unified kernel image",
        LoaderKind::Shim => "shim",
        LoaderKind::EfiBootGuard => "EFI Boot Guard",
        LoaderKind::Unknown => "unknown loader",
    }
}

pub(super) fn compare(sides: &Sides<'_>, out: &mut Vec<Change>) {
    firmware(sides, out);
    loader(sides, out);
    cmdline(sides, out);
    kernel(sides, out);
    initrd(sides, out);
    modules(sides, out);
}

fn firmware(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let table = |f: &Facts| {
        words(&f.disk, |d| {
            let parts = d.partitions.iter().map(|p| {
                let kind = p.type_name.as_deref().unwrap_or(&p.type_id);
                let fs = p.content.fs_type.as_deref().unwrap_or("nothing known");
                format!("{} {kind} ({fs})", p.id)
            });
            format!("{:?}: {}", d.table, parts.collect::<Vec<_>>().join(", "))
        })
    };
    out.extend(Change::of(
        Stage::Firmware,
        "partitions",
        table(good),
        table(bad),
    ));
    let program = |f: &Facts| {
        words(&f.esp, |e| {
            words(&e.removable, |pe| {
                let signed = if pe.signed { "signed" } else { "not signed" };
                let path = pe.location.path.as_deref().unwrap_or_default();
                format!("{} ({}, {signed})", path.to_ascii_lowercase(), pe.machine)
            })
            .unwrap_or_else(|| "no loader at the removable-media path".into())
        })
    };
    out.extend(Change::of(
        Stage::Firmware,
        "EFI program",
        program(good),
        program(bad),
    ));
}

fn loader(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let name = |l: &LoaderFacts| {
        let version = l.version.as_deref().unwrap_or("of unknown version");
        format!("{} {version}", loader_name(l.kind))
    };
    let config = |f: &Facts| {
        let loader = f.loader.known()?;
        Some(loader.config.known()?.location())
    };
    out.extend(
        Change::of(
            Stage::Bootloader,
            "loader",
            words(&good.loader, name),
            words(&bad.loader, name),
        )
        .map(|c| c.at(config(bad).or_else(|| config(good)))),
    );
    let entry = |f: &Facts, names: &Names| {
        let loader = f.loader.known()?;
        let Some(entry) = loader.selected_entry() else {
            return Some("boots nothing".to_owned());
        };
        let initrds: Vec<String> = entry.initrds.iter().map(|i| names.path(&i.path)).collect();
        let linux = entry.linux.as_ref().map_or("none", |l| l.path.as_str());
        Some(format!(
            "`{}`, kernel {}, initrd {}",
            names.path(&entry.id),
            names.path(linux),
            if initrds.is_empty() {
                "none".to_owned()
            } else {
                initrds.join(" + ")
            }
        ))
    };
    let place = |f: &Facts| {
        let origin = f.loader.known()?.selected_entry()?.origin.as_ref()?;
        Some(origin.location())
    };
    out.extend(
        Change::of(
            Stage::Bootloader,
            "entry that boots",
            entry(good, &sides.good_names),
            entry(bad, &sides.bad_names),
        )
        .map(|c| c.at(place(bad))),
    );
    let counted = |l: &LoaderFacts| {
        let timeout = match l.timeout {
            None => "no menu".to_owned(),
            Some(u32::MAX) => "the menu waits for ever".to_owned(),
            Some(n) => format!("menu for {n} s"),
        };
        format!("{} entries, {timeout}", l.entries.len())
    };
    out.extend(Change::of(
        Stage::Bootloader,
        "menu",
        good.loader.known().map(counted),
        bad.loader.known().map(counted),
    ));
}

fn cmdline(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let text = |f: &Facts| words(&f.cmdline, |c| c.text.clone());
    let (Some(good), Some(bad)) = (sides.good.cmdline.known(), sides.bad.cmdline.known()) else {
        out.extend(Change::of(
            Stage::Kernel,
            "command line",
            text(sides.good),
            text(sides.bad),
        ));
        return;
    };
    let (removed, added) = cmdline_words(
        &spelled(good, &sides.good_names),
        &spelled(bad, &sides.bad_names),
    );
    let joined = |words: Vec<String>| (!words.is_empty()).then(|| words.join(" "));
    let place = bad.origins.first().map(|o| o.location());
    out.extend(
        Change::of(
            Stage::Kernel,
            "command line",
            joined(removed),
            joined(added),
        )
        .map(|c| c.at(place)),
    );
    let consoles = |c: &CmdlineFacts| c.values("console").collect::<Vec<_>>().join(", ");
    let last = |c: &CmdlineFacts| c.value("console").map(str::to_owned);
    if last(good) != last(bad) {
        let told = |c: &CmdlineFacts| match c.value("console") {
            Some(name) => format!("{name} (of {})", consoles(c)),
            None => "the kernel's own choice".to_owned(),
        };
        out.extend(Change::of(
            Stage::Kernel,
            "/dev/console",
            Some(told(good)),
            Some(told(bad)),
        ));
    }
    if good.text != bad.text
        && sides.good_names.plain(&good.text) == sides.bad_names.plain(&bad.text)
    {
        out.extend(noise(
            "command line",
            good.text.clone(),
            bad.text.clone(),
            Stage::Kernel,
        ));
    }
}

pub(super) fn noise(subject: &str, good: String, bad: String, stage: Stage) -> Option<Change> {
    Change::of(stage, subject, Some(good), Some(bad)).map(|c| c.weighing(Weight::Noise))
}

fn spelled(cmdline: &CmdlineFacts, names: &Names) -> Vec<String> {
    let word = |w: &Word| match &w.value {
        Some(value) if value.contains(' ') => format!("{}=\"{}\"", w.key, names.path(value)),
        Some(value) => format!("{}={}", w.key, names.path(value)),
        None => w.key.clone(),
    };
    let all = cmdline.words.iter().chain(&cmdline.init_words);
    // GRUB adds this one by itself; that the loader is another has been told.
    all.filter(|w| w.key != "BOOT_IMAGE").map(word).collect()
}

/// Words that are gone and words that are new, as multisets: `rootwait rootwait` against `rootwait` is one word less.
fn cmdline_words(good: &[String], bad: &[String]) -> (Vec<String>, Vec<String>) {
    let without = |all: &[String], others: &[String]| {
        let mut left: Vec<&String> = others.iter().collect();
        let mut rest = Vec::new();
        for word in all {
            match left.iter().position(|o| *o == word) {
                Some(at) => {
                    left.remove(at);
                }
                None => rest.push(word.clone()),
            }
        }
        rest
    };
    (without(good, bad), without(bad, good))
}

/// Options of the kernel that a boot in a virtual machine hangs on.
const OPTIONS: &[&str] = &[
    "CONFIG_VIRTIO_CONSOLE",
    "CONFIG_VIRTIO_BLK",
    "CONFIG_VIRTIO_PCI",
    "CONFIG_HVC_DRIVER",
    "CONFIG_SERIAL_8250_CONSOLE",
    "CONFIG_DEVTMPFS",
    "CONFIG_DEVTMPFS_MOUNT",
    "CONFIG_EXT4_FS",
    "CONFIG_SQUASHFS",
    "CONFIG_MODULES",
    "CONFIG_MODULE_SIG_FORCE",
    "CONFIG_RD_GZIP",
    "CONFIG_RD_XZ",
    "CONFIG_RD_LZ4",
    "CONFIG_RD_ZSTD",
    "CONFIG_EFI_STUB",
];

fn kernel(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let release = |f: &Facts| {
        words(&f.kernel, |k| {
            let release = k.release.as_deref().unwrap_or("unknown release");
            let damage = k.damage.as_ref().map(|e| format!(", damaged: {e}"));
            format!("{release} ({}){}", k.format, damage.unwrap_or_default())
        })
    };
    let place = |f: &Facts| f.kernel.known().map(|k| k.location.clone());
    out.extend(
        Change::of(Stage::Kernel, "kernel", release(good), release(bad)).map(|c| c.at(place(bad))),
    );
    let (Some(a), Some(b)) = (good.kernel.known(), bad.kernel.known()) else {
        return;
    };
    if a.config.known().is_some() && b.config.known().is_some() {
        for option in OPTIONS {
            let told = |v: Option<&str>| Some(v.unwrap_or("not set").to_owned());
            out.extend(
                Change::of(
                    Stage::Kernel,
                    "kernel option",
                    told(a.option(option)),
                    told(b.option(option)),
                )
                .map(|c| c.named(option).at(b.config_location.clone())),
            );
        }
    }
}

fn initrd(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let made = |i: &InitrdFacts| {
        let by = match i.generator {
            Some(Generator::InitramfsTools) => "initramfs-tools",
            Some(Generator::Dracut) => "dracut",
            Some(Generator::Systemd) => "systemd",
            _ => "unknown generator",
        };
        let packed: Vec<&str> = i.archives.iter().map(|a| a.compression.as_str()).collect();
        let damage = i.damage.as_ref().map(|e| format!(", damaged: {e}"));
        format!(
            "{by} ({}){}",
            packed.join(" + "),
            damage.unwrap_or_default()
        )
    };
    out.extend(Change::of(
        Stage::Initrd,
        "initrd",
        words(&good.initrd, made),
        words(&bad.initrd, made),
    ));
    let (Some(a), Some(b)) = (good.initrd.known(), bad.initrd.known()) else {
        return;
    };
    if a.skipped || b.skipped {
        return;
    }
    let files = |i: &InitrdFacts, names: &Names| -> BTreeMap<String, bool> {
        let paths = i.paths.iter().map(|p| names.path(p));
        paths.map(|p| (p, true)).collect()
    };
    let (a_files, b_files) = (files(a, &sides.good_names), files(b, &sides.bad_names));
    for (path, in_good, in_bad) in super::change::differing(&a_files, &b_files) {
        let told = |there: Option<&bool>| there.map(|_| "there".to_owned());
        let index = path.contains("/modules.");
        let weight = if index { Weight::Noise } else { Weight::Detail };
        out.extend(
            Change::of(Stage::Initrd, "initrd file", told(in_good), told(in_bad))
                .map(|c| c.named(path).weighing(weight)),
        );
    }
}

/// Where a module is, and what that means for when it is loaded.
pub fn module_place(state: &ModuleState) -> String {
    if state.builtin {
        return "built into the kernel".into();
    }
    let mut text = if state.loaded_in_initrd {
        "loaded in the initrd".to_owned()
    } else if state.in_initrd {
        "in the initrd, which does not load it".into()
    } else if state.file.known().is_some() {
        "only in the root file system, loaded by udev".into()
    } else {
        return "not in the image".into();
    };
    if !state.blacklisted.is_empty() || !state.cmdline_blacklist.is_empty() {
        text.push_str(", blacklisted");
    }
    if !state.install.is_empty() {
        text.push_str(", replaced by an install line");
    }
    if state.damage.is_some() {
        text.push_str(", damaged");
    }
    text
}

fn modules(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let states = |f: &Facts| -> BTreeMap<String, (String, Option<Location>)> {
        let states = f.modules.known().map(|m| &m.states);
        let states = states.into_iter().flatten();
        states
            .map(|(n, s)| (n.clone(), (module_place(s), s.file.known().cloned())))
            .collect()
    };
    let (good, bad) = (states(sides.good), states(sides.bad));
    for (name, a, b) in super::change::differing(&good, &bad) {
        let stage = if name == sides.bad.profile.module {
            Stage::Device
        } else {
            Stage::Rootfs
        };
        let text = |s: Option<&(String, Option<Location>)>| s.map(|s| s.0.clone());
        out.extend(
            Change::of(stage, "module", text(a), text(b))
                .map(|c| c.named(name).at(b.and_then(|s| s.1.clone()))),
        );
    }
}
