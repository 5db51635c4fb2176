//! A start script made ready to boot.

use super::adapt::{Wishes, adapt, asks_for_kvm};
use super::expand::{Expanded, expand};
use crate::boot::accel::{Accel, Choice, kvm_device};
use crate::boot::arguments::{boot_disk, disks, memory, parse};
use crate::boot::launch::Launch;
use crate::boot::launch_lint::Case;
use crate::boot::machine::Nest;
use crate::boot::outcome::{FirmwareFact, HostFacts};
use crate::boot::qemu::{self, Qemu};
use crate::boot::setup::{check_memory, host_facts};
use crate::boot::trouble::BootError;
use std::path::{Path, PathBuf};

/// A start script whose machine is known.
#[derive(Debug)]
pub struct Script {
    path: PathBuf,
    executable: Option<PathBuf>,
    exact: bool,
    switch: Option<PathBuf>,
    /// QEMU: the one asked for, else the script's own, else this host's.
    pub qemu: Qemu,
    /// Accelerators to try.
    pub accel: Choice,
    /// The image.
    pub image: PathBuf,
    /// What was found on the host.
    pub host: HostFacts,
    expanded: Expanded,
    /// Holds what the script made (its own copy of the image, perhaps) until the boot is over.
    _nest: Nest,
}

impl Script {
    /// Expands the script and finds what it needs.
    pub fn prepare(
        path: &Path,
        asked_qemu: Option<&Path>,
        accel: Choice,
        exact: bool,
        executable: Option<&Path>,
    ) -> Result<Script, BootError> {
        let nest = Nest::new(executable)?;
        let expanded = expand(path, nest.dir(), executable)?;
        let search = std::env::var_os("PATH");
        let own = expanded.qemu.as_deref().filter(|q| q.exists());
        let qemu = qemu::find(asked_qemu.or(own), search.as_deref())?;
        let options = parse(&expanded.argv);
        let all = disks(&options);
        let disk = boot_disk(&all).ok_or_else(|| {
            BootError::Usage(format!(
                "{}: gives QEMU no disk to boot from",
                path.display()
            ))
        })?;
        let image = expanded.cwd.join(&disk.file);
        crate::boot::image::examine(&image)?;
        let mut host = host_facts();
        if let Some(size) = memory(&options) {
            check_memory(size >> 20, host.memory_available)?;
        }
        host.qemu = Some(qemu.path.display().to_string());
        host.qemu_version = Some(qemu.version.clone());
        let flash = |unit| {
            let found = all.iter().find(|d| d.unit == Some(unit))?;
            Some(found.file.clone())
        };
        host.firmware = flash(0).map(|code| FirmwareFact {
            code,
            vars: flash(1),
            found_by: "start script".to_owned(),
        });
        // A script without a word about KVM runs with emulation, as it does under the driver.
        let accel = match accel {
            Choice::Auto if !asks_for_kvm(&options) => Choice::Tcg,
            accel => accel,
        };
        Ok(Script {
            path: path.to_owned(),
            executable: executable.map(Path::to_owned),
            exact,
            switch: qemu::program("vde_switch", search.as_deref()),
            qemu,
            accel,
            image,
            host,
            expanded,
            _nest: nest,
        })
    }

    /// What the lint looks at. `consoles` of the image's kernel command line, when it is known.
    pub fn case(&self, consoles: Option<Vec<String>>) -> Case {
        let expanded = &self.expanded;
        let mut case = Case::new(
            &expanded.name,
            &expanded.argv,
            &expanded.vlans,
            &expanded.cwd,
        );
        case.consoles = consoles;
        case.kvm_trouble = kvm_device(Path::new("/dev/kvm")).err();
        case
    }

    /// The machine, with everything of its own in `dir`.
    pub fn launch(&self, accel: Accel, dir: &Path) -> Result<Launch, BootError> {
        let expanded = expand(&self.path, dir, self.executable.as_deref())?;
        adapt(
            &expanded,
            &Wishes {
                qemu: &self.qemu.path,
                accel,
                exact: self.exact,
                switch: self.switch.as_deref(),
                dir,
            },
        )
    }
}
