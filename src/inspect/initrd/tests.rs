use super::listing::tests::{archive, entry, pack};
use super::*;
use crate::inspect::bootloader::file::entry_file;
use crate::inspect::filesystem::directory::DirectoryFs;

fn read_files(files: &[(&str, Vec<u8>)], skip: bool) -> InitrdFacts {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p1"));
    let named: Vec<_> = files
        .iter()
        .map(|(name, _)| entry_file(fs.as_ref(), name, None))
        .collect();
    read(&fs, &named, skip).known().unwrap().clone()
}

fn debian() -> Vec<u8> {
    archive(&[
        entry("bin", 0o120_777, b"usr/bin"),
        entry("init", 0o100_755, b"#!/bin/sh\n"),
        entry("scripts/functions", 0o100_644, b"x"),
        entry("conf/initramfs.conf", 0o100_644, b"MODULES=most\n"),
        entry(
            "conf/modules",
            0o100_644,
            b"# by name\nvirtio-blk\n\nvirtio_pci opt=1\n",
        ),
        entry("usr/bin/udevadm", 0o100_755, b"x"),
        entry(
            "usr/lib/modules/6.1.0-9-amd64/kernel/drivers/block/virtio_blk.ko",
            0o100_644,
            b"m",
        ),
        entry(
            "usr/lib/modules/6.1.0-9-amd64/kernel/drivers/char/hw-random/x-y.ko.xz",
            0o100_644,
            b"m",
        ),
    ])
}

#[test]
fn an_initramfs_tools_initrd_is_understood() {
    let facts = read_files(&[("initrd.img", pack(&["zstd", "-qc"], &debian()))], false);
    assert_eq!(facts.damage, None);
    assert_eq!(facts.generator, Some(Generator::InitramfsTools));
    assert!(facts.has_init && facts.udev && !facts.systemd);
    assert_eq!(
        facts.modules.iter().collect::<Vec<_>>(),
        ["virtio_blk", "x_y"]
    );
    assert_eq!(
        facts.module_releases.iter().collect::<Vec<_>>(),
        ["6.1.0-9-amd64"]
    );
    assert_eq!(
        facts.loads.iter().collect::<Vec<_>>(),
        ["virtio_blk", "virtio_pci"]
    );
    assert_eq!(
        facts.contents.resolve("bin/udevadm").as_deref(),
        Some("usr/bin/udevadm")
    );
    assert_eq!(facts.archives.len(), 1);
}

#[test]
fn a_dracut_initrd_runs_systemd() {
    let cpio = archive(&[
        entry("init", 0o120_777, b"usr/lib/systemd/systemd"),
        entry("lib", 0o120_777, b"usr/lib"),
        entry("usr/lib/systemd/systemd", 0o100_755, b"x"),
        entry("usr/lib/dracut/hooks", 0o040_755, b""),
    ]);
    let facts = read_files(&[("a", cpio)], false);
    assert_eq!(facts.generator, Some(Generator::Dracut));
    assert!(facts.has_init && facts.systemd);
    let dangling = archive(&[entry("init", 0o120_777, b"/no/such")]);
    let facts = read_files(&[("a", dangling)], false);
    assert!(!facts.has_init);
    let looped = archive(&[entry("init", 0o120_777, b"init")]);
    assert!(!read_files(&[("a", looped)], false).has_init);
}

#[test]
fn several_files_are_one_initrd() {
    let early = archive(&[entry(
        "kernel/x86/microcode/GenuineIntel.bin",
        0o100_644,
        b"mc",
    )]);
    let facts = read_files(
        &[
            ("ucode", early),
            ("main", pack(&["gzip", "-nc"], &debian())),
        ],
        false,
    );
    assert_eq!(facts.files.len(), 2);
    assert_eq!(facts.archives.len(), 2);
    assert!(
        facts
            .paths
            .contains("kernel/x86/microcode/GenuineIntel.bin")
            && facts.has_init
    );
}

#[test]
fn a_skipped_listing_still_names_the_archives() {
    let facts = read_files(
        &[("a", pack(&["xz", "-c", "--check=crc32"], &debian()))],
        true,
    );
    assert!(facts.skipped && facts.paths.is_empty());
    assert_eq!(facts.archives[0].compression, "xz");
    assert_eq!(facts.generator, None);
}

#[test]
fn missing_and_empty_files_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p1"));
    assert_eq!(read(&fs, &[], false), Fact::Absent);
    let missing = [entry_file(fs.as_ref(), "/initrd.img", None)];
    let facts = read(&fs, &missing, false).known().unwrap().clone();
    assert_eq!(facts.damage.unwrap().location.to_string(), "p1:/initrd.img");
    let facts = read_files(&[("a", Vec::new())], false);
    assert!(facts.damage.unwrap().message.contains("0 bytes"));
}
