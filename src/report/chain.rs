//! The chain as it will boot: one line for each link, from the facts alone.

use super::safe::safe;
use crate::inspect::bootloader::LoaderKind;
use crate::inspect::error::Fact;
use crate::inspect::facts::Facts;
use crate::inspect::fstab::DeviceMatch;
use crate::inspect::initrd::Generator;
use crate::inspect::partitions::TableKind;
use crate::stage::Stage;

/// One link: the stage (none for the image itself) and a line about it.
pub type Link = (Option<Stage>, String);

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

fn or_why<T>(fact: &Fact<T>, text: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => text(value),
        Fact::Absent => "none".into(),
        Fact::Unreadable(error) => format!("cannot be read: {error}"),
    }
}

/// The links in order. Guest text is made safe.
pub fn links(facts: &Facts) -> Vec<Link> {
    let mut out = vec![(None, image(facts))];
    out.push((Some(Stage::Firmware), firmware(facts)));
    out.push((Some(Stage::Bootloader), loader(facts)));
    out.push((Some(Stage::Kernel), kernel(facts)));
    out.push((Some(Stage::Initrd), initrd(facts)));
    out.push((Some(Stage::Rootfs), rootfs(facts)));
    out.push((Some(Stage::Systemd), systemd(facts)));
    out.push((Some(Stage::Device), device(facts)));
    out.push((Some(Stage::Unit), unit(facts)));
    out.push((Some(Stage::Script), script(facts)));
    out.into_iter()
        .map(|(stage, text)| (stage, safe(&text).into_owned()))
        .collect()
}

fn image(facts: &Facts) -> String {
    let table = or_why(&facts.disk, |d| {
        let kind = match d.table {
            TableKind::Gpt => "GPT",
            TableKind::Mbr => "MBR",
            TableKind::None => "no partition table",
        };
        format!("{kind}, {} partitions", d.partitions.len())
    });
    format!(
        "{}, {}, {table}",
        facts.image.container,
        size(facts.image.size)
    )
}

fn firmware(facts: &Facts) -> String {
    or_why(&facts.esp, |esp| match &esp.removable {
        Fact::Known(pe) => format!(
            "{} ({}, {}) starts {}",
            esp.partition,
            esp.fat_type,
            pe.machine,
            pe.location.path.as_deref().unwrap_or_default()
        ),
        Fact::Absent => format!(
            "{} ({}) has no loader at the removable-media path",
            esp.partition, esp.fat_type
        ),
        Fact::Unreadable(error) => format!("{} ({}): {error}", esp.partition, esp.fat_type),
    })
}

fn loader(facts: &Facts) -> String {
    or_why(&facts.loader, |l| {
        let kind = match l.kind {
            LoaderKind::SystemdBoot => "systemd-boot",
            LoaderKind::Grub => "GRUB",
            LoaderKind::Uki => "unified kernel image",
            LoaderKind::Shim => "shim",
            LoaderKind::EfiBootGuard => "EFI Boot Guard",
            LoaderKind::Unknown => "unknown loader",
        };
        let version = l
            .version
            .as_deref()
            .map(|v| format!(" {v}"))
            .unwrap_or_default();
        let entry = l.selected_entry().map_or_else(
            || "boots nothing".to_owned(),
            |e| format!("boots `{}`", e.id),
        );
        format!("{kind}{version} {entry} of {} entries", l.entries.len())
    })
}

fn kernel(facts: &Facts) -> String {
    or_why(&facts.kernel, |k| {
        format!(
            "{} ({}, {}) from {}",
            k.release.as_deref().unwrap_or("unknown release"),
            k.format,
            size(k.size),
            k.location
        )
    })
}

fn initrd(facts: &Facts) -> String {
    or_why(&facts.initrd, |i| {
        let by = match i.generator {
            Some(Generator::InitramfsTools) => "initramfs-tools",
            Some(Generator::Dracut) => "dracut",
            Some(Generator::Systemd) => "systemd",
            Some(Generator::Unknown) | None => "unknown generator",
        };
        if i.skipped {
            return format!("{}, not listed", size(i.size));
        }
        let packed: Vec<&str> = i.archives.iter().map(|a| a.compression.as_str()).collect();
        format!(
            "{by}, {}, {} ({}), {} modules",
            size(i.size),
            if packed.len() == 1 {
                "one archive"
            } else {
                "archives"
            },
            packed.join(" + "),
            i.modules.len()
        )
    })
}

fn rootfs(facts: &Facts) -> String {
    let root = facts.root.known().map_or_else(String::new, |r| {
        let spec = r
            .spec
            .as_deref()
            .map_or_else(|| "no root=".to_owned(), |s| format!("root={s}"));
        match &r.device {
            DeviceMatch::Partition(id) => format!("{spec} is {id}, "),
            DeviceMatch::Missing => format!("{spec} does not exist, "),
            DeviceMatch::OtherBus(_) => format!("{spec} is on another bus, "),
            _ => format!("{spec}, "),
        }
    });
    let fs = or_why(&facts.rootfs, |r| {
        let name = r
            .os_release
            .known()
            .and_then(|o| o.iter().find(|(k, _)| k == "PRETTY_NAME"))
            .map_or("unknown system", |(_, v)| v.as_str());
        format!("{} on {}, {name}", r.fs_type, r.partition)
    });
    format!("{root}{fs}")
}

fn systemd(facts: &Facts) -> String {
    or_why(&facts.systemd, |s| {
        let first = if s.first_boot { ", first boot" } else { "" };
        format!(
            "{} starts {} with {} jobs{first}",
            s.version.as_deref().unwrap_or("systemd"),
            s.transaction.anchor,
            s.transaction.size
        )
    })
}

fn device(facts: &Facts) -> String {
    let (name, module) = (&facts.profile.device, &facts.profile.module);
    let how = or_why(&facts.modules, |m| match m.states.get(module) {
        Some(state) if state.builtin => format!("{module} is built into the kernel"),
        Some(state) if state.loaded_in_initrd => format!("{module} is loaded in the initrd"),
        Some(state) if state.file.known().is_some() => {
            format!("{module} is a module, loaded by udev's coldplug")
        }
        _ => format!("{module} is not in the image"),
    });
    let pulled = facts.systemd.known().map_or_else(String::new, |s| {
        let device = format!("dev-{name}.device");
        match s
            .transaction
            .jobs
            .get(&device)
            .and_then(|j| j.pulled_in_by.first())
        {
            Some((by, _)) => format!("; {device} is pulled in by {by}"),
            None => format!("; nothing pulls {device} in"),
        }
    });
    format!("/dev/{name}: {how}{pulled}")
}

fn unit(facts: &Facts) -> String {
    let name = facts.backdoor.as_deref().unwrap_or(&facts.profile.unit);
    let Some(systemd) = facts.systemd.known() else {
        return format!("{name}: unknown");
    };
    match systemd.unit(name) {
        None => format!("{name} does not exist"),
        Some(unit) => {
            let by = systemd
                .transaction
                .jobs
                .get(&unit.name)
                .and_then(|j| j.pulled_in_by.first());
            let state = by.map_or_else(
                || "is started by nothing".to_owned(),
                |(by, _)| format!("is started by {by}"),
            );
            format!("{name} ({}) {state}", unit.unit_file_state)
        }
    }
}

fn script(facts: &Facts) -> String {
    let name = facts.backdoor.as_deref().unwrap_or(&facts.profile.unit);
    let exec = facts
        .systemd
        .known()
        .and_then(|s| s.unit(name))
        .and_then(|u| u.exec.iter().find(|e| e.directive == "ExecStart"));
    exec.map_or_else(
        || "none".to_owned(),
        |e| {
            let how = match &e.target {
                Some(Fact::Known(program)) => format!("mode {:04o}", program.mode),
                Some(Fact::Absent) => "does not exist".into(),
                Some(Fact::Unreadable(error)) => error.message.clone(),
                None => "not looked at".into(),
            };
            format!("{} ({how})", e.path)
        },
    )
}
