//! GRUB 2: its program, its configuration run as a script, and the entry that boots.

mod commands;
mod condition;
mod device;
mod environment;
mod image;
mod lexer;
mod menu;
mod script;
mod session;

use super::pe::{self, Image};
use super::{LoaderFacts, LoaderKind, LoaderProblem, Partitions, file};
use crate::inspect::cmdline;
use crate::inspect::error::{Error, Fact, Result};
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::fstab::{DeviceMatch, device_match};
use crate::inspect::partitions::DiskFacts;
use crate::inspect::source::{Location, Origin, SourceFile};
use device::Devices;
use image::Program;
use menu::Menu;
use session::Session;
use std::sync::Arc;

/// Where distributions and wic put the configuration, when the program does not tell.
const USUAL: [&str; 4] = ["/EFI/BOOT", "/boot/grub", "/grub", "/EFI/debian"];

/// Where a GRUB was started from.
pub struct Start<'a> {
    /// Partition that holds its program, or the one it guesses to be its own.
    pub partition: &'a str,
    /// The program on that partition, when it is an EFI program.
    pub path: Option<&'a str>,
    /// `x86_64`, `arm64`, `i386`, …
    pub cpu: &'a str,
    /// `efi` or `pc`.
    pub platform: &'a str,
    /// Version that the program's SBAT tells.
    pub version: Option<String>,
}

/// Reads what a GRUB would boot. `likely` is the partition that looks like the root file system.
pub fn read(
    source: &dyn Partitions,
    disk: &DiskFacts,
    start: &Start<'_>,
    likely: Option<&str>,
) -> Result<LoaderFacts> {
    let own = source.open(start.partition)?;
    let mut program = start.path.map_or_else(Program::default, |path| {
        pe::read(own.as_ref(), path)
            .map(|image: Image| image::read(own.as_ref(), path, &image))
            .unwrap_or_default()
    });
    program.version = start.version.clone().or(program.version);
    let devices = Devices {
        source,
        disk,
        program: &program,
    };
    let (device, prefix) = prefix(&devices, start, own.as_ref(), likely);
    let mut session = Session::new(
        &devices,
        &device,
        &format!("({device}){prefix}"),
        start.cpu,
        start.platform,
    );
    let config = run(&mut session, &program, start);
    let mut facts = LoaderFacts {
        kind: LoaderKind::Grub,
        version: program.version.clone(),
        chain: Vec::new(),
        config: config.clone(),
        default: None,
        default_matches: true,
        timeout: None,
        timeout_origin: None,
        entries: Vec::new(),
        selected: None,
        problems: Vec::new(),
    };
    let ran = config.known().is_some();
    if !ran {
        // GRUB stops at its prompt. What a configuration elsewhere says is still worth knowing.
        let wrong = wrong_prefix(&session, start, likely);
        facts.problems.push(wrong.problem);
        match wrong.config {
            Some(file) => {
                session.run_file(file);
            }
            None => return Ok(facts),
        }
    }
    let before = std::mem::take(&mut session.problems);
    let default = session.get("default").to_owned();
    facts.default = session
        .set_at
        .get("default")
        .map(|origin| (default, origin.clone()));
    let timeout = session.get("timeout").to_owned();
    facts.timeout = wait(&timeout);
    facts.timeout_origin = session.set_at.get("timeout").cloned();
    let Menu {
        mut entries,
        selected,
        problems,
        default_matches,
    } = menu::read(&mut session);
    facts.default_matches = default_matches;
    if ran {
        facts.problems.extend(before);
        facts.problems.extend(problems);
        let slot = selected.and_then(|i| empty_slot(&session, entries.get(i)?));
        facts.problems.extend(slot);
        facts.selected = selected;
    } else {
        // The selected one first: it is what was meant to boot.
        if let Some(meant) = selected.filter(|i| *i < entries.len()) {
            entries[..=meant].rotate_right(1);
        }
        for entry in &mut entries {
            entry.skipped = Some("GRUB does not find the configuration that has it".into());
        }
    }
    facts.entries = entries;
    Ok(facts)
}

/// The device and directory that `$prefix` names at the start.
fn prefix(
    devices: &Devices<'_>,
    start: &Start<'_>,
    own: &dyn FileSystem,
    likely: Option<&str>,
) -> (String, String) {
    let device = devices
        .name(start.partition)
        .unwrap_or_else(|| "hd0".into());
    if let Some(prefix) = &devices.program.prefix {
        return match prefix.strip_prefix('(').and_then(|p| p.split_once(')')) {
            // `(,gpt2)/boot/grub`: a partition of the disk it was started from.
            Some((part, path)) if part.starts_with(',') => (format!("hd0{part}"), path.into()),
            Some((named, path)) if !named.is_empty() => (named.into(), path.into()),
            Some((_, path)) => (device, path.into()),
            None => (device, prefix.clone()),
        };
    }
    let has =
        |fs: &dyn FileSystem, dir: &str| file::resolve(fs, &format!("{dir}/grub.cfg")).is_ok();
    if let Some(dir) = USUAL.iter().find(|dir| has(own, dir)) {
        return (device, (*dir).into());
    }
    let elsewhere = likely.and_then(|id| {
        let fs = devices.source.open(id).ok()?;
        let dir = USUAL.iter().find(|dir| has(fs.as_ref(), dir))?;
        Some((devices.name(id)?, (*dir).to_owned()))
    });
    elsewhere.unwrap_or((device, "/boot/grub".into()))
}

/// Runs the configuration inside the program and the one at the prefix. The fact is the file that made the menu.
fn run(session: &mut Session<'_>, program: &Program, start: &Start<'_>) -> Fact<Origin> {
    if let Some(text) = &program.config {
        let file = Arc::new(SourceFile {
            partition: start.partition.to_owned(),
            path: format!("{}[config]", start.path.unwrap_or_default()),
            text: text.clone(),
        });
        session.run_file(file);
        if let Some(file) = &session.config {
            return Fact::Known(Origin::whole(file));
        }
    }
    let name = format!("{}/grub.cfg", session.get("prefix"));
    match session.read(&name) {
        Some(file) => {
            session.config = Some(Arc::clone(&file));
            session.run_file(file);
            let file = session.config.as_ref();
            file.map_or(Fact::Absent, |file| Fact::Known(Origin::whole(file)))
        }
        None => Fact::Absent,
    }
}

struct Wrong {
    problem: LoaderProblem,
    config: Option<Arc<SourceFile>>,
}

/// There is no configuration where GRUB looks.
fn wrong_prefix(session: &Session<'_>, start: &Start<'_>, likely: Option<&str>) -> Wrong {
    let prefix = session.get("prefix");
    let name = format!("{prefix}/grub.cfg");
    let devices = session.devices;
    let located = devices.locate(&name, session.get("root"));
    let (kind, why) = match &located {
        Err(error) if error.kind != crate::inspect::error::ErrorKind::NotFound => {
            ("unknown-filesystem", format!(": {}", error.message))
        }
        _ => ("prefix-wrong", String::new()),
    };
    let mut config = None;
    for id in [Some(start.partition), likely].into_iter().flatten() {
        let Ok(fs) = devices.source.open(id) else {
            continue;
        };
        let paths = USUAL.iter().map(|dir| format!("{dir}/grub.cfg"));
        let mut found = paths.filter_map(|path| file::resolve(fs.as_ref(), &path).ok());
        if let Some(path) = found.next() {
            config = fs.read_source(&path, CONFIG_CAP).ok();
            break;
        }
    }
    let other = config
        .as_ref()
        .map(|file| format!("; there is one at {}", file.location()))
        .unwrap_or_default();
    let location = match start.path {
        Some(path) => Location::file(start.partition, path),
        None => Location::partition(start.partition),
    };
    Wrong {
        problem: LoaderProblem {
            kind: kind.into(),
            message: format!("GRUB looks for {name}, which is not there{why}{other}"),
            origin: None,
            location,
        },
        config,
    }
}

/// Seconds to wait: nothing set, or a negative number, waits for a key for ever.
fn wait(timeout: &str) -> Option<u32> {
    match timeout.trim().parse::<i64>() {
        Ok(0) => None,
        Ok(seconds) if seconds > 0 => Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
        _ => Some(u32::MAX),
    }
}

/// A grubenv decided, and what the entry takes for its root holds nothing.
fn empty_slot(session: &Session<'_>, entry: &super::LoaderEntry) -> Option<LoaderProblem> {
    let disk = session.devices.disk;
    let (variable, origin) = session.environment.iter().next()?;
    let words = cmdline::parse(&entry.options, &[]);
    let root = words.value("root")?;
    let DeviceMatch::Partition(id) = device_match(root, disk) else {
        return None;
    };
    let partition = disk.partitions.iter().find(|p| p.id == id)?;
    if partition.content.fs_type.is_some() {
        return None;
    }
    let value = session.get(variable);
    Some(LoaderProblem {
        kind: "slot-empty".into(),
        message: format!(
            "with {variable}={value} in grubenv the root is {root}, and that partition holds no file system"
        ),
        origin: Some(origin.clone()),
        location: Location::partition(id),
    })
}

/// A BIOS GRUB leaves its name in the boot sector (`grub-core/boot/i386/pc/boot.S`).
pub fn in_boot_sector(sector: &[u8]) -> bool {
    let code = sector.get(..440).unwrap_or_default();
    code.windows(5).any(|w| w == b"GRUB ") && code.windows(4).any(|w| w == b"Geom")
}

/// An error for a GRUB whose partition cannot be opened.
pub fn unreadable(partition: &str) -> Error {
    Error::not_found(Location::partition(partition))
}

#[cfg(test)]
mod tests;
