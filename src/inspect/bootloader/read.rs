//! From the ESP to the entry: the program at the removable-media path, what it chains to, and what that reads.

use super::detect::{self, identify, machine_of_suffix, rootfs_machine};
use super::file;
use super::pe::{self, Image};
use super::{EspFacts, LoaderFacts, LoaderKind, Partitions, PeFacts, grub, systemd_boot, uki};
use crate::inspect::error::{Error, Fact};
use crate::inspect::filesystem::{FileKind, FileSystem};
use crate::inspect::partitions::DiskFacts;
use crate::inspect::source::Location;

/// Where the firmware looks on a disk that no boot entry names (UEFI specification 3.5.1.1).
const REMOVABLE: &str = "/EFI/BOOT";
/// shim → loader; a longer chain is a loop.
const MAX_CHAIN: usize = 4;

/// What was found at the removable-media path.
struct Removable {
    facts: Fact<PeFacts>,
    /// Path and headers, when there is something.
    program: Option<(String, Image)>,
    others: Vec<String>,
    /// The architecture that the firmware would have.
    machine: u16,
}

/// Reads the ESP and the loader in it. `likely` is the partition that looks like the root file system. Without an ESP
/// there may be a GRUB for the BIOS.
pub fn read(
    source: &dyn Partitions,
    disk: &DiskFacts,
    likely: Option<&str>,
) -> (Fact<EspFacts>, Fact<LoaderFacts>) {
    let rootfs = likely.and_then(|id| source.open(id).ok());
    let esp = match disk.esp.as_deref().map(|id| source.open(id)) {
        Some(Ok(esp)) => esp,
        Some(Err(error)) => return (Fact::Unreadable(error.clone()), Fact::Unreadable(error)),
        None => return (Fact::Absent, Fact::Absent),
    };
    let esp = esp.as_ref();
    if let Err(error) = esp.read_dir("/") {
        return (Fact::Unreadable(error.clone()), Fact::Unreadable(error));
    }
    let removable = removable(esp, rootfs.as_deref().and_then(rootfs_machine));
    let facts = EspFacts {
        partition: esp.partition().to_owned(),
        fat_type: esp.variant().to_owned(),
        removable: removable.facts.clone(),
        other_architectures: removable.others.clone(),
    };
    let place = Place {
        source,
        disk,
        esp,
        rootfs: rootfs.as_deref(),
        likely,
    };
    (Fact::Known(facts), loader(&place, removable))
}

/// Where a loader can look.
struct Place<'a> {
    source: &'a dyn Partitions,
    disk: &'a DiskFacts,
    esp: &'a dyn FileSystem,
    rootfs: Option<&'a dyn FileSystem>,
    likely: Option<&'a str>,
}

fn removable(esp: &dyn FileSystem, machine: Option<u16>) -> Removable {
    let dir = file::resolve(esp, REMOVABLE);
    let names = match dir.as_ref().map(|dir| esp.read_dir(dir)) {
        Ok(Ok(entries)) => entries,
        Ok(Err(error)) => return nothing(Fact::Unreadable(error), machine),
        Err(error) => return nothing(Fact::from_result(Err(error.clone())), machine),
    };
    let mut loaders: Vec<(u16, String)> = Vec::new();
    for entry in names.iter().filter(|e| e.kind != FileKind::Directory) {
        let upper = entry.name.to_ascii_uppercase();
        let suffix = upper
            .strip_prefix("BOOT")
            .and_then(|n| n.strip_suffix(".EFI"));
        if let Some(machine) = suffix.and_then(machine_of_suffix) {
            loaders.push((machine, entry.name.clone()));
        }
    }
    // Without a root file system to tell, x86-64 comes first and else what there is.
    let wanted = machine
        .or_else(|| loaders.iter().map(|(m, _)| *m).find(|m| *m == 0x8664))
        .or_else(|| loaders.first().map(|(m, _)| *m))
        .unwrap_or(0x8664);
    let (own, others): (Vec<_>, Vec<_>) = loaders.into_iter().partition(|(m, _)| *m == wanted);
    let others = others.into_iter().map(|(_, name)| name).collect();
    let mut found = nothing(Fact::Absent, Some(wanted));
    found.others = others;
    if let (Some((_, name)), Ok(dir)) = (own.into_iter().next(), dir) {
        let path = format!("{dir}/{name}");
        match pe::read(esp, &path) {
            Ok(image) => {
                found.facts = Fact::Known(image.facts.clone());
                found.program = Some((path, image));
            }
            Err(error) => found.facts = Fact::Unreadable(error),
        }
    }
    found
}

fn nothing(facts: Fact<PeFacts>, machine: Option<u16>) -> Removable {
    Removable {
        facts,
        program: None,
        others: Vec::new(),
        machine: machine.unwrap_or(0x8664),
    }
}

/// Follows the chain to the program that reads a configuration, and reads it as that program would.
fn loader(place: &Place<'_>, removable: Removable) -> Fact<LoaderFacts> {
    let esp = place.esp;
    let machine = removable.machine;
    let mut chain = Vec::new();
    let mut next = removable.program;
    let mut kind = LoaderKind::Unknown;
    let mut version = None;
    let mut last = None;
    while let Some((path, image)) = next.take() {
        (kind, version) = identify(esp, &path, &image);
        chain.push(image.facts.clone());
        if kind == LoaderKind::Shim && chain.len() < MAX_CHAIN {
            next = behind_shim(esp, &path, machine);
        }
        last = Some(path);
    }
    if matches!(kind, LoaderKind::Unknown | LoaderKind::Shim) {
        // A damaged or missing program: its configuration still says what was meant to boot.
        kind = by_configuration(esp, place.rootfs).unwrap_or(kind);
    }
    let mut facts = match (kind, last) {
        (LoaderKind::SystemdBoot, _) => systemd_boot::read(esp, machine, version),
        (LoaderKind::Uki, Some(path)) => unified(esp, &path, version),
        (LoaderKind::Grub, path) => {
            let start = grub::Start {
                partition: esp.partition(),
                path: path.as_deref(),
                cpu: grub_cpu(machine),
                platform: "efi",
                version,
            };
            match grub::read(place.source, place.disk, &start, place.likely) {
                Ok(facts) => facts,
                Err(error) => return Fact::Unreadable(error),
            }
        }
        (LoaderKind::EfiBootGuard, Some(path)) => {
            return Fact::Unreadable(Error::unsupported(
                Location::file(esp.partition(), path),
                "EFI Boot Guard's environments (BGENV.DAT) are not read",
            ));
        }
        (_, Some(path)) => {
            return Fact::Unreadable(Error::unsupported(
                Location::file(esp.partition(), path),
                "is a boot program that isar-doctor does not know",
            ));
        }
        (_, None) => return Fact::Absent,
    };
    facts.chain = chain;
    Fact::Known(facts)
}

/// `$grub_cpu`.
fn grub_cpu(machine: u16) -> &'static str {
    match machine {
        0xaa64 => "arm64",
        0x014c => "i386",
        0x01c0 | 0x01c2 | 0x01c4 => "arm",
        0x5064 => "riscv64",
        0x6264 => "loongarch64",
        _ => "x86_64",
    }
}

/// shim starts `grub<arch>.efi` beside itself, whatever that is (its default loader).
fn behind_shim(esp: &dyn FileSystem, shim: &str, machine: u16) -> Option<(String, Image)> {
    let (dir, _) = shim.rsplit_once('/')?;
    let suffix = detect::efi_suffix(machine)?;
    let path = file::resolve(esp, &format!("{dir}/grub{suffix}.efi")).ok()?;
    let image = pe::read(esp, &path).ok()?;
    Some((path, image))
}

/// Which loader the configuration on the disk is for.
fn by_configuration(esp: &dyn FileSystem, rootfs: Option<&dyn FileSystem>) -> Option<LoaderKind> {
    let systemd = ["/loader/loader.conf", "/loader/entries", "/EFI/Linux"];
    if systemd.iter().any(|path| file::resolve(esp, path).is_ok()) {
        return Some(LoaderKind::SystemdBoot);
    }
    let on_root = rootfs.is_some_and(|fs| fs.exists("/boot/grub/grub.cfg"));
    let on_esp = [
        "/EFI/BOOT/grub.cfg",
        "/boot/grub/grub.cfg",
        "/grub/grub.cfg",
    ];
    let on_esp = on_esp.iter().any(|path| file::resolve(esp, path).is_ok());
    (on_root || on_esp).then_some(LoaderKind::Grub)
}

/// A UKI that the firmware starts itself.
fn unified(esp: &dyn FileSystem, path: &str, version: Option<String>) -> LoaderFacts {
    let mut problems = Vec::new();
    let entry = uki::as_loader(esp, path, &mut problems);
    LoaderFacts {
        kind: LoaderKind::Uki,
        version,
        chain: Vec::new(),
        config: Fact::Absent,
        default: None,
        default_matches: true,
        timeout: None,
        timeout_origin: None,
        entries: vec![entry],
        selected: Some(0),
        problems,
    }
}
