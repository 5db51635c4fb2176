//! What the firmware starts and what that hands over: kernel, initrd, command line.

use crate::inspect::Options;
use crate::inspect::bootloader::{self, EntryFile, EspFacts, LoaderEntry, LoaderFacts};
use crate::inspect::cmdline::{self, CmdlineFacts};
use crate::inspect::error::{Error, Fact};
use crate::inspect::facts::RootFact;
use crate::inspect::filesystem::FileSystem;
use crate::inspect::fstab::{DeviceMatch, device_match};
use crate::inspect::initrd::{self, InitrdFacts};
use crate::inspect::kernel::{self, KernelFacts};
use crate::inspect::partitions::DiskFacts;
use crate::inspect::source::Location;
use crate::inspect::volumes::Volumes;
use std::sync::Arc;

/// The loader and what its entry says.
pub struct Boot {
    pub esp: Fact<EspFacts>,
    pub loader: Fact<LoaderFacts>,
    pub cmdline: Fact<CmdlineFacts>,
    pub root: Fact<RootFact>,
}

/// What the entry's files hold.
pub struct HandOver {
    pub kernel: Fact<KernelFacts>,
    pub initrd: Fact<InitrdFacts>,
}

impl Boot {
    /// Reads the ESP. `likely` is the partition that looks like the root file system, where GRUB may have its files.
    pub fn read(volumes: &Volumes, disk: &DiskFacts, likely: Option<&str>) -> Boot {
        let (esp, loader) = bootloader::read(volumes, disk, likely);
        let cmdline = match &loader {
            Fact::Known(loader) => loader.judged_entry().map_or(Fact::Absent, |entry| {
                Fact::Known(cmdline::parse(&entry.options, &entry.options_origin))
            }),
            other => carry(other),
        };
        let root = match &cmdline {
            Fact::Known(cmdline) => Fact::Known(root(cmdline, volumes, disk)),
            other => carry(other),
        };
        Boot {
            esp,
            loader,
            cmdline,
            root,
        }
    }

    fn entry(&self) -> Option<&LoaderEntry> {
        self.loader.known()?.judged_entry()
    }

    /// The partition of the root file system: what `root=` names, else the one that looks like it.
    pub fn root_partition(&self, likely: Option<String>) -> Option<String> {
        let named = match self.root.known().map(|root| &root.device) {
            Some(DeviceMatch::Partition(id) | DeviceMatch::OtherBus(Some(id))) => Some(id.clone()),
            _ => None,
        };
        named.or(likely)
    }

    /// Reads kernel and initrd from wherever the loader found them.
    pub fn load(
        &self,
        volumes: &Volumes,
        rootfs: Option<&Arc<dyn FileSystem>>,
        options: &Options,
    ) -> HandOver {
        let Some(entry) = self.entry() else {
            return HandOver {
                kernel: carry(&self.loader),
                initrd: carry(&self.loader),
            };
        };
        let (kernel, initrd) = rayon::join(
            || match &entry.linux {
                Some(file) => match volumes.open(place(file, &self.esp)) {
                    Ok(fs) => kernel::read(&fs, file, rootfs),
                    Err(error) => Fact::Unreadable(error),
                },
                None => Fact::Absent,
            },
            || match entry.initrds.first() {
                Some(file) => match volumes.open(place(file, &self.esp)) {
                    Ok(fs) => initrd::read(&fs, &entry.initrds, !options.read_initrd),
                    Err(error) => Fact::Unreadable(error),
                },
                None => Fact::Absent,
            },
        );
        HandOver { kernel, initrd }
    }
}

/// The partition that a file of an entry lies on.
fn place<'a>(file: &'a EntryFile, esp: &'a Fact<EspFacts>) -> &'a str {
    let found = file
        .file
        .known()
        .and_then(|f| f.location.partition.as_deref());
    let esp = || esp.known().map(|esp| esp.partition.as_str());
    found.or_else(esp).unwrap_or_default()
}

/// A fact that hangs on another which is not known.
fn carry<T, U>(fact: &Fact<T>) -> Fact<U> {
    match fact {
        Fact::Unreadable(error) => Fact::Unreadable(error.clone()),
        _ => Fact::Absent,
    }
}

/// What `root=` means on this disk. Without one, systemd's initrd takes the partition with a root type.
fn root(cmdline: &CmdlineFacts, volumes: &Volumes, disk: &DiskFacts) -> RootFact {
    let spec = cmdline.value("root").map(str::to_owned);
    let device = match spec.as_deref() {
        Some("gpt-auto" | "dissect") | None => volumes
            .typed_root()
            .map_or(DeviceMatch::Missing, DeviceMatch::Partition),
        Some(spec) => device_match(spec, disk),
    };
    RootFact { spec, device }
}

/// The file system of a partition, or why there is none.
pub fn root_fs(volumes: &Volumes, id: Option<&str>) -> Result<Arc<dyn FileSystem>, Error> {
    match id {
        Some(id) => volumes.open(id),
        None => Err(Error::not_found(Location::image())),
    }
}
