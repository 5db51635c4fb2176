//! What the firmware starts: the loader at the removable-media path of the ESP.

use super::{Answer, Check, Context, Violation};
use crate::inspect::bootloader::PeFacts;
use crate::inspect::error::{ErrorKind, Fact};
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The file system can be read.
    FileSystem,
    /// The loader is there.
    LoaderPresent,
    /// It is an EFI program for this machine.
    LoaderValid,
    /// It is signed.
    LoaderSigned,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Esp {
    /// What is judged.
    pub aspect: Aspect,
}

/// Removable-media path for an architecture (UEFI specification 2.10, 3.5.1.1).
fn removable(architecture: Option<&str>) -> &'static str {
    match architecture {
        Some("aarch64") => "/EFI/BOOT/BOOTAA64.EFI",
        Some("i686") => "/EFI/BOOT/BOOTIA32.EFI",
        Some("riscv64") => "/EFI/BOOT/BOOTRISCV64.EFI",
        _ => "/EFI/BOOT/BOOTX64.EFI",
    }
}

impl Check for Esp {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let architecture = cx
            .facts
            .rootfs
            .known()
            .and_then(|r| r.architecture.as_deref());
        let disk = known!(cx.facts.disk);
        let esp = match (&cx.facts.esp, self.aspect) {
            (Fact::Known(esp), _) => esp,
            (Fact::Unreadable(error), Aspect::FileSystem) if error.kind == ErrorKind::Corrupt => {
                return Answer::Violated(vec![Violation::at(
                    error.location.clone(),
                    format!("the firmware cannot read the ESP: {}", error.message),
                )]);
            }
            (Fact::Absent, Aspect::LoaderPresent) if !disk.partitions.is_empty() => {
                return Answer::Violated(vec![Violation::at(
                    Location::image(),
                    "the disk has no EFI system partition, and no FAT partition with /EFI: UEFI firmware has nothing to start",
                )]);
            }
            (other, _) => return Answer::without(other),
        };
        let path = removable(architecture);
        let place = || Location::file(&esp.partition, path);
        match (self.aspect, &esp.removable) {
            (Aspect::FileSystem, Fact::Unreadable(error)) if error.kind == ErrorKind::Corrupt => {
                Answer::Violated(vec![Violation::at(
                    error.location.clone(),
                    format!(
                        "the firmware cannot read the loader from the ESP: {}",
                        error.message
                    ),
                )])
            }
            (Aspect::LoaderPresent, Fact::Absent) => {
                let others = if esp.other_architectures.is_empty() {
                    String::new()
                } else {
                    format!(
                        "; it has {} for other machines",
                        esp.other_architectures.join(", ")
                    )
                };
                Answer::Violated(vec![Violation::at(
                    place(),
                    format!(
                        "the ESP has no {}: the firmware finds nothing to start{others}",
                        path.trim_start_matches('/')
                    ),
                )])
            }
            (Aspect::LoaderValid, Fact::Known(pe)) => {
                Answer::from_option(invalid(pe, architecture))
            }
            (Aspect::LoaderSigned, Fact::Known(pe)) => {
                Answer::from_option((!pe.signed).then(|| {
                    Violation::at(
                        pe.location.clone(),
                        "the loader is not signed: firmware with Secure Boot refuses it",
                    )
                }))
            }
            (Aspect::FileSystem, _) | (Aspect::LoaderPresent, Fact::Known(_)) => Answer::Satisfied,
            (_, fact) => Answer::without(fact),
        }
    }
}

fn invalid(pe: &PeFacts, architecture: Option<&str>) -> Option<Violation> {
    let at = |message: String| Some(Violation::at(pe.location.clone(), message));
    if pe.size == 0 {
        return at("the loader is empty (0 bytes): the firmware refuses it".into());
    }
    if let Some(damage) = &pe.damage {
        return at(format!(
            "the loader is no whole EFI program: {}",
            damage.message
        ));
    }
    let wanted = architecture.unwrap_or("x86_64");
    if pe.machine != wanted {
        return at(format!(
            "the loader is built for {}, and the image is for {wanted}: the firmware refuses it (Unsupported)",
            pe.machine
        ));
    }
    if !pe.efi_application {
        return at("the loader is a PE file, but no EFI application".into());
    }
    None
}
