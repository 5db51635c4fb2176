//! Facts made by hand for the tests of checks: two healthy images, and small changes to them.

mod systemd;
mod units;

pub use systemd::{put, settle, unit};

use crate::inspect::bootloader::{
    EntryFile, EspFacts, FoundFile, LoaderEntry, LoaderFacts, LoaderKind, PeFacts,
};
use crate::inspect::cmdline;
use crate::inspect::error::Fact;
use crate::inspect::exec::{Executable, Format};
use crate::inspect::facts::{Facts, ImageFacts, RootFact};
use crate::inspect::fstab::{self, DeviceMatch};
use crate::inspect::initrd::{Archive, Generator, InitrdFacts};
use crate::inspect::kernel::KernelFacts;
use crate::inspect::modules::{ModuleFacts, ModuleState};
use crate::inspect::partitions::{Content, DiskFacts, GptCopy, Partition, TableKind};
use crate::inspect::rootfs::RootfsFacts;
use crate::inspect::source::{Location, Origin, SourceFile};
use crate::inspect::systemd::SystemdFacts;
use crate::inspect::udev::UdevFacts;
use crate::profile::Profile;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const RELEASE: &str = "6.1.0-38-cloud-amd64";
pub const ROOT: &str = "0e2b3f1c-5a0c-4c8e-9e57-b1a2c3d4e5f6";
pub const SCRIPT: &str = "/usr/lib/nixos-test/backdoor.sh";
pub const UNIT: &str = "nixos-test-backdoor.service";

/// A file of the image.
pub fn file(partition: &str, path: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile {
        partition: partition.into(),
        path: path.into(),
        text: text.into(),
    })
}

/// A bookworm image with virtio_console as a module, and a unit that requires its device.
pub fn healthy() -> Facts {
    let mut facts = Facts {
        image: ImageFacts {
            path: "healthy.wic".into(),
            size: 1 << 30,
            container: "raw".into(),
            bytes_read: 0,
        },
        profile: Profile::default(),
        backdoor: Some(UNIT.into()),
        script: Fact::Absent,
        disk: Fact::Known(disk()),
        esp: Fact::Known(EspFacts {
            partition: "p1".into(),
            fat_type: "FAT16".into(),
            removable: Fact::Known(loader_program()),
            other_architectures: Vec::new(),
        }),
        loader: Fact::Known(loader()),
        kernel: Fact::Known(KernelFacts {
            location: Location::file("p1", "/vmlinuz"),
            size: 7 << 20,
            format: "bzImage".into(),
            architecture: Some("x86_64".into()),
            release: Some(RELEASE.into()),
            efi_stub: true,
            damage: None,
            config: Fact::Known(BTreeMap::from([
                ("CONFIG_VIRTIO_CONSOLE".to_owned(), "m".to_owned()),
                ("CONFIG_RD_ZSTD".to_owned(), "y".to_owned()),
            ])),
            config_location: None,
        }),
        initrd: Fact::Known(initrd()),
        cmdline: Fact::Absent,
        root: Fact::Known(RootFact {
            spec: Some(format!("PARTUUID={ROOT}")),
            device: DeviceMatch::Partition("p2".into()),
        }),
        rootfs: Fact::Known(rootfs()),
        fstab: Fact::Absent,
        modules: Fact::Known(modules_of_bookworm()),
        packages: Fact::Known(units::packages()),
        systemd: Fact::Known(units::systemd()),
        udev: Fact::Known(UdevFacts {
            rule_files: vec!["80-drivers.rules".into(), "99-systemd.rules".into()],
            wants: Vec::new(),
            tags_ttys: true,
            loads_modules: true,
        }),
        root_password: Fact::Known("set".into()),
        missing_commands: BTreeSet::new(),
        condition_paths: BTreeMap::new(),
        lacks: Vec::new(),
    };
    cmdline(
        &mut facts,
        &format!(
            "LABEL=Boot root=PARTUUID={ROOT} rootwait console=ttyS0,115200 quiet loglevel=1 panic=1"
        ),
    );
    fstab(&mut facts, "/dev/root / auto defaults 0 0\n");
    script(&mut facts, units::BACKDOOR);
    settle(&mut facts);
    facts
}

/// A trixie image: the driver is built in, and the unit is ordered after the device without pulling it in.
pub fn healthy_trixie() -> Facts {
    let mut facts = healthy();
    let state = driver(&mut facts);
    state.builtin = true;
    state.file = Fact::Absent;
    backdoor(&mut facts, units::RACE);
    facts
}

/// The bookworm image with the unit of the race.
pub fn race() -> Facts {
    let mut facts = healthy();
    backdoor(&mut facts, units::RACE);
    facts
}

/// Gives the image this backdoor unit.
pub fn backdoor(facts: &mut Facts, text: &str) {
    let program = facts.script.clone();
    let mut unit = unit(UNIT, text);
    for exec in &mut unit.exec {
        exec.target = Some(program.clone());
    }
    put(facts, unit);
    settle(facts);
}

/// Gives the image this kernel command line.
pub fn cmdline(facts: &mut Facts, text: &str) {
    let conf = file(
        "p1",
        "/loader/entries/boot.conf",
        &format!("title boot\noptions {text}\n"),
    );
    facts.cmdline = Fact::Known(cmdline::parse(text, &[Origin::line(&conf, 2)]));
}

/// Gives the image this fstab.
pub fn fstab(facts: &mut Facts, text: &str) {
    let disk = facts.disk.known().cloned().unwrap();
    facts.fstab = Fact::Known(fstab::parse(&file("p2", "/etc/fstab", text), &disk));
}

/// Gives the backdoor this script.
pub fn script(facts: &mut Facts, text: &str) {
    let program = Fact::Known(program(SCRIPT, text));
    facts.script = program.clone();
    let systemd = systemd(facts);
    if let Some(unit) = systemd.units.get_mut(UNIT) {
        for exec in &mut unit.exec {
            exec.target = Some(program.clone());
        }
    }
}

/// A script with its interpreter.
pub fn program(path: &str, text: &str) -> Executable {
    let interpreter = text
        .lines()
        .next()
        .and_then(|l| l.strip_prefix("#!"))
        .map(str::to_owned);
    Executable {
        location: Location::file("p2", path),
        mode: 0o755,
        size: text.len() as u64,
        format: match &interpreter {
            Some(name) => Format::Script {
                interpreter: name.clone(),
                argument: None,
            },
            None => Format::Unknown,
        },
        interpreter: interpreter.map(|name| Box::new(Fact::Known(elf(&name)))),
        text: Some(file("p2", path, text)),
    }
}

/// A program with all its libraries.
pub fn elf(path: &str) -> Executable {
    Executable {
        location: Location::file("p2", path),
        mode: 0o755,
        size: 1 << 20,
        format: Format::Elf {
            machine: "x86_64".into(),
            interpreter: None,
            needed: Vec::new(),
            missing_libraries: Vec::new(),
        },
        interpreter: None,
        text: None,
    }
}

pub fn systemd(facts: &mut Facts) -> &mut SystemdFacts {
    known(&mut facts.systemd)
}
pub fn modules(facts: &mut Facts) -> &mut ModuleFacts {
    known(&mut facts.modules)
}
/// The state of virtio_console.
pub fn driver(facts: &mut Facts) -> &mut ModuleState {
    modules(facts).states.get_mut("virtio_console").unwrap()
}

/// The value of a fact, to be changed.
pub fn known<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Known(value) => value,
        _ => panic!("the healthy image knows it"),
    }
}

fn disk() -> DiskFacts {
    let partition = |number: u32, kind: &str, name: &str, uuid: &str, content: Content| Partition {
        number,
        id: format!("p{number}"),
        start: u64::from(number) << 20,
        len: 1 << 20,
        type_id: kind.into(),
        type_name: Some(name.into()),
        partuuid: uuid.into(),
        partlabel: String::new(),
        attributes: 0,
        content,
    };
    let content = |fs: &str, uuid: &str, label: &str| Content {
        fs_type: Some(fs.into()),
        uuid: Some(uuid.into()),
        label: Some(label.into()),
    };
    DiskFacts {
        table: TableKind::Gpt,
        sector_size: 512,
        disk_id: None,
        primary: Some(GptCopy::Good),
        backup: Some(GptCopy::Good),
        partitions: vec![
            partition(
                1,
                crate::inspect::partitions::ESP_TYPE,
                "ESP",
                "11111111-0000-4000-8000-000000000001",
                content("vfat", "1234-5678", "boot"),
            ),
            partition(
                2,
                "0fc63daf-8483-4772-8e79-3d69d8477de4",
                "Linux filesystem data",
                ROOT,
                content("ext4", "22222222-0000-4000-8000-000000000002", "platform"),
            ),
        ],
        esp: Some("p1".into()),
        root: Some("p2".into()),
    }
}

fn loader_program() -> PeFacts {
    PeFacts {
        location: Location::file("p1", "/EFI/BOOT/bootx64.efi"),
        size: 100_000,
        machine: "x86_64".into(),
        efi_application: true,
        signed: false,
        sections: vec![".text".into()],
        damage: None,
    }
}

fn loader() -> LoaderFacts {
    let conf = file("p1", "/loader/loader.conf", "default boot\ntimeout 3\n");
    let entry = file(
        "p1",
        "/loader/entries/boot.conf",
        "title boot\nlinux /vmlinuz\noptions x\ninitrd /initrd.img\n",
    );
    let found = |path: &str, line| EntryFile {
        path: path.into(),
        origin: Some(Origin::line(&entry, line)),
        file: Fact::Known(FoundFile {
            location: Location::file("p1", path),
            size: 7 << 20,
            section: None,
            offset: 0,
        }),
    };
    LoaderFacts {
        kind: LoaderKind::SystemdBoot,
        version: Some("252.39".into()),
        chain: Vec::new(),
        config: Fact::Known(Origin::whole(&conf)),
        default: Some(("boot".into(), Origin::line(&conf, 1))),
        default_matches: false,
        timeout: Some(3),
        timeout_origin: Some(Origin::line(&conf, 2)),
        entries: vec![LoaderEntry {
            id: "boot.conf".into(),
            title: Some("boot".into()),
            origin: Some(Origin::whole(&entry)),
            linux: Some(found("/vmlinuz", 2)),
            initrds: vec![found("/initrd.img", 4)],
            options: "x".into(),
            options_origin: vec![Origin::line(&entry, 3)],
            tries: None,
            architecture: None,
            skipped: None,
        }],
        selected: Some(0),
        problems: Vec::new(),
    }
}

fn initrd() -> InitrdFacts {
    let names = ["virtio_blk", "virtio_pci", "ext4"];
    InitrdFacts {
        files: vec![Location::file("p1", "/initrd.img")],
        size: 20 << 20,
        archives: vec![Archive {
            location: Location::file("p1", "/initrd.img"),
            compression: "zstd".into(),
            entries: 1000,
        }],
        generator: Some(Generator::InitramfsTools),
        has_init: true,
        modules: names.map(str::to_owned).into(),
        module_releases: [RELEASE.to_owned()].into(),
        ..InitrdFacts::default()
    }
}

fn rootfs() -> RootfsFacts {
    RootfsFacts {
        partition: "p2".into(),
        mounts: Vec::new(),
        fs_type: "ext4".into(),
        fs_size: 1 << 20,
        damage: None,
        dirty: None,
        features: Vec::new(),
        os_release: Fact::Known(vec![("VERSION_ID".into(), "12".into())]),
        machine_id: Fact::Known("0123456789abcdef0123456789abcdef".into()),
        init: Fact::Known(elf("/usr/lib/systemd/systemd")),
        init_path: "/sbin/init".into(),
        executor: None,
        merged_usr: true,
        architecture: Some("x86_64".into()),
    }
}

fn modules_of_bookworm() -> ModuleFacts {
    let state = |name: &str, in_initrd: bool| ModuleState {
        name: name.into(),
        builtin: false,
        file: Fact::Known(Location::file(
            "p2",
            format!("/usr/lib/modules/{RELEASE}/kernel/{name}.ko"),
        )),
        vermagic: Fact::Known(RELEASE.into()),
        damage: None,
        signed: Some(true),
        in_dep: true,
        in_alias: true,
        dependencies: Vec::new(),
        missing_dependencies: Vec::new(),
        in_initrd,
        loaded_in_initrd: in_initrd,
        blacklisted: Vec::new(),
        cmdline_blacklist: Vec::new(),
        install: Vec::new(),
        loads: Vec::new(),
    };
    let states = [
        ("virtio_console", false),
        ("virtio_blk", true),
        ("virtio_pci", true),
        ("ext4", true),
    ];
    ModuleFacts {
        release: Some(RELEASE.into()),
        releases: vec![RELEASE.into()],
        present: true,
        files: 400,
        builtin: BTreeSet::new(),
        index: BTreeMap::new(),
        index_problems: Vec::new(),
        states: states
            .map(|(name, inside)| (name.to_owned(), state(name, inside)))
            .into(),
    }
}
