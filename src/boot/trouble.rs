//! Trouble that keeps a boot from being tried at all: the host's or the user's, never the image's.

/// What kind of trouble; its id is the verdict's `cause_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the ids say it")]
pub enum Kind {
    QemuMissing,
    QemuBroken,
    FirmwareMissing,
    FirmwarePairMismatch,
    ImageUnreadable,
    ImageLocked,
    KvmMissing,
    KvmBroken,
    MemoryTooSmall,
    MemoryUnavailable,
    TemporaryDirectory,
    VdeMissing,
    LaunchFailed,
}

impl Kind {
    /// Id as in JSON; the same words as `diagnose` uses.
    pub fn id(self) -> &'static str {
        match self {
            Kind::QemuMissing => "qemu-missing",
            Kind::QemuBroken => "qemu-broken",
            Kind::FirmwareMissing => "firmware-missing",
            Kind::FirmwarePairMismatch => "firmware-pair-mismatch",
            Kind::ImageUnreadable => "image-unreadable",
            Kind::ImageLocked => "image-locked",
            Kind::KvmMissing => "kvm-missing",
            Kind::KvmBroken => "kvm-broken",
            Kind::MemoryTooSmall => "memory-too-small",
            Kind::MemoryUnavailable => "memory-unavailable",
            Kind::TemporaryDirectory => "temporary-directory",
            Kind::VdeMissing => "vde-socket-missing",
            Kind::LaunchFailed => "launch-failed",
        }
    }

    /// The start script's arguments are to blame as much as the host: then the boot's own verdict says which.
    pub fn by_arguments(self) -> bool {
        matches!(
            self,
            Kind::FirmwarePairMismatch | Kind::VdeMissing | Kind::LaunchFailed
        )
    }
}

/// One clear sentence, and what to do about it. Exit code 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct HostTrouble {
    /// Kind.
    pub kind: Kind,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl HostTrouble {
    /// Trouble with its remedy.
    pub fn new(kind: Kind, what: impl Into<String>, remedy: impl Into<String>) -> HostTrouble {
        HostTrouble {
            kind,
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Why no boot was tried.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The host cannot do it (exit code 4).
    #[error(transparent)]
    Host(#[from] HostTrouble),
    /// The command line or a start script makes no sense (exit code 2).
    #[error("{0}")]
    Usage(String),
}

/// What QEMU says when it cannot start, and what that means for the user. Wordings of QEMU 5 to 10.
pub fn from_qemu_stderr(stderr: &str, image: &str) -> Option<HostTrouble> {
    let line = |needle: &str| stderr.lines().find(|l| l.contains(needle));
    if let Some(lock) = line("Failed to get").filter(|l| l.contains("lock")) {
        return Some(HostTrouble::new(
            Kind::ImageLocked,
            format!("the image is in use by another process: {}", message(lock)),
            format!(
                "end the QEMU that has {image} open for writing (`fuser -v {image}` shows it), or boot a copy"
            ),
        ));
    }
    if line("cannot set up guest memory").is_some() || line("Cannot allocate memory").is_some() {
        return Some(HostTrouble::new(
            Kind::MemoryUnavailable,
            "QEMU could not get the guest's memory from the host",
            "free memory on the host, or give the guest less with --memory",
        ));
    }
    if let Some(size) = line("block backend provides") {
        return Some(HostTrouble::new(
            Kind::FirmwarePairMismatch,
            format!(
                "firmware code and variable store do not belong together: {}",
                message(size)
            ),
            "give --ovmf-code and --ovmf-vars of one size (both 2M or both 4M)",
        ));
    }
    if let Some(vde) = stderr
        .lines()
        .find(|l| l.contains("vde") && l.contains("Could not open"))
    {
        return Some(HostTrouble::new(
            Kind::VdeMissing,
            format!(
                "the VDE switch of the test network is not there: {}",
                message(vde)
            ),
            "start vde_switch with that socket first, or run the script under the test driver",
        ));
    }
    if let Some(permission) = line("Permission denied").or_else(|| line("Could not open")) {
        return Some(HostTrouble::new(
            Kind::ImageUnreadable,
            format!("QEMU could not open a file: {}", message(permission)),
            "make the file readable for the user who runs isar-doctor",
        ));
    }
    None
}

/// QEMU's own words without its program name.
fn message(line: &str) -> &str {
    line.split_once("qemu-system-")
        .and_then(|(_, rest)| rest.split_once(": "))
        .map_or(line, |(_, rest)| rest)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_image_is_named_with_a_remedy() {
        let stderr = "qemu-system-x86_64: -drive file=a.wic,if=virtio: Failed to get shared \"write\" lock\nIs another process using the image [a.wic]?\n";
        let trouble = from_qemu_stderr(stderr, "a.wic").unwrap();
        assert!(trouble.what.starts_with("the image is in use"));
        assert!(trouble.remedy.contains("fuser -v a.wic"));
        assert_eq!(from_qemu_stderr("warning: something\n", "a.wic"), None);
    }
}
