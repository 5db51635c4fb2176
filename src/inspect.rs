//! An image file → [`Facts`](facts::Facts). Observes, never judges, never writes.

pub mod backdoor;
pub mod bootloader;
pub mod cmdline;
mod collect;
pub mod commands;
pub mod compression;
pub mod disk;
pub mod dpkg;
pub mod error;
pub mod exec;
pub mod facts;
pub mod filesystem;
pub mod fnmatch;
pub mod fstab;
pub mod initrd;
pub mod kernel;
pub mod modules;
pub mod partitions;
pub mod prerequisites;
pub mod rootfs;
pub mod shell;
pub mod source;
pub mod systemd;
pub mod udev;
pub mod volumes;

use crate::profile::Profile;
use error::Result;
use facts::Facts;
use std::path::Path;

/// What to look for, and how deep.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names that guide the reading.
    pub profile: Profile,
    /// List the initrd: most of the time that inspection takes.
    pub read_initrd: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            profile: Profile::default(),
            read_initrd: true,
        }
    }
}

/// Collects everything that is known of the image at `path`. Whatever cannot be read is a fact of its own; an error
/// means that there is no image, or nothing in it that could be judged.
pub fn inspect(path: &Path, options: &Options) -> Result<Facts> {
    let disk = disk::open(path)?;
    collect::collect(path, &disk, options)
}
