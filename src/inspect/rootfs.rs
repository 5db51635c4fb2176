//! The root file system: its state, os-release, machine-id, init.

use super::cmdline::CmdlineFacts;
use super::disk::{Disk, Slice};
use super::error::{Error, Fact};
use super::exec::{self, Executable, Format, SearchPath};
use super::filesystem::{CONFIG_CAP, FileKind, FileSystem, ext4};
use super::partitions::Partition;
use super::source::Location;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// The root file system that the boot will use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RootfsFacts {
    /// Partition (`p2`).
    pub partition: String,
    /// Other partitions of this disk that fstab mounts below it.
    pub mounts: Vec<Mount>,
    /// `ext4`, `squashfs`, …
    pub fs_type: String,
    /// Size in bytes that the superblock claims.
    pub fs_size: u64,
    /// The file system claims more than the partition holds, or has another structural damage.
    pub damage: Option<Error>,
    /// Superblock says errors were found, or it was not cleanly unmounted (`needs_recovery`); sentence fragment.
    pub dirty: Option<String>,
    /// Feature flags of the file system that matter to loaders (`metadata_csum_seed`, `orphan_file`, `encrypt`, …).
    pub features: Vec<String>,
    /// `ID`, `VERSION_ID`, `PRETTY_NAME`, … of os-release, in file order.
    pub os_release: Fact<Vec<(String, String)>>,
    /// Content of `/etc/machine-id`, trimmed; empty when the file is empty.
    pub machine_id: Fact<String>,
    /// What the initrd or kernel will execute as init: `init=` or `/sbin/init`.
    pub init: Fact<Executable>,
    /// Path of init as asked for.
    pub init_path: String,
    /// `systemd-executor`, through which systemd ≥ 255 starts every program; none when this init has no use for it.
    pub executor: Option<Fact<Executable>>,
    /// `/lib`, `/bin`, `/sbin` are links into `/usr`.
    pub merged_usr: bool,
    /// Architecture of init's ELF (`x86_64`).
    pub architecture: Option<String>,
}

/// A partition mounted below the root. Places in it are told as the system sees them: the root's partition and the whole path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mount {
    /// Where, without trailing slash.
    pub point: String,
    /// Partition (`p3`).
    pub partition: String,
}

impl RootfsFacts {
    /// The partition and the path in it of a place in the mounted tree.
    pub fn on_disk(&self, place: &Location) -> Location {
        let path = place.path.as_deref().unwrap_or_default();
        let found = self.mounts.iter().find_map(|mount| {
            let rest = path.strip_prefix(mount.point.as_str())?;
            rest.starts_with('/').then_some((mount, rest))
        });
        match found {
            Some((mount, rest)) if place.partition.as_deref() == Some(&self.partition) => {
                Location {
                    partition: Some(mount.partition.clone()),
                    path: Some(rest.to_owned()),
                    ..place.clone()
                }
            }
            _ => place.clone(),
        }
    }
}

/// Where PID 1 looks for it (src/core/executor.h), and the version that began to.
const EXECUTOR: &str = "/usr/lib/systemd/systemd-executor";
const EXECUTOR_SINCE: u32 = 255;

/// Reads what concerns the root file system as a whole. `init` comes from `init=` or is `/sbin/init`.
pub fn read(
    disk: &Arc<dyn Disk>,
    partition: &Partition,
    fs: &dyn FileSystem,
    search: &SearchPath,
    cmdline: Option<&CmdlineFacts>,
    mounts: Vec<Mount>,
) -> RootfsFacts {
    let slice = Slice::new(disk, &partition.id, partition.start, partition.len);
    let superblock = matches!(
        partition.content.fs_type.as_deref(),
        Some("ext2" | "ext3" | "ext4")
    )
    .then(|| ext4::superblock::Superblock::read(&slice, &partition.id).ok())
    .flatten();
    let size = superblock
        .as_ref()
        .map_or(slice.len(), ext4::superblock::Superblock::size);
    let damage = (size > slice.len()).then(|| {
        let message = format!(
            "the file system claims {size} bytes, and the image holds only {} of its partition",
            slice.len()
        );
        Error::corrupt(Location::partition(&partition.id), message)
    });
    let damage = damage.or_else(|| {
        let superblock = superblock.as_ref()?;
        let volume = ext4::inode::Volume {
            disk: &slice,
            sb: superblock,
            partition: &partition.id,
        };
        volume.check_journal().err()
    });
    let init_path = cmdline
        .and_then(|c| c.words.iter().rev().find(|w| w.key == "init"))
        .and_then(|w| w.value.clone())
        .unwrap_or_else(|| "/sbin/init".into());
    let init = exec::read(fs, search, &init_path);
    let architecture = match init.known().map(|e| &e.format) {
        Some(Format::Elf { machine, .. }) => Some(machine.clone()),
        _ => None,
    };
    let executor = init
        .known()
        .and_then(Executable::systemd_version)
        .is_some_and(|version| version >= EXECUTOR_SINCE)
        .then(|| exec::read(fs, search, EXECUTOR));
    RootfsFacts {
        partition: partition.id.clone(),
        mounts,
        fs_type: partition
            .content
            .fs_type
            .clone()
            .unwrap_or_else(|| fs.type_name().to_owned()),
        fs_size: size,
        damage,
        dirty: superblock
            .as_ref()
            .and_then(ext4::superblock::Superblock::dirt),
        features: superblock
            .as_ref()
            .map(ext4::superblock::Superblock::feature_names)
            .unwrap_or_default(),
        os_release: os_release(fs),
        machine_id: Fact::from_result(
            fs.read_source("/etc/machine-id", CONFIG_CAP)
                .map(|f| f.text.trim().to_owned()),
        ),
        init,
        init_path,
        executor,
        merged_usr: fs
            .symlink_metadata("/lib")
            .is_ok_and(|m| m.kind == FileKind::Symlink),
        architecture,
    }
}

/// What root could log in with (shadow(5)): `empty`, `locked` or `set`.
pub fn root_password(fs: &dyn FileSystem) -> Fact<String> {
    let hash = |path: &str| {
        let file = fs.read_source(path, CONFIG_CAP)?;
        let line = file.text.lines().find_map(|l| l.strip_prefix("root:"));
        Ok(line.map(|l| l.split(':').next().unwrap_or_default().to_owned()))
    };
    let found = match hash("/etc/passwd") {
        // `x` sends to shadow, where a missing line means that no password can be right.
        Ok(Some(field)) if field == "x" => {
            hash("/etc/shadow").map(|h| h.unwrap_or_else(|| "!".into()))
        }
        // Nothing is asked for, and shadow not looked at.
        Ok(Some(field)) if field.is_empty() => return Fact::Known("none".to_owned()),
        Ok(field) => Ok(field.unwrap_or_else(|| "!".into())),
        Err(error) => Err(error),
    };
    Fact::from_result(found.map(|hash| {
        match hash.as_str() {
            "" => "empty",
            h if h.starts_with(['!', '*']) => "locked",
            _ => "set",
        }
        .to_owned()
    }))
}

/// os-release(5): `/etc` wins over `/usr/lib`.
fn os_release(fs: &dyn FileSystem) -> Fact<Vec<(String, String)>> {
    let file = fs
        .read_source("/etc/os-release", CONFIG_CAP)
        .or_else(|_| fs.read_source("/usr/lib/os-release", CONFIG_CAP));
    Fact::from_result(file.map(|f| {
        f.text
            .lines()
            .filter(|l| !l.starts_with('#'))
            .filter_map(|l| l.split_once('='))
            .map(|(key, value)| {
                (
                    key.trim().to_owned(),
                    value.trim().trim_matches(['"', '\'']).to_owned(),
                )
            })
            .collect()
    }))
}
