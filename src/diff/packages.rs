//! dpkg's packages, and the files of the backdoor's package and script.

use super::Sides;
use super::change::{Change, Weight, differing};
use crate::inspect::dpkg::{FileState, Package};
use crate::inspect::facts::Facts;
use crate::stage::Stage;
use std::collections::BTreeMap;

/// Packages that make the chain.
const CHAIN: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "systemd-boot",
    "systemd-boot-efi",
    "udev",
    "kmod",
    "init",
    "initramfs-tools",
    "initramfs-tools-core",
    "dracut",
    "dracut-core",
    "libc6",
];
const PREFIXES: &[&str] = &["linux-image-", "grub-", "shim-"];

pub(super) fn compare(sides: &Sides<'_>, out: &mut Vec<Change>) {
    packages(sides, out);
    files(sides, out);
    script(sides, out);
}

fn packages(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let all = |f: &Facts| -> BTreeMap<String, String> {
        let packages = f.packages.known().map(|p| &p.packages);
        let packages = packages.into_iter().flatten();
        packages.map(|(n, p)| (n.clone(), told(p))).collect()
    };
    let (good, bad) = (all(sides.good), all(sides.bad));
    let backdoor = |name: &str| {
        [sides.good, sides.bad].iter().any(|f| {
            f.profile.package == name
                || f.packages
                    .known()
                    .is_some_and(|p| p.details.iter().any(|d| d.name == name))
        })
    };
    for (name, a, b) in differing(&good, &bad) {
        let ours = backdoor(name);
        let weight =
            if ours || CHAIN.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p)) {
                Weight::Chain
            } else {
                Weight::Detail
            };
        let stage = if ours { Stage::Unit } else { Stage::Rootfs };
        out.extend(
            Change::of(stage, "package", a.cloned(), b.cloned())
                .map(|c| c.named(name).weighing(weight)),
        );
    }
}

fn told(package: &Package) -> String {
    if package.status.ends_with(" installed") {
        package.version.clone()
    } else {
        format!("{} ({})", package.version, package.status)
    }
}

fn files(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let all = |f: &Facts| -> BTreeMap<String, FileState> {
        let details = f.packages.known().into_iter().flat_map(|p| &p.details);
        let files = details.flat_map(|d| &d.files);
        files.map(|file| (file.path.clone(), file.state)).collect()
    };
    let (good, bad) = (all(sides.good), all(sides.bad));
    for (path, a, b) in differing(&good, &bad) {
        let text = |s: Option<&FileState>| {
            let word = match s? {
                FileState::Intact => "as packed",
                FileState::Changed => "not as packed",
                FileState::Missing => "missing",
                FileState::Conffile => "a conffile",
                FileState::Unreadable => "cannot be read",
            };
            Some(word.to_owned())
        };
        out.extend(
            Change::of(Stage::Unit, "backdoor file", text(a), text(b)).map(|c| c.named(path)),
        );
    }
}

fn script(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (sides.good, sides.bad);
    let mode = |f: &Facts| {
        super::change::words(&f.script, |e| {
            let path = e.location.path.as_deref().unwrap_or_default();
            format!("{path}, mode {:04o}", e.mode)
        })
    };
    let place = |f: &Facts| f.script.known().map(|e| e.location.clone());
    let at = place(bad).or_else(|| place(good));
    out.extend(
        Change::of(Stage::Script, "script", mode(good), mode(bad)).map(|c| c.at(at.clone())),
    );
    let lines = |f: &Facts| -> Option<Vec<String>> {
        let text = f.script.known()?.text.as_ref()?;
        Some(text.text.lines().map(str::to_owned).collect())
    };
    if let (Some(a), Some(b)) = (lines(good), lines(bad))
        && a != b
    {
        let only = |these: &[String], others: &[String]| {
            let mut own = these.iter().filter(|l| !others.contains(l));
            let count = own.clone().count();
            match own.next() {
                Some(first) if count == 1 => first.trim().to_owned(),
                Some(first) => format!("{} (and {} more lines)", first.trim(), count - 1),
                None => "the same lines, in another order or number".into(),
            }
        };
        out.extend(
            Change::of(
                Stage::Script,
                "script text",
                Some(only(&a, &b)),
                Some(only(&b, &a)),
            )
            .map(|c| c.at(at)),
        );
    }
}
