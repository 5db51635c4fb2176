//! Finds OVMF: code and variable store as a pair of one size.

pub mod descriptor;

use super::outcome::FirmwareFact;
use super::trouble::{HostTrouble, Kind};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A firmware pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// Code, mapped read-only.
    pub code: PathBuf,
    /// Template of the variable store; a private copy of it is given to the guest.
    pub vars: PathBuf,
    /// How it was found.
    pub found_by: String,
    /// The code insists on System Management Mode (secure-boot builds).
    pub needs_smm: bool,
}

/// Pairs by distribution, 4M before 2M. Debian and Ubuntu; Fedora; Arch; openSUSE; Nix (OVMF and QEMU's own).
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "Debian",
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "Debian",
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "Fedora",
        "/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2",
        "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2",
    ),
    (
        "Fedora",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "Arch",
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "Arch",
        "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    (
        "openSUSE",
        "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
        "/usr/share/qemu/ovmf-x86_64-4m-vars.bin",
    ),
    (
        "openSUSE",
        "/usr/share/qemu/ovmf-x86_64-code.bin",
        "/usr/share/qemu/ovmf-x86_64-vars.bin",
    ),
    (
        "NixOS",
        "/run/libvirt/nix-ovmf/OVMF_CODE.fd",
        "/run/libvirt/nix-ovmf/OVMF_VARS.fd",
    ),
];

/// Flash sizes of OVMF builds: code and variables add up to 2 MiB or 4 MiB (`OvmfPkg/OvmfPkgDefines.fdf.inc`).
const PAIRS: &[(u64, u64)] = &[(1_966_080, 131_072), (3_653_632, 540_672)];

/// The firmware to use: as asked, else QEMU's firmware descriptors, else the distributions' usual places,
/// else what lies beside QEMU or in the Nix store.
pub fn find(
    code: Option<&Path>,
    vars: Option<&Path>,
    qemu: Option<&Path>,
    secure_boot: bool,
) -> Result<Firmware, HostTrouble> {
    if let Some(code) = code {
        return asked(code, vars, secure_boot);
    }
    if let Some(vars) = vars {
        return Err(HostTrouble::new(
            Kind::FirmwareMissing,
            format!("--ovmf-vars {} without --ovmf-code", vars.display()),
            "give both, or neither",
        ));
    }
    let share = qemu.and_then(share_directory);
    if let Some(found) = descriptor::find(share.as_deref(), secure_boot) {
        return Ok(found);
    }
    if !secure_boot {
        for (distribution, code, vars) in KNOWN {
            if Path::new(code).is_file() && Path::new(vars).is_file() {
                return Ok(Firmware {
                    code: code.into(),
                    vars: vars.into(),
                    found_by: (*distribution).to_owned(),
                    needs_smm: false,
                });
            }
        }
        for code in super::nix_store("*-OVMF-*-fd/FV/OVMF_CODE.fd") {
            if let Some(vars) = vars_beside(&code) {
                return Ok(Firmware {
                    code,
                    vars,
                    found_by: "Nix store".to_owned(),
                    needs_smm: false,
                });
            }
        }
    }
    Err(HostTrouble::new(
        Kind::FirmwareMissing,
        if secure_boot {
            "no OVMF with Secure Boot and enrolled keys on this host"
        } else {
            "no OVMF firmware for x86-64 on this host"
        },
        "install it (Debian: apt install ovmf; Fedora: dnf install edk2-ovmf; Arch: pacman -S edk2-ovmf; \
         openSUSE: zypper install qemu-ovmf-x86_64; Nix: nixpkgs#OVMF.fd), or name it with --ovmf-code and --ovmf-vars",
    ))
}

/// `…/bin/qemu-system-x86_64` → `…/share/qemu`: where a Nix QEMU has its own descriptors.
fn share_directory(qemu: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(qemu).ok()?;
    Some(real.parent()?.parent()?.join("share/qemu"))
}

fn asked(code: &Path, vars: Option<&Path>, needs_smm: bool) -> Result<Firmware, HostTrouble> {
    let code_size = size(code)?;
    let vars = match vars {
        Some(vars) => vars.to_owned(),
        None => vars_beside(code).ok_or_else(|| {
            HostTrouble::new(
                Kind::FirmwareMissing,
                format!(
                    "no variable store beside {} (a file of that name with VARS for CODE)",
                    code.display()
                ),
                "name it with --ovmf-vars",
            )
        })?,
    };
    let vars_size = size(&vars)?;
    let fitting = PAIRS.iter().find(|(c, _)| *c == code_size);
    if let (Some((_, wanted)), false) = (fitting, is_qcow2(&vars))
        && *wanted != vars_size
    {
        return Err(HostTrouble::new(
            Kind::FirmwarePairMismatch,
            format!(
                "firmware code and variable store do not belong together: {} has {code_size} bytes and wants a store \
                     of {wanted}, {} has {vars_size}",
                code.display(),
                vars.display()
            ),
            "give --ovmf-code and --ovmf-vars of one size (both 2M or both 4M)",
        ));
    }
    Ok(Firmware {
        code: code.to_owned(),
        vars,
        found_by: "option".to_owned(),
        needs_smm,
    })
}

fn size(file: &Path) -> Result<u64, HostTrouble> {
    let unreadable = |error: std::io::Error| {
        HostTrouble::new(
            Kind::FirmwareMissing,
            format!("firmware file {}: {error}", file.display()),
            "name a readable file with --ovmf-code and --ovmf-vars",
        )
    };
    let metadata = File::open(file)
        .and_then(|f| f.metadata())
        .map_err(unreadable)?;
    if metadata.is_file() && metadata.len() > 0 {
        Ok(metadata.len())
    } else {
        Err(unreadable(std::io::Error::other("not a file with content")))
    }
}

/// `OVMF_CODE_4M.secboot.fd` has no store of that name, but `OVMF_VARS_4M.fd` fits: try both.
fn vars_beside(code: &Path) -> Option<PathBuf> {
    let name = code.file_name()?.to_str()?;
    let direct = name.replace("CODE", "VARS").replace("code", "vars");
    let plain = direct
        .replace(".secboot", "")
        .replace(".ms", "")
        .replace("-secure", "");
    // QEMU's own builds share one store between i386 and x86-64.
    let bundled = "edk2-i386-vars.fd".to_owned();
    [direct, plain, bundled]
        .into_iter()
        .filter(|candidate| candidate != name)
        .map(|candidate| code.with_file_name(candidate))
        .find(|candidate| candidate.is_file())
}

/// Fedora ships its firmware as qcow2.
pub fn is_qcow2(file: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(file)
        .and_then(|mut f| f.read_exact(&mut magic))
        .is_ok()
        && magic == *b"QFI\xfb"
}

impl Firmware {
    /// For the report.
    pub fn fact(&self) -> FirmwareFact {
        FirmwareFact {
            code: self.code.display().to_string(),
            vars: Some(self.vars.display().to_string()),
            found_by: self.found_by.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str, size: u64) -> PathBuf {
        let path = directory.join(name);
        File::create(&path).unwrap().set_len(size).unwrap();
        path
    }

    #[test]
    fn pairs_are_kept_together() {
        let directory = tempfile::tempdir().unwrap();
        let code = file(directory.path(), "OVMF_CODE_4M.fd", 3_653_632);
        let small = file(directory.path(), "OVMF_VARS.fd", 131_072);
        let trouble = find(Some(&code), Some(&small), None, false).unwrap_err();
        assert!(trouble.what.contains("do not belong together"));
        let trouble = find(Some(&code), None, None, false).unwrap_err();
        assert!(trouble.what.contains("no variable store beside"));
        let vars = file(directory.path(), "OVMF_VARS_4M.fd", 540_672);
        assert_eq!(find(Some(&code), None, None, false).unwrap().vars, vars);
    }

    #[test]
    fn an_empty_or_missing_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let empty = file(directory.path(), "OVMF_CODE.fd", 0);
        assert!(find(Some(&empty), None, None, false).is_err());
        let trouble = find(Some(Path::new("/no/CODE.fd")), None, None, false).unwrap_err();
        assert!(trouble.what.contains("/no/CODE.fd"));
    }
}
