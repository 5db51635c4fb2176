//! The accelerator: KVM when it really works, else TCG, found out by trying.
//!
//! `/dev/kvm` can be missing, closed, or open and broken: QEMU then aborts (`failed to set MSR`), or stays alive in run state
//! `internal-error` with every channel empty. So the boot itself is the trial; when KVM falls over before the guest has shown
//! a sign of life, the machine is started again with TCG.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

/// What the user asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// KVM, falling back to TCG.
    Auto,
    /// KVM or nothing.
    Kvm,
    /// Emulation.
    Tcg,
}

/// What a machine runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The kernel's virtual machine.
    Kvm,
    /// QEMU's emulation.
    Tcg,
}

impl Accel {
    /// `-accel` value. One thread per vCPU is what makes TCG bearable.
    pub fn argument(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg,thread=multi",
        }
    }

    /// `-cpu` value: all that the accelerator offers.
    pub fn cpu(self) -> &'static str {
        match self {
            Accel::Kvm => "host",
            Accel::Tcg => "max",
        }
    }

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        }
    }
}

/// What can be told about KVM without starting a machine: whether this process may open it.
pub fn kvm_device(device: &Path) -> Result<(), String> {
    match OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => format!(
                "{} is not there: this host has no KVM (or its module is not loaded)",
                device.display()
            ),
            ErrorKind::PermissionDenied => format!(
                "no permission to open {}: add the user to the group kvm",
                device.display()
            ),
            _ => format!("{}: {error}", device.display()),
        }),
    }
}

/// Words by which QEMU says on stderr that it is KVM that failed, in versions 5 to 10.
const KVM_WORDS: &[&str] = &[
    "KVM kernel module",
    "failed to initialize kvm",
    "failed to set MSR",
    "failed to get MSR",
    "kvm_buf_set_msrs",
    "kvm_put_msrs",
    "kvm_init_vcpu",
    "KVM internal error",
    "KVM_CREATE_VM",
    "KVM_RUN failed",
    "error: kvm run failed",
    "requires KVM",
    "kvm_arch_init_vcpu",
    "KVM is not supported",
    "-accel kvm:",
];

/// The line that blames KVM, when there is one.
pub fn kvm_complaint(stderr: &str) -> Option<&str> {
    stderr
        .lines()
        .find(|line| KVM_WORDS.iter().any(|word| line.contains(word)))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_inside_kvm_is_known() {
        let stderr = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\nAborted\n";
        assert!(kvm_complaint(stderr).unwrap().contains("MSR 0x10a"));
        assert_eq!(kvm_complaint("qemu: -drive: could not open\n"), None);
    }

    #[test]
    fn a_missing_device_is_told_apart() {
        let reason = kvm_device(Path::new("/no/dev/kvm")).unwrap_err();
        assert!(reason.contains("is not there"));
    }
}
