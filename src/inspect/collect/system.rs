//! The system behind the loader: everything that lies in the root file system.

use super::boot::{Boot, HandOver};
use super::{machine, mounts};
use crate::inspect::disk::Disk;
use crate::inspect::dpkg::{Database, PackageFacts};
use crate::inspect::error::{Error, Fact, Result};
use crate::inspect::exec::{self, Executable, SearchPath};
use crate::inspect::filesystem::{CONFIG_CAP, FileKind, FileSystem};
use crate::inspect::fstab::{self, DeviceMatch, FstabEntry};
use crate::inspect::modules::{self, ModuleFacts};
use crate::inspect::partitions::DiskFacts;
use crate::inspect::prerequisites::{self, Lack};
use crate::inspect::rootfs::{self, RootfsFacts};
use crate::inspect::systemd::{self, Inputs, SystemdFacts};
use crate::inspect::udev::{self, UdevFacts};
use crate::inspect::volumes::Volumes;
use crate::inspect::{Options, backdoor, commands};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can be read before kernel and initrd are known.
pub struct System {
    fs: Result<Arc<dyn FileSystem>>,
    search: SearchPath,
    database: Result<Database>,
    rootfs: Fact<RootfsFacts>,
    fstab: Fact<Vec<FstabEntry>>,
    udev: Fact<UdevFacts>,
    root_password: Fact<String>,
}

/// All facts about the system.
pub struct Finished {
    pub rootfs: Fact<RootfsFacts>,
    pub fstab: Fact<Vec<FstabEntry>>,
    pub modules: Fact<ModuleFacts>,
    pub packages: Fact<PackageFacts>,
    pub systemd: Fact<SystemdFacts>,
    pub udev: Fact<UdevFacts>,
    pub root_password: Fact<String>,
    pub missing_commands: BTreeSet<String>,
    pub condition_paths: BTreeMap<String, Option<FileKind>>,
    pub lacks: Vec<Lack>,
    pub backdoor: Option<String>,
    pub script: Fact<Executable>,
}

impl System {
    /// Reads what needs neither kernel nor initrd.
    pub fn open(disk: &Arc<dyn Disk>, volumes: &Volumes, table: &DiskFacts, boot: &Boot) -> System {
        let partition = table.root.as_deref().and_then(|id| volumes.partition(id));
        let fs = super::boot::root_fs(volumes, table.root.as_deref());
        let (Ok(root), Some(partition)) = (&fs, partition) else {
            return System::without(fs);
        };
        let entries = root
            .read_source("/etc/fstab", CONFIG_CAP)
            .map(|file| fstab::parse(&file, table));
        let mounts = mounts::of(entries.as_deref().unwrap_or_default(), partition, volumes);
        let root = &mounts::tree(root, &mounts, volumes);
        let tree = root.as_ref();
        let search = SearchPath::read(tree);
        let database = Database::read(root);
        System {
            rootfs: Fact::Known(rootfs::read(
                disk,
                partition,
                tree,
                &search,
                boot.cmdline.known(),
                mounts,
            )),
            fstab: Fact::from_result(entries),
            udev: udev::read(tree),
            root_password: rootfs::root_password(tree),
            search,
            database,
            fs: Ok(Arc::clone(root)),
        }
    }

    /// There is no root file system to read, or it cannot be read.
    fn without(fs: Result<Arc<dyn FileSystem>>) -> System {
        let error = fs.as_ref().err().cloned();
        let database = Err(error
            .clone()
            .unwrap_or_else(|| Error::not_found(crate::inspect::source::Location::image())));
        System {
            search: SearchPath::default(),
            database,
            rootfs: absent(&error),
            fstab: absent(&error),
            udev: absent(&error),
            root_password: absent(&error),
            fs,
        }
    }

    /// Reads the rest, which hangs on the kernel and its initrd.
    pub fn finish(self, boot: &Boot, loaded: &HandOver, options: &Options) -> Finished {
        let profile = &options.profile;
        let mut done = Finished {
            rootfs: self.rootfs,
            fstab: self.fstab,
            modules: Fact::Absent,
            packages: Fact::Absent,
            systemd: Fact::Absent,
            udev: self.udev,
            root_password: self.root_password,
            missing_commands: BTreeSet::new(),
            condition_paths: BTreeMap::new(),
            lacks: Vec::new(),
            backdoor: None,
            script: Fact::Absent,
        };
        let fs = match self.fs {
            Ok(fs) => fs,
            Err(error) => {
                let error = Some(error);
                done.modules = absent(&error);
                done.packages = absent(&error);
                done.systemd = absent(&error);
                done.script = absent(&error);
                return done;
            }
        };
        let kernel = loaded.kernel.known();
        let release = kernel.and_then(|k| k.release.as_deref());
        let file_systems = mounted(&done);
        let wanted = machine::wanted(profile, &file_systems);
        done.modules = modules::read(&fs, release, &loaded.initrd, &boot.cmdline, &wanted);
        let devices = machine::devices(profile, kernel, boot.cmdline.known(), done.modules.known());
        let programs = Programs::new(fs.as_ref(), &self.search);
        let read = |path: &str| programs.read(path);
        let version = self
            .database
            .as_ref()
            .ok()
            .and_then(|d| d.version("systemd"));
        done.systemd = systemd::read(
            &fs,
            &Inputs {
                cmdline: boot.cmdline.known(),
                fstab: done.fstab.known().map_or(&[], Vec::as_slice),
                udev: done.udev.known(),
                version,
                kernel_release: release,
                early_devices: &borrowed(&devices.early),
                devices: &borrowed(&devices.all),
                exec: &read,
                interesting: &[&profile.unit, backdoor::USUAL],
            },
        );
        if let Fact::Known(systemd) = &mut done.systemd {
            done.backdoor = backdoor::find(systemd, profile, &read);
            if let Some(unit) = done
                .backdoor
                .as_ref()
                .and_then(|n| systemd.units.get_mut(n))
            {
                for exec in &mut unit.exec {
                    exec.target.get_or_insert_with(|| read(&exec.path));
                }
                done.script = backdoor::script(unit, &read);
                done.condition_paths = backdoor::condition_paths(unit, fs.as_ref());
                done.lacks = prerequisites::lacks(unit, fs.as_ref(), &done.fstab);
                if let Some(text) = done.script.known().and_then(|s| s.text.as_ref()) {
                    done.missing_commands = commands::missing(fs.as_ref(), &text.text);
                }
            }
        }
        done.packages = Fact::from_result(self.database.map(|database| {
            let paths = owned_paths(&done);
            database.facts(&[&profile.package], &borrowed(&paths))
        }));
        done
    }
}

/// Absent, or unreadable when there is an error that is more than "not there".
fn absent<T>(error: &Option<Error>) -> Fact<T> {
    match error {
        Some(error) => Fact::from_result(Err(error.clone())),
        None => Fact::Absent,
    }
}

fn borrowed(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// Types of the file systems that the boot mounts from this disk.
fn mounted(done: &Finished) -> Vec<String> {
    let root = done.rootfs.known().map(|r| r.fs_type.clone());
    let others = done.fstab.known().into_iter().flatten();
    let others = others
        .filter(|e| {
            matches!(
                e.device,
                DeviceMatch::Partition(_) | DeviceMatch::OtherBus(_)
            )
        })
        .map(|e| e.fs_type.clone())
        .filter(|t| !matches!(t.as_str(), "auto" | "none" | "swap"));
    root.into_iter().chain(others).collect()
}

/// The backdoor's files, whose packages are looked at in depth.
fn owned_paths(done: &Finished) -> Vec<String> {
    let unit = done
        .systemd
        .known()
        .zip(done.backdoor.as_deref())
        .and_then(|(systemd, name)| systemd.unit(name))
        .and_then(|unit| unit.fragment.as_ref());
    let script = done.script.known().map(|s| &s.location);
    [unit, script]
        .into_iter()
        .flatten()
        .filter_map(|place| place.path.clone())
        .filter(|path| !path.starts_with("/etc/"))
        .collect()
}

/// Programs of the image, each looked at once.
struct Programs<'a> {
    fs: &'a dyn FileSystem,
    search: &'a SearchPath,
    known: RefCell<BTreeMap<String, Fact<Executable>>>,
}

impl<'a> Programs<'a> {
    fn new(fs: &'a dyn FileSystem, search: &'a SearchPath) -> Programs<'a> {
        Programs {
            fs,
            search,
            known: RefCell::default(),
        }
    }

    /// A bare name is searched in the directories that systemd has built in (`DEFAULT_PATH`).
    fn read(&self, path: &str) -> Fact<Executable> {
        if path.starts_with('/') {
            return self.read_path(path);
        }
        [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ]
        .iter()
        .map(|dir| self.read_path(&format!("{dir}/{path}")))
        .find(|found| *found != Fact::Absent)
        .unwrap_or(Fact::Absent)
    }

    fn read_path(&self, path: &str) -> Fact<Executable> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let found = exec::read(self.fs, self.search, path);
        self.known
            .borrow_mut()
            .insert(path.to_owned(), found.clone());
        found
    }
}
