//! GRUB 2.

use super::LoaderFacts;
use crate::inspect::error::{Error, Fact};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::partitions::DiskFacts;
use crate::inspect::source::Location;

/// Reads the configuration of a GRUB started from the ESP. `program` is its path there.
pub fn read(
    esp: &dyn FileSystem,
    _rootfs: Option<&dyn FileSystem>,
    _disk: &DiskFacts,
    program: Option<&str>,
    _version: Option<String>,
) -> Fact<LoaderFacts> {
    let place = match program {
        Some(path) => Location::file(esp.partition(), path),
        None => Location::partition(esp.partition()),
    };
    Fact::Unreadable(Error::unsupported(
        place,
        "GRUB's configuration is not read yet",
    ))
}
