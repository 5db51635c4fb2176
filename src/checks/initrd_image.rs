//! The initrd is whole, and the kernel can unpack it.

use super::{Answer, Check, Context, Violation};
use crate::inspect::error::ErrorKind;
use crate::inspect::initrd::listing::UNKNOWN;
use crate::inspect::initrd::{Archive, InitrdFacts};
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// It unpacks, and has an /init.
    Whole,
    /// This kernel knows its compression.
    Compression,
    /// It has what mounting the root needs.
    RootDrivers,
    /// Nothing on the command line keeps those drivers from loading.
    RootDriversAllowed,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitrdImage {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for InitrdImage {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let initrd = known!(cx.facts.initrd);
        let place = || initrd.files.first().cloned().unwrap_or_default();
        if initrd.skipped {
            return Answer::CannotTell {
                reason: "the initrd was not read".into(),
                location: place(),
            };
        }
        match self.aspect {
            Aspect::Whole => match &initrd.damage {
                // It was never an initrd, as far as a kernel can see; the other rule's business.
                Some(_) if foreign(initrd).is_some() => Answer::NotApplicable,
                Some(damage)
                    if damage.kind == ErrorKind::Unsupported || damage.kind == ErrorKind::Limit =>
                {
                    Answer::unreadable(damage)
                }
                Some(damage) => Answer::Violated(vec![Violation::at(
                    damage.location.clone(),
                    format!("the kernel cannot unpack the initrd: {}", damage.message),
                )]),
                None if !initrd.has_init => Answer::Violated(vec![Violation::at(
                    place(),
                    "the initrd has no /init: the kernel falls back to mounting the root itself",
                )]),
                None => Answer::Satisfied,
            },
            Aspect::Compression => compression(cx),
            Aspect::RootDrivers => root_drivers(cx, place()),
            Aspect::RootDriversAllowed => root_drivers_allowed(cx),
        }
    }
}

/// What should hold the system is no archive, and packed by nothing that kernels know: they have no other sign than
/// the first bytes.
fn foreign(initrd: &InitrdFacts) -> Option<&Archive> {
    let last = initrd.archives.last()?;
    (last.compression == UNKNOWN && !initrd.has_init).then_some(last)
}

/// `CONFIG_RD_…` of each compression (usr/Kconfig).
fn compression(cx: &Context<'_>) -> Answer {
    let initrd = known!(cx.facts.initrd);
    if let Some(archive) = foreign(initrd) {
        return Answer::Violated(vec![Violation::at(
            archive.location.clone(),
            "the initrd starts like no archive and like no compression that a kernel can unpack",
        )]);
    }
    let kernel = known!(cx.facts.kernel);
    let config = known!(kernel.config);
    let mut violations = Vec::new();
    for archive in &initrd.archives {
        let option = match archive.compression.as_str() {
            "gzip" => "CONFIG_RD_GZIP",
            "bzip2" => "CONFIG_RD_BZIP2",
            "lzma" => "CONFIG_RD_LZMA",
            "xz" => "CONFIG_RD_XZ",
            "lzo" => "CONFIG_RD_LZO",
            "lz4" => "CONFIG_RD_LZ4",
            "zstd" => "CONFIG_RD_ZSTD",
            _ => continue,
        };
        if config.get(option).is_none_or(|v| v != "y") {
            violations.push(Violation::at(
                archive.location.clone(),
                format!(
                    "the initrd is compressed with {}, and this kernel was built without {option}",
                    archive.compression
                ),
            ));
        }
    }
    Answer::from_violations(violations)
}

/// By which the test machine reaches its disk.
const BUS: &[&str] = &["virtio_pci", "virtio_blk"];

/// The driver of the root's file system.
fn root_driver<'a>(cx: &Context<'a>) -> &'a str {
    match cx.facts.rootfs.known().map(|r| r.fs_type.as_str()) {
        // ext4 also mounts the older two.
        Some("ext2" | "ext3") | None => "ext4",
        Some(other) => other,
    }
}

/// `module_blacklist=` makes the kernel refuse the module, whoever asks (kernel/module/main.c, `blacklisted`);
/// `modprobe.blacklist=` only keeps udev from loading it, and file systems are asked for by name.
fn root_drivers_allowed(cx: &Context<'_>) -> Answer {
    let modules = known!(cx.facts.modules);
    let cmdline = known!(cx.facts.cmdline);
    let udev = BUS.iter().map(|name| (*name, true));
    let mut violations = Vec::new();
    for (name, by_udev) in udev.chain([(root_driver(cx), false)]) {
        let Some(state) = modules.states.get(name).filter(|s| !s.builtin) else {
            continue;
        };
        for word in &state.cmdline_blacklist {
            if !by_udev && !word.starts_with("module_blacklist") {
                continue;
            }
            let message = format!(
                "`{word}` on the kernel command line keeps {name} from loading: the root is never found or mounted"
            );
            let place = cmdline.written(word).and_then(|w| w.place.as_ref());
            violations.push(match place {
                Some((origin, _)) => Violation::at_line(origin, message),
                None => Violation::at(Location::default(), message),
            });
        }
    }
    Answer::from_violations(violations)
}

fn root_drivers(cx: &Context<'_>, place: Location) -> Answer {
    let initrd = known!(cx.facts.initrd);
    let modules = known!(cx.facts.modules);
    if initrd.damage.is_some() || !initrd.has_init {
        return Answer::NotApplicable;
    }
    if modules.release.is_none() {
        return Answer::CannotTell {
            reason: "the kernel that boots is not known".into(),
            location: place,
        };
    }
    let mut missing = Vec::new();
    for name in BUS.iter().copied().chain([root_driver(cx)]) {
        let Some(state) = modules.states.get(name) else {
            continue;
        };
        if !state.builtin && !state.in_initrd {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Answer::Satisfied;
    }
    let release = modules.release.as_deref().unwrap_or_default();
    let other: Vec<&String> = initrd
        .module_releases
        .iter()
        .filter(|r| r.as_str() != release)
        .collect();
    let mut found = Violation::at(
        place,
        format!(
            "the initrd lacks {}: on virtio it cannot find or mount the root",
            missing.join(", ")
        ),
    );
    if !other.is_empty() && !initrd.module_releases.contains(release) {
        let named = other
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        found = found.because([format!(
            "its modules are for kernel {named}, and {release} boots"
        )]);
    }
    Answer::Violated(vec![found])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;

    fn allowed(word: &str, list: &[&str], module: &str) -> Answer {
        let mut facts = testing::healthy();
        testing::cmdline(&mut facts, &format!("root=/dev/vda2 {word}"));
        let states = &mut testing::modules(&mut facts).states;
        states.get_mut(module).unwrap().cmdline_blacklist =
            list.iter().map(|w| (*w).to_owned()).collect();
        let check = InitrdImage {
            aspect: Aspect::RootDriversAllowed,
        };
        check.judge(&Context::new(&facts))
    }

    #[test]
    fn the_command_line_may_forbid_the_disk() {
        let word = "module_blacklist=virtio_blk";
        let Answer::Violated(found) = allowed(word, &[word], "virtio_blk") else {
            panic!("not found");
        };
        assert_eq!(found[0].location.line, Some(2));
        let by_udev = "modprobe.blacklist=virtio_blk";
        assert!(matches!(
            allowed(by_udev, &[by_udev], "virtio_blk"),
            Answer::Violated(_)
        ));
        assert_eq!(allowed("quiet", &[], "virtio_blk"), Answer::Satisfied);
    }

    #[test]
    fn a_file_system_is_asked_for_by_name() {
        let word = "modprobe.blacklist=ext4";
        assert_eq!(allowed(word, &[word], "ext4"), Answer::Satisfied);
        let word = "module_blacklist=ext4";
        assert!(matches!(
            allowed(word, &[word], "ext4"),
            Answer::Violated(_)
        ));
    }
}
