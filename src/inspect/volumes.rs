//! The file systems of an image, and the part each plays: which one is the ESP, which one holds the system.

use super::disk::Disk;
use super::error::{Error, Result};
use super::filesystem::{self, FileSystem};
use super::partitions::{ESP_TYPE, Partition};
use super::source::Location;
use std::sync::{Arc, OnceLock};

/// Partitions with their file systems, each opened once and only when somebody looks at it.
pub struct Volumes {
    disk: Arc<dyn Disk>,
    partitions: Vec<Partition>,
    opened: Vec<OnceLock<Result<Arc<dyn FileSystem>>>>,
}

/// MBR type of an EFI system partition (UEFI specification, 5.2.2).
const ESP_MBR: &str = "0xef";
/// GPT types of a root file system, by architecture (Discoverable Partitions Specification).
const ROOT_TYPES: &[&str] = &[
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "b921b045-1df0-41c3-af44-4c6f280d3fae",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3",
    "44479540-f297-41b2-9af7-d131d5f0458a",
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
];

impl Volumes {
    /// The partitions of `disk`.
    pub fn new(disk: &Arc<dyn Disk>, partitions: &[Partition]) -> Volumes {
        Volumes {
            disk: Arc::clone(disk),
            partitions: partitions.to_vec(),
            opened: partitions.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The partition with this id.
    pub fn partition(&self, id: &str) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.id == id)
    }

    /// Its file system.
    pub fn open(&self, id: &str) -> Result<Arc<dyn FileSystem>> {
        let at = self.partitions.iter().position(|p| p.id == id);
        let Some((partition, cell)) =
            at.and_then(|at| Some((self.partitions.get(at)?, self.opened.get(at)?)))
        else {
            return Err(Error::not_found(Location::partition(id)));
        };
        cell.get_or_init(|| filesystem::open(&self.disk, partition))
            .clone()
    }

    /// The partition that firmware and loader take as ESP: by its type, else the first FAT that holds `EFI/`.
    pub fn esp(&self) -> Option<String> {
        let typed = |p: &&Partition| p.type_id == ESP_TYPE || p.type_id == ESP_MBR;
        let holds_efi = |p: &&Partition| {
            p.content.fs_type.as_deref() == Some("vfat")
                && self.open(&p.id).is_ok_and(|fs| fs.exists("/EFI"))
        };
        let found = self
            .partitions
            .iter()
            .find(typed)
            .or_else(|| self.partitions.iter().find(holds_efi))?;
        Some(found.id.clone())
    }

    /// The partition that looks most like a root file system: the largest with `/etc` or `/usr`.
    pub fn system(&self, esp: Option<&str>) -> Option<String> {
        let tree = |p: &&Partition| {
            Some(p.id.as_str()) != esp
                && self
                    .open(&p.id)
                    .is_ok_and(|fs| fs.exists("/etc") || fs.exists("/usr"))
        };
        let found = self.partitions.iter().filter(tree).max_by_key(|p| p.len)?;
        Some(found.id.clone())
    }

    /// The partition that systemd-gpt-auto-generator(8) would mount as root when the command line names none.
    pub fn typed_root(&self) -> Option<String> {
        let found = self
            .partitions
            .iter()
            .find(|p| ROOT_TYPES.contains(&p.type_id.as_str()))?;
        Some(found.id.clone())
    }
}
