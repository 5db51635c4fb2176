//! Every module of a real kernel, resolved as `modprobe --show-depends` does; every name in its initrd, as `lsinitramfs` does.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their counts"
)]

mod common;

use isar_doctor::inspect::filesystem::{self, FileSystem};
use isar_doctor::inspect::modules::modprobe_d::Config;
use isar_doctor::inspect::modules::probe::{Probe, Step};
use isar_doctor::inspect::modules::tree::Tree;
use isar_doctor::inspect::{Options, disk, inspect, partitions};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const IMAGES: &[&str] = &["race", "healthy-trixie"];

fn root_of(image: &Path) -> Arc<dyn FileSystem> {
    let disk = disk::open(image).unwrap();
    let table = partitions::read(&disk).unwrap();
    let root = table
        .partitions
        .iter()
        .find(|p| p.content.fs_type.as_deref() == Some("ext4"))
        .unwrap();
    filesystem::open(&disk, root).unwrap()
}

/// Copies what modprobe reads out of the image, as a root of its own.
fn dump(fs: &dyn FileSystem, to: &Path) {
    let mut pending = vec![
        "/usr/lib/modules".to_owned(),
        "/etc/modprobe.d".to_owned(),
        "/usr/lib/modprobe.d".to_owned(),
    ];
    while let Some(dir) = pending.pop() {
        std::fs::create_dir_all(to.join(dir.trim_start_matches('/'))).unwrap();
        for entry in fs.read_dir(&dir).unwrap_or_default() {
            let path = format!("{dir}/{}", entry.name);
            match entry.kind {
                filesystem::FileKind::Directory => pending.push(path),
                filesystem::FileKind::Regular => std::fs::write(
                    to.join(path.trim_start_matches('/')),
                    fs.read(&path, 1 << 30).unwrap(),
                )
                .unwrap(),
                _ => {}
            }
        }
    }
    std::os::unix::fs::symlink("usr/lib", to.join("lib")).unwrap();
}

#[test]
fn every_module_resolves_as_modprobe_does() {
    for name in IMAGES {
        let fs = root_of(&common::image(name));
        let scratch = tempfile::tempdir().unwrap();
        dump(fs.as_ref(), scratch.path());
        let release = fs.read_dir("/usr/lib/modules").unwrap().remove(0).name;
        let tree = Tree::read(fs.as_ref(), &format!("/usr/lib/modules/{release}")).unwrap();
        let config = Config::read(fs.as_ref(), &tree.path, None);
        let probe = Probe::new(&tree, &config);
        let prefix = format!("{}/lib/modules/{release}/", scratch.path().display());
        let modules: Vec<&String> = tree.dependencies.keys().chain(&tree.builtin).collect();
        let (mut compared, mut steps) = (0, 0);
        // Starting modprobe costs more than its answer, so each run is asked about many.
        for some in modules.chunks(64) {
            let out = Command::new("/usr/sbin/modprobe")
                .args(["-d"])
                .arg(scratch.path())
                .args(["-S", &release, "-a", "--show-depends"])
                .args(some)
                .output()
                .unwrap();
            let theirs: Vec<String> = String::from_utf8_lossy(&out.stdout)
                .lines()
                .map(|l| l.trim_end().replace(&prefix, ""))
                .collect();
            let ours: Vec<String> = some
                .iter()
                .flat_map(|module| probe.show_depends(module).unwrap_or_default())
                .map(|step| line(&step))
                .collect();
            assert_eq!(
                ours,
                theirs,
                "{name}: {}",
                String::from_utf8_lossy(&out.stderr)
            );
            compared += some.len();
            steps += ours.len();
        }
        println!(
            "{name}: {compared} modules of {release} resolve in {steps} steps as modprobe says"
        );
        assert!(compared > 500);
    }
}

/// A step as `modprobe --show-depends` prints it.
fn line(step: &Step) -> String {
    match step {
        Step::Insert { path, options, .. } => {
            format!("insmod {path} {options}").trim_end().to_owned()
        }
        Step::Install { command, .. } => format!("install {command}"),
        Step::Builtin { module } => format!("builtin {module}"),
    }
}

#[test]
fn the_initrd_lists_as_lsinitramfs_does() {
    initrds_list_alike(IMAGES);
}

#[test]
#[ignore = "another base to build: make test-full"]
fn the_initrd_of_dracut_lists_as_lsinitramfs_does() {
    initrds_list_alike(&["healthy-dracut"]);
}

fn initrds_list_alike(images: &[&str]) {
    for name in images {
        let image = common::image(name);
        let facts = inspect(&image, &Options::default()).unwrap();
        let initrd = facts.initrd.known().unwrap();
        assert!(initrd.damage.is_none(), "{:?}", initrd.damage);
        let place = &initrd.files[0];
        let disk = disk::open(&image).unwrap();
        let table = partitions::read(&disk).unwrap();
        let esp = table
            .partitions
            .iter()
            .find(|p| Some(&p.id) == place.partition.as_ref())
            .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            filesystem::open(&disk, esp)
                .unwrap()
                .read(place.path.as_deref().unwrap(), 1 << 30)
                .unwrap(),
        )
        .unwrap();
        let out = Command::new("lsinitramfs")
            .arg(file.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let clean = |p: &str| {
            p.trim_start_matches("./")
                .trim_start_matches('/')
                .to_owned()
        };
        let theirs: BTreeSet<String> = String::from_utf8_lossy(&out.stdout)
            .lines()
            .map(clean)
            .filter(|p| !p.is_empty() && p != ".")
            .collect();
        let ours: BTreeSet<String> = initrd
            .paths
            .iter()
            .map(|p| clean(p))
            .filter(|p| !p.is_empty() && p != ".")
            .collect();
        assert_eq!(ours, theirs, "{name}");
        println!(
            "{name}: {} names of the initrd agree with lsinitramfs",
            ours.len()
        );
        assert!(ours.len() > 100);
    }
}
