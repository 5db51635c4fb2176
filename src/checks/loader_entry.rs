//! What the loader starts: its configuration, the entry it selects, kernel and initrd of that entry.

use super::{Answer, Check, Context, Violation};
use crate::inspect::bootloader::{EntryFile, LoaderEntry, LoaderFacts, LoaderKind};
use crate::inspect::error::Fact;
use crate::inspect::source::Location;
use crate::known;
use crate::rules::Severity;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// There is something to boot.
    HasEntries,
    /// The selected entry's kernel is there.
    Kernel,
    /// Its initrds are there.
    Initrd,
    /// It names an initrd at all, or needs none.
    NamesInitrd,
    /// The `default` pattern matches an entry.
    DefaultMatches,
    /// It does not wait in a menu.
    DoesNotWait,
    /// It has no problem of the kind in `kind`.
    NoProblem,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderEntryResolves {
    /// What is judged.
    pub aspect: Aspect,
    /// Kinds of problem for `no-problem`.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Longest menu timeout in seconds that is taken for "does not wait".
    #[serde(default = "default_wait")]
    pub longest: u32,
}

fn default_wait() -> u32 {
    60
}

/// The entry to judge: the one that boots, else the first that the loader had to skip.
fn entry(loader: &LoaderFacts) -> Option<&LoaderEntry> {
    loader.selected_entry().or_else(|| loader.entries.first())
}

impl Check for LoaderEntryResolves {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let loader = known!(cx.facts.loader);
        match self.aspect {
            Aspect::HasEntries => has_entries(cx, loader),
            Aspect::Kernel => kernel(loader),
            Aspect::Initrd => initrd(loader),
            Aspect::NamesInitrd => names_initrd(cx, loader),
            Aspect::DefaultMatches => default_matches(loader),
            Aspect::DoesNotWait => self.does_not_wait(loader),
            Aspect::NoProblem => Answer::from_violations(
                loader
                    .problems
                    .iter()
                    .filter(|p| self.kinds.contains(&p.kind))
                    .map(|p| match &p.origin {
                        Some(origin) => Violation::at_line(origin, p.message.clone()),
                        None => Violation::at(p.location.clone(), p.message.clone()),
                    })
                    .collect(),
            ),
        }
    }
}

fn has_entries(cx: &Context<'_>, loader: &LoaderFacts) -> Answer {
    if loader.kind != LoaderKind::SystemdBoot || !loader.entries.is_empty() {
        return Answer::Satisfied;
    }
    let esp = cx.facts.esp.known().map_or("p1", |e| e.partition.as_str());
    Answer::Violated(vec![Violation::at(
        Location::file(esp, "/loader/entries"),
        "systemd-boot finds no entry: there is no *.conf in /loader/entries and no unified kernel image in /EFI/Linux",
    )])
}

fn at(file: &EntryFile, entry: &LoaderEntry, message: String) -> Violation {
    match file.origin.as_ref().or(entry.origin.as_ref()) {
        Some(origin) => Violation::at_line(origin, message),
        None => Violation::at(Location::default(), message),
    }
}

fn kernel(loader: &LoaderFacts) -> Answer {
    let Some(entry) = entry(loader) else {
        return Answer::NotApplicable;
    };
    let Some(linux) = &entry.linux else {
        return Answer::NotApplicable;
    };
    match &linux.file {
        Fact::Absent => Answer::Violated(vec![at(
            linux,
            entry,
            format!(
                "the entry {} names the kernel {}, which is not there",
                entry.id, linux.path
            ),
        )]),
        Fact::Known(found) if found.size == 0 => Answer::Violated(vec![at(
            linux,
            entry,
            format!(
                "the entry {} names the kernel {}, which is empty (0 bytes)",
                entry.id, linux.path
            ),
        )]),
        Fact::Known(_) => Answer::Satisfied,
        Fact::Unreadable(error) => Answer::unreadable(error),
    }
}

fn initrd(loader: &LoaderFacts) -> Answer {
    let Some(entry) = entry(loader) else {
        return Answer::NotApplicable;
    };
    let violations = entry
        .initrds
        .iter()
        .filter(|i| matches!(i.file, Fact::Absent))
        .map(|i| {
            at(
                i,
                entry,
                format!(
                    "the entry {} names the initrd {}, which is not there",
                    entry.id, i.path
                ),
            )
        })
        .collect();
    Answer::from_violations(violations)
}

/// Without an initrd the kernel itself must have what the root needs: the disk's driver, the file system's, and a `root=` it understands.
fn names_initrd(cx: &Context<'_>, loader: &LoaderFacts) -> Answer {
    let Some(entry) = entry(loader) else {
        return Answer::NotApplicable;
    };
    if !entry.initrds.is_empty() || entry.linux.is_none() {
        return Answer::Satisfied;
    }
    let modules = cx.facts.modules.known();
    let builtin = |name: &str| {
        modules
            .and_then(|m| m.states.get(name))
            .is_some_and(|s| s.builtin)
    };
    let fs = cx
        .facts
        .rootfs
        .known()
        .map_or("ext4", |r| r.fs_type.as_str());
    let by_kernel = cx
        .facts
        .cmdline
        .known()
        .and_then(|c| c.value("root"))
        .is_some_and(|r| {
            r.starts_with("PARTUUID=") || r.starts_with("/dev/") || r.starts_with("PARTLABEL=")
        });
    let needed = ["virtio_blk", "virtio_pci", fs];
    let missing: Vec<&str> = needed.into_iter().filter(|n| !builtin(n)).collect();
    if modules.is_some() && missing.is_empty() && by_kernel {
        return Answer::Satisfied;
    }
    let mut why = Vec::new();
    if modules.is_some() && !missing.is_empty() {
        why.push(format!(
            "not built into this kernel: {}",
            missing.join(", ")
        ));
    }
    if !by_kernel {
        why.push("the kernel itself does not understand this root=".into());
    }
    let message = format!(
        "the entry {} names no initrd, and this kernel cannot mount its root without one",
        entry.id
    );
    let found = match entry
        .linux
        .as_ref()
        .and_then(|l| l.origin.as_ref())
        .or(entry.origin.as_ref())
    {
        Some(origin) => Violation::at_line(origin, message),
        None => Violation::at(Location::default(), message),
    };
    Answer::Violated(vec![found.because(why)])
}

fn default_matches(loader: &LoaderFacts) -> Answer {
    let Some((pattern, origin)) = &loader.default else {
        return Answer::NotApplicable;
    };
    if loader.default_matches || loader.entries.is_empty() {
        return Answer::Satisfied;
    }
    let bootable = loader
        .entries
        .iter()
        .filter(|e| e.skipped.is_none())
        .count();
    let chosen = loader.selected_entry().map_or("none", |e| e.id.as_str());
    let message = format!(
        "`default {pattern}` matches no entry (ids end with .conf since systemd-boot 245); {chosen} boots instead"
    );
    let found = Violation::at_line(origin, message).by_isar();
    // With one entry the loader takes that one, pattern or not.
    Answer::Violated(vec![if bootable > 1 {
        found
    } else {
        found.severity(Severity::Pedantic)
    }])
}

impl LoaderEntryResolves {
    fn does_not_wait(&self, loader: &LoaderFacts) -> Answer {
        let Some(seconds) = loader.timeout.filter(|t| *t > self.longest) else {
            return Answer::Satisfied;
        };
        let how = if seconds == u32::MAX {
            "waits in its menu until somebody presses a key".to_owned()
        } else {
            format!("waits {seconds} s in its menu")
        };
        Answer::Violated(vec![match &loader.timeout_origin {
            Some(origin) => Violation::at_line(origin, format!("the loader {how}")),
            None => Violation::at(Location::default(), format!("the loader {how}")),
        }])
    }
}
