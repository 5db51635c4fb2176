//! The root file system, fstab, and systemd as a whole; and what differs in every build.

use super::Sides;
use super::boot::noise;
use super::change::{Change, Weight, differing, words};
use super::normal::Names;
use crate::inspect::facts::Facts;
use crate::inspect::fstab::{DeviceMatch, FstabEntry};
use crate::inspect::source::Location;
use crate::inspect::systemd::{Setting, SystemdFacts};
use crate::stage::Stage;
use std::collections::BTreeMap;

pub(super) fn compare(sides: &Sides<'_>, out: &mut Vec<Change>) {
    rootfs(sides, out);
    fstab(sides, out);
    manager(sides, out);
    every_build(sides, out);
}

fn rootfs(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let root = |f: &Facts, names: &Names| {
        words(&f.root, |r| {
            let spec = r.spec.as_deref().map(|s| names.plain(s));
            let spec = spec.unwrap_or_else(|| "no root=".into());
            match &r.device {
                DeviceMatch::Partition(_) => spec,
                DeviceMatch::Missing => format!("{spec}, which does not exist"),
                DeviceMatch::OtherBus(_) => format!("{spec}, on another bus"),
                _ => format!("{spec}, which cannot be told"),
            }
        })
    };
    let root = (root(good, &sides.good_names), root(bad, &sides.bad_names));
    out.extend(Change::of(Stage::Rootfs, "root=", root.0, root.1));
    let system = |f: &Facts| {
        words(&f.rootfs, |r| {
            let name = r
                .os_release
                .known()
                .and_then(|o| o.iter().find(|(k, _)| k == "PRETTY_NAME"))
                .map_or("unknown system", |(_, v)| v.as_str());
            let trouble = [
                r.damage.as_ref().map(|e| format!(", damaged: {e}")),
                r.dirty.as_ref().map(|d| format!(", {d}")),
            ];
            let trouble: String = trouble.into_iter().flatten().collect();
            format!("{name} on {}{trouble}", r.fs_type)
        })
    };
    out.extend(Change::of(
        Stage::Rootfs,
        "root file system",
        system(good),
        system(bad),
    ));
    let init = |f: &Facts| {
        let rootfs = f.rootfs.known()?;
        let there = words(&rootfs.init, |e| {
            e.location.path.clone().unwrap_or_default()
        });
        Some(format!(
            "{} is {}",
            rootfs.init_path,
            there.unwrap_or_else(|| "missing".into())
        ))
    };
    out.extend(Change::of(Stage::Systemd, "init", init(good), init(bad)));
    let first = |f: &Facts| {
        let systemd = f.systemd.known()?;
        let text = if systemd.first_boot {
            "the first boot: presets are applied"
        } else {
            "no first boot"
        };
        Some(text.to_owned())
    };
    out.extend(Change::of(
        Stage::Systemd,
        "machine-id",
        first(good),
        first(bad),
    ));
}

fn fstab(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let lines = |f: &Facts, names: &Names| -> BTreeMap<String, String> {
        let entries = f.fstab.known().into_iter().flatten();
        let line = |e: &FstabEntry| {
            let spec = names.plain(&e.spec);
            let missing = match e.device {
                DeviceMatch::Missing => " (does not exist)",
                DeviceMatch::OtherBus(_) => " (on another bus)",
                _ => "",
            };
            format!("{spec}{missing} {} {}", e.fs_type, e.options.join(","))
        };
        entries.map(|e| (e.mount_point.clone(), line(e))).collect()
    };
    let (good, bad) = (
        lines(sides.good, &sides.good_names),
        lines(sides.bad, &sides.bad_names),
    );
    for (point, a, b) in differing(&good, &bad) {
        let place = sides.bad.fstab.known().and_then(|entries| {
            let entry = entries.iter().find(|e| e.mount_point == point)?;
            Some(entry.origin.location())
        });
        out.extend(
            Change::of(Stage::Rootfs, "fstab", a.cloned(), b.cloned())
                .map(|c| c.named(point).at(place)),
        );
    }
}

fn manager(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let version = |f: &Facts| {
        words(&f.systemd, |s| {
            s.version
                .clone()
                .unwrap_or_else(|| "unknown version".into())
        })
    };
    out.extend(Change::of(
        Stage::Systemd,
        "systemd",
        version(good),
        version(bad),
    ));
    let (Some(a), Some(b)) = (good.systemd.known(), bad.systemd.known()) else {
        return;
    };
    let anchor = |s: &SystemdFacts| Some(s.transaction.anchor.clone());
    out.extend(Change::of(
        Stage::Systemd,
        "started target",
        anchor(a),
        anchor(b),
    ));
    let cycles = |s: &SystemdFacts| {
        let told = s.transaction.cycles.iter().map(|c| c.units.join(" → "));
        let text = told.collect::<Vec<_>>().join("; ");
        (!text.is_empty()).then_some(text)
    };
    out.extend(Change::of(
        Stage::Systemd,
        "ordering cycle",
        cycles(a),
        cycles(b),
    ));
    for (what, a, b) in [
        ("system.conf", &a.manager, &b.manager),
        ("journald.conf", &a.journald, &b.journald),
    ] {
        let values = |settings: &[Setting]| -> BTreeMap<String, (String, Location)> {
            let settings = settings.iter();
            settings
                .map(|s| (s.key.clone(), (s.value.clone(), s.origin.location())))
                .collect()
        };
        let (a, b) = (values(a), values(b));
        for (key, a, b) in differing(&a, &b) {
            let text = |v: Option<&(String, Location)>| v.map(|v| v.0.clone());
            out.extend(
                Change::of(Stage::Systemd, what, text(a), text(b))
                    .map(|c| c.named(key).at(b.or(a).map(|v| v.1.clone()))),
            );
        }
    }
}

/// UUIDs, the machine-id, sizes.
fn every_build(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    if let (Some(a), Some(b)) = (good.disk.known(), bad.disk.known()) {
        let id = |d: &Option<String>| d.clone().unwrap_or_default();
        out.extend(noise(
            "disk id",
            id(&a.disk_id),
            id(&b.disk_id),
            Stage::Firmware,
        ));
        for (p, q) in a.partitions.iter().zip(&b.partitions) {
            let pairs = [
                ("PARTUUID", p.partuuid.clone(), q.partuuid.clone()),
                ("UUID", id(&p.content.uuid), id(&q.content.uuid)),
                ("partition label", p.partlabel.clone(), q.partlabel.clone()),
                (
                    "partition size",
                    format!("{} bytes at {}", p.len, p.start),
                    format!("{} bytes at {}", q.len, q.start),
                ),
            ];
            for (what, a, b) in pairs {
                out.extend(noise(what, a, b, Stage::Firmware).map(|c| c.named(&q.id)));
            }
        }
    }
    let machine = |f: &Facts| {
        let id = f.rootfs.known()?.machine_id.known()?;
        Some(id.clone())
    };
    out.extend(
        Change::of(Stage::Systemd, "machine-id", machine(good), machine(bad))
            .map(|c| c.weighing(Weight::Noise)),
    );
    let size = |n: u64| format!("{n} bytes");
    out.extend(noise(
        "image size",
        size(good.image.size),
        size(bad.image.size),
        Stage::Firmware,
    ));
    if let (Some(a), Some(b)) = (good.kernel.known(), bad.kernel.known()) {
        out.extend(noise(
            "kernel size",
            size(a.size),
            size(b.size),
            Stage::Kernel,
        ));
    }
    if let (Some(a), Some(b)) = (good.initrd.known(), bad.initrd.known()) {
        out.extend(noise(
            "initrd size",
            size(a.size),
            size(b.size),
            Stage::Initrd,
        ));
    }
}
