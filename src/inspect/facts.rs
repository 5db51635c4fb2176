//! Everything inspect knows about one image, plain and serialisable.

use super::bootloader::{EspFacts, LoaderFacts};
use super::cmdline::CmdlineFacts;
use super::dpkg::PackageFacts;
use super::error::Fact;
use super::exec::Executable;
use super::filesystem::FileKind;
use super::fstab::{DeviceMatch, FstabEntry};
use super::initrd::InitrdFacts;
use super::kernel::KernelFacts;
use super::modules::ModuleFacts;
use super::partitions::DiskFacts;
use super::prerequisites::Lack;
use super::rootfs::RootfsFacts;
use super::systemd::SystemdFacts;
use super::udev::UdevFacts;
use crate::profile::Profile;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The image file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ImageFacts {
    /// Path as given.
    pub path: String,
    /// Size in bytes (of the disk inside, for a container).
    pub size: u64,
    /// `raw`, or the container (`qcow2`, `zst`, …).
    pub container: String,
    /// Bytes read from the file to collect these facts.
    pub bytes_read: u64,
}

/// What `root=` resolves to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RootFact {
    /// `root=` as written, or that there is none.
    pub spec: Option<String>,
    /// What it resolves to on this disk.
    pub device: DeviceMatch,
}

/// Everything known about one image. Each part can be missing or unreadable by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facts {
    /// The file.
    pub image: ImageFacts,
    /// Names that guided the reading.
    pub profile: Profile,
    /// Name of the backdoor unit in *this* image: the profile's, or the one discovered by device and magic line.
    pub backdoor: Option<String>,
    /// The script that the backdoor unit runs: the program of its `ExecStart=`, or the file handed to an interpreter there.
    pub script: Fact<Executable>,
    /// Partition table.
    pub disk: Fact<DiskFacts>,
    /// The ESP.
    pub esp: Fact<EspFacts>,
    /// The loader.
    pub loader: Fact<LoaderFacts>,
    /// The kernel of the selected entry.
    pub kernel: Fact<KernelFacts>,
    /// The initrd of the selected entry. `Absent` when the entry names none.
    pub initrd: Fact<InitrdFacts>,
    /// Command line of the selected entry.
    pub cmdline: Fact<CmdlineFacts>,
    /// What `root=` means here.
    pub root: Fact<RootFact>,
    /// The root file system.
    pub rootfs: Fact<RootfsFacts>,
    /// fstab.
    pub fstab: Fact<Vec<FstabEntry>>,
    /// Kernel modules.
    pub modules: Fact<ModuleFacts>,
    /// dpkg.
    pub packages: Fact<PackageFacts>,
    /// systemd.
    pub systemd: Fact<SystemdFacts>,
    /// udev.
    pub udev: Fact<UdevFacts>,
    /// root's password: `empty` (in /etc/shadow), `none` (not even asked for, by /etc/passwd), `locked` or `set`.
    pub root_password: Fact<String>,
    /// Programs that the backdoor's script calls and that the image does not have.
    pub missing_commands: BTreeSet<String>,
    /// Paths that conditions and assertions of the backdoor unit name, and what lies there; those that only a running
    /// system has (`/dev`, `/proc`, `/run`, `/sys`, `/tmp`) are left out.
    pub condition_paths: BTreeMap<String, Option<FileKind>>,
    /// What the backdoor unit needs besides its program and the image does not have.
    pub lacks: Vec<Lack>,
}
