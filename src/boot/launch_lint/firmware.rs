//! Flash images: code and variable store.

use super::{Case, finding};
use crate::boot::arguments::Disk;
use crate::boot::outcome::LaunchFinding;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

pub(super) fn check(case: &Case, found: &mut Vec<LaunchFinding>) {
    let flash = |unit| case.disks.iter().find(|d| d.unit == Some(unit));
    let bios = case.all("bios").next();
    let direct = case.all("kernel").next();
    match (flash(0), flash(1)) {
        (None, _) if bios.is_none() && direct.is_none() => found.push(finding(
            "launch-firmware-missing",
            "error",
            "no firmware is given: QEMU starts SeaBIOS, which does not read the EFI system partition",
            "(no -drive if=pflash)",
            "add OVMF as two pflash drives: the code read-only, a private copy of the variable store",
        )),
        (Some(code), None) => found.push(finding(
            "launch-firmware-unpaired",
            "warning",
            "OVMF has no variable store: boot entries and Secure Boot keys are lost at every reset",
            code.option.text(),
            "add a private copy of the matching OVMF_VARS as a second pflash",
        )),
        (Some(code), Some(vars)) => pair(case, code, vars, found),
        _ => {}
    }
}

fn pair(case: &Case, code: &Disk, vars: &Disk, found: &mut Vec<LaunchFinding>) {
    let path = case.cwd.join(&vars.file);
    let Ok(metadata) = path.metadata() else {
        found.push(finding(
            "launch-firmware-unpaired",
            "error",
            format!("the variable store {} is not there", vars.file),
            vars.option.text(),
            "copy OVMF_VARS to where the script says before QEMU starts",
        ));
        return;
    };
    let code_size = case.cwd.join(&code.file).metadata().map(|m| m.len());
    let large = |size: u64| size > 2 << 20;
    let store_large = metadata.len() > 256 << 10;
    if let Ok(size) = code_size
        && metadata.file_type().is_file()
        && size > 1 << 20
        && large(size) != store_large
    {
        found.push(finding(
            "launch-firmware-unpaired",
            "error",
            format!(
                "code ({size} bytes) and variable store ({} bytes) are not of one build: one is 2M, the other 4M",
                metadata.len()
            ),
            format!("{} {}", code.option.text(), vars.option.text()),
            "take code and variable store of one size (OVMF_CODE_4M with OVMF_VARS_4M)",
        ));
    }
    let writable =
        metadata.permissions().mode() & 0o222 != 0 || metadata.file_type().is_char_device();
    if !vars.readonly && !vars.snapshot && !writable {
        found.push(finding(
            "launch-vars-readonly",
            "error",
            format!(
                "the variable store {} is not writable, and QEMU opens it for writing",
                vars.file
            ),
            vars.option.text(),
            "make the copy writable (a file copied out of the Nix store is read-only: chmod u+w)",
        ));
    }
}
