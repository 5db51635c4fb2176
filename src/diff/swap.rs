//! The bad image with one part of the good one: does a finding stand or fall with that part?
//!
//! The rules judge facts, so the question can be put without building an image.

use crate::checks::run::{Selection, run_selected};
use crate::inspect::error::Fact;
use crate::inspect::facts::Facts;
use crate::inspect::modules::ModuleState;
use crate::rules::Rule;

/// A part that can be taken from the other image, and the subjects of the changes that it carries.
#[derive(Debug)]
pub struct Part {
    /// For people.
    pub name: &'static str,
    /// Subjects of [`Change`](super::Change).
    pub subjects: &'static [&'static str],
    take: fn(&mut Facts, &Facts),
}

/// In the order of the chain.
pub const PARTS: &[Part] = &[
    Part {
        name: "the partition table and the loader",
        subjects: &[
            "partitions",
            "EFI program",
            "loader",
            "entry that boots",
            "menu",
        ],
        take: |bad, good| {
            bad.disk = good.disk.clone();
            bad.esp = good.esp.clone();
            bad.loader = good.loader.clone();
        },
    },
    Part {
        name: "the command line",
        subjects: &["command line", "/dev/console", "root="],
        take: |bad, good| {
            bad.cmdline = good.cmdline.clone();
            // `root=` names the partition of its own image.
            if let (Some(g), Some(b)) = (good.root.known(), bad.root.known())
                && std::mem::discriminant(&g.device) != std::mem::discriminant(&b.device)
            {
                bad.root = good.root.clone();
            }
        },
    },
    Part {
        name: "the kernel with its modules",
        subjects: &["kernel", "kernel option", "module", "package"],
        take: |bad, good| {
            let own = bad.clone();
            bad.kernel = good.kernel.clone();
            bad.modules = good.modules.clone();
            // The initrd stays the bad one.
            with_modules_of_initrd(bad, &own);
        },
    },
    Part {
        name: "the initrd",
        subjects: &["initrd", "initrd file", "module"],
        take: |bad, good| {
            bad.initrd = good.initrd.clone();
            with_modules_of_initrd(bad, good);
        },
    },
    Part {
        name: "the root file system's state and fstab",
        subjects: &["root file system", "fstab", "init"],
        take: |bad, good| {
            bad.rootfs = good.rootfs.clone();
            bad.fstab = good.fstab.clone();
        },
    },
    Part {
        name: "systemd's units and settings",
        subjects: &[
            "systemd",
            "started target",
            "ordering cycle",
            "system.conf",
            "journald.conf",
            "unit",
            "unit state",
            "unit settings",
            "unit started by",
            "machine-id",
        ],
        take: |bad, good| {
            bad.systemd = good.systemd.clone();
            bad.udev = good.udev.clone();
            bad.backdoor = good.backdoor.clone();
            bad.condition_paths = good.condition_paths.clone();
            bad.lacks = good.lacks.clone();
        },
    },
    Part {
        name: "the backdoor's package and script",
        subjects: &["package", "backdoor file", "script", "script text"],
        take: |bad, good| {
            bad.packages = good.packages.clone();
            bad.script = good.script.clone();
            bad.missing_commands = good.missing_commands.clone();
        },
    },
];

/// Only what the other image's initrd says of a module.
fn with_modules_of_initrd(facts: &mut Facts, other: &Facts) {
    let Some(states) = other.modules.known().map(|m| &m.states) else {
        return;
    };
    if let Fact::Known(modules) = &mut facts.modules {
        for (name, state) in &mut modules.states {
            if let Some(ModuleState {
                in_initrd,
                loaded_in_initrd,
                ..
            }) = states.get(name)
            {
                state.in_initrd = *in_initrd;
                state.loaded_in_initrd = *loaded_in_initrd;
            }
        }
    }
}

/// The parts that make the finding go away, each taken alone.
pub fn deciding<'p>(bad: &Facts, good: &Facts, rules: &[Rule], rule: &str) -> Vec<&'p Part> {
    let selection = Selection {
        select: vec![rule.to_owned()],
        ..Selection::default()
    };
    let stands = |facts: &Facts| {
        let judgement = run_selected(facts, rules, &selection);
        // A rule that can no longer be judged has not been answered.
        !judgement.findings.is_empty() || !judgement.untold.is_empty()
    };
    PARTS
        .iter()
        .filter(|part| {
            let mut mixed = bad.clone();
            (part.take)(&mut mixed, good);
            !stands(&mixed)
        })
        .collect()
}
