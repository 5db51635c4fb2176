//! Units, dependencies, the first transaction and enablement of whole real root file systems, compared with what the systemd
//! inside them says.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their counts"
)]

mod common;
#[path = "agreement_systemd/compare.rs"]
mod compare;
#[path = "agreement_systemd/oracle.rs"]
mod oracle;
#[path = "agreement_systemd/root.rs"]
mod root;

use compare::{Tally, compare};
use isar_doctor::inspect::{disk, partitions};
use std::collections::BTreeMap;
use std::path::Path;

/// One image with systemd 252, one with 257.
const IMAGES: [&str; 2] = ["healthy", "healthy-trixie"];
/// What exists when the generators run.
const DEVICES: &[&str] = &["ttyS0", "hvc0"];

fn table() -> partitions::DiskFacts {
    partitions::read(&disk::open(&common::image("healthy")).unwrap()).unwrap()
}

/// A copy of an image's root file system that is not at its first boot, in which the presets would have a say.
fn copy(image: &str, name: &str) -> root::Tree {
    let tree = root::Tree::copy(&root::extracted(image), &format!("{name}-{image}"));
    tree.file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    tree
}

fn agree(name: &str, tree: &Path, cmdline: &str) -> Tally {
    let answer = oracle::ask(tree, cmdline, DEVICES);
    let facts = compare::facts(tree, cmdline, DEVICES, &table());
    compare(name, &answer, &facts)
}

#[test]
fn delivered_units_agree() {
    let mut tally = Tally::default();
    for image in IMAGES {
        let tree = copy(image, "delivered");
        tally.add(agree(image, &tree.path, "console=ttyS0"));
    }
    tally.finish("units as delivered");
}

#[test]
fn odd_units_agree() {
    let mut tally = Tally::default();
    for image in IMAGES {
        let tree = copy(image, "odd");
        tree.files(include_str!("agreement_systemd/odd-units.txt"));
        tree.file(
            "/etc/fstab",
            include_str!("agreement_systemd/odd-fstab.txt"),
        );
        tally.add(agree(image, &tree.path, "console=ttyS0"));
    }
    tally.finish("odd units");
}

/// What generators make counts for us, who judge the boot, and is not there yet for `systemctl --root`: the fstab
/// generator's link to systemd-remount-fs, and the getty generator's instance of serial-getty@.
const GENERATED: [(&str, &str); 2] = [
    ("serial-getty@.service", "indirect"),
    ("systemd-remount-fs.service", "enabled-runtime"),
];

/// `systemctl list-unit-files`: every unit file and its state.
#[test]
fn unit_file_states_agree() {
    let mut tally = Tally::default();
    for image in IMAGES {
        let tree = copy(image, "states");
        let text = oracle::systemctl(
            &tree.path,
            &["list-unit-files", "--all", "--plain", "--no-legend"],
        );
        let listed: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_whitespace();
                Some((fields.next()?, fields.next()?))
            })
            .collect();
        assert!(listed.len() > 100, "systemctl lists too little: {text}");
        let facts = compare::facts(&tree.path, "console=ttyS0", DEVICES, &table());
        for (unit, state) in &listed {
            let ours = facts.unit_files.get(*unit).map_or("none", String::as_str);
            if !GENERATED.contains(&(unit, ours)) {
                tally.same("states", &format!("{image}: {unit}"), state, &ours);
            }
        }
    }
    tally.finish("unit file states");
}
