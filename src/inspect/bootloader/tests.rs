use super::pe::tests::build;
use super::*;
use crate::inspect::filesystem::FileSystem;
use crate::inspect::filesystem::directory::DirectoryFs;
use crate::inspect::partitions::{DiskFacts, TableKind};
use std::path::Path;
use std::sync::Arc;

/// An entry that is nothing but its id.
pub(super) fn entry(id: &str) -> LoaderEntry {
    LoaderEntry {
        id: id.into(),
        title: None,
        origin: None,
        linux: None,
        initrds: Vec::new(),
        options: String::new(),
        options_origin: Vec::new(),
        tries: None,
        architecture: None,
        skipped: None,
    }
}

pub(super) fn disk() -> DiskFacts {
    DiskFacts {
        table: TableKind::Gpt,
        sector_size: 512,
        disk_id: None,
        primary: None,
        backup: None,
        partitions: Vec::new(),
        esp: Some("p1".into()),
        root: None,
    }
}

/// Directories of the host as partitions.
pub(super) struct Directories(pub Vec<(&'static str, std::path::PathBuf)>);

impl Partitions for Directories {
    fn open(&self, id: &str) -> Result<Arc<dyn FileSystem>> {
        let found = self.0.iter().find(|(name, _)| *name == id);
        let (name, path) = found.ok_or_else(|| Error::not_found(Location::partition(id)))?;
        Ok(Arc::new(DirectoryFs::new(path, name)))
    }
}

pub(super) fn put(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

const SD_BOOT: &[u8] = b"#### LoaderInfo: systemd-boot 252.39-1~deb12u1 ####";

/// An ESP as ISAR's wic plugin makes it.
fn isar(root: &Path) {
    put(
        root,
        "EFI/BOOT/bootx64.efi",
        build(0x8664, &[(".sdmagic", SD_BOOT)]),
    );
    put(root, "loader/loader.conf", "timeout 0\ndefault boot\n");
    put(
        root,
        "loader/entries/boot.conf",
        "title boot\nlinux /vmlinuz\noptions LABEL=Boot root=/dev/vda2 quiet\ninitrd /initrd.img\n",
    );
    put(root, "vmlinuz", "kernel");
    put(root, "initrd.img", "initrd");
}

fn read_dir(root: &Path) -> (Fact<EspFacts>, Fact<LoaderFacts>) {
    read(&Directories(vec![("p1", root.into())]), &disk(), None)
}

fn known(root: &Path) -> (EspFacts, LoaderFacts) {
    let (esp, loader) = read_dir(root);
    (
        esp.known().unwrap().clone(),
        loader.known().unwrap().clone(),
    )
}

#[test]
fn isars_esp_is_read() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    let (esp, loader) = known(dir.path());
    let removable = esp.removable.known().unwrap();
    assert_eq!(removable.location.to_string(), "p1:/EFI/BOOT/bootx64.efi");
    assert_eq!(loader.kind, LoaderKind::SystemdBoot);
    assert_eq!(loader.version.as_deref(), Some("252.39-1~deb12u1"));
    // `default boot` never matches `boot.conf`, and the one entry boots all the same.
    assert!(!loader.default_matches);
    assert_eq!(loader.default.as_ref().unwrap().1.location().line, Some(2));
    assert_eq!(loader.timeout, None);
    let entry = loader.selected_entry().unwrap();
    assert_eq!(entry.id, "boot.conf");
    assert_eq!(entry.options, "LABEL=Boot root=/dev/vda2 quiet");
    assert_eq!(entry.options_origin[0].location().line, Some(3));
    assert_eq!(entry.initrds[0].file.known().unwrap().size, 6);
    assert_eq!(loader.chain.len(), 1);
}

#[test]
fn a_missing_kernel_hides_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    std::fs::remove_file(dir.path().join("vmlinuz")).unwrap();
    std::fs::remove_file(dir.path().join("initrd.img")).unwrap();
    let (_, loader) = known(dir.path());
    assert_eq!(loader.selected, None);
    let entry = loader.judged_entry().unwrap();
    assert_eq!(
        entry.skipped.as_deref(),
        Some("its kernel /vmlinuz is not there")
    );
    assert_eq!(entry.initrds[0].file, Fact::Absent);
    assert_eq!(entry.initrds[0].origin.as_ref().unwrap().line, Some(4));
    put(dir.path(), "loader/entries/other.conf", "linux \\KERNEL2\n");
    put(dir.path(), "kernel2", "");
    let (_, loader) = known(dir.path());
    assert_eq!(loader.selected_entry().unwrap().id, "other.conf");
    let linux = loader.selected_entry().unwrap().linux.as_ref().unwrap();
    assert_eq!(linux.file.known().unwrap().size, 0);
    assert_eq!(loader.entries.len(), 2);
}

#[test]
fn several_lines_are_joined_and_foreign_entries_skipped() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    put(
        dir.path(),
        "loader/entries/a+2-1.conf",
        "# c\nlinux /vmlinuz\narchitecture x64\noptions a\ninitrd /ucode\noptions b c\ninitrd /initrd.img\n",
    );
    put(
        dir.path(),
        "loader/entries/arm.conf",
        "architecture aa64\nlinux /vmlinuz\n",
    );
    put(dir.path(), "loader/entries/none.conf", "title nothing\n");
    put(dir.path(), "loader/entries/readme.txt", "linux /vmlinuz\n");
    let (_, loader) = known(dir.path());
    let by_id = |id: &str| loader.entries.iter().find(|e| e.id == id).unwrap();
    let a = by_id("a+2-1.conf");
    assert_eq!(a.options, "a b c");
    assert_eq!(a.options_origin.len(), 2);
    assert_eq!(a.initrds.len(), 2);
    assert_eq!(a.tries, Some((2, 1)));
    assert_eq!(a.skipped, None);
    assert!(
        by_id("arm.conf")
            .skipped
            .as_deref()
            .unwrap()
            .contains("aa64")
    );
    assert!(by_id("none.conf").skipped.is_some());
    assert_eq!(loader.entries.len(), 4);
    assert_eq!(loader.selected_entry().unwrap().id, "boot.conf");
}

#[test]
fn without_a_loader_the_configuration_still_speaks() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    put(dir.path(), "EFI/BOOT/BOOTIA32.EFI", "");
    std::fs::remove_file(dir.path().join("EFI/BOOT/bootx64.efi")).unwrap();
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "lib64/ld-linux-x86-64.so.2", "");
    let parts = Directories(vec![("p1", dir.path().into()), ("p2", root.path().into())]);
    let (facts, loader) = read(&parts, &disk(), Some("p2"));
    assert_eq!(facts.known().unwrap().removable, Fact::Absent);
    assert_eq!(facts.known().unwrap().other_architectures, ["BOOTIA32.EFI"]);
    let loader = loader.known().unwrap();
    assert_eq!(loader.version, None);
    assert!(loader.selected_entry().is_some());
    std::fs::remove_dir_all(dir.path().join("loader")).unwrap();
    assert_eq!(read(&parts, &disk(), Some("p2")).1, Fact::Absent);
}

#[test]
fn shim_hands_over_to_the_program_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    let shim = build(0x8664, &[(".sbat", b"shim,2,UEFI shim,shim,1,https://x\n")]);
    put(dir.path(), "EFI/BOOT/bootx64.efi", shim);
    put(
        dir.path(),
        "EFI/BOOT/grubx64.efi",
        build(0x8664, &[(".sdmagic", SD_BOOT)]),
    );
    let (_, loader) = known(dir.path());
    assert_eq!(loader.kind, LoaderKind::SystemdBoot);
    assert_eq!(loader.chain.len(), 2);
    put(dir.path(), "EFI/BOOT/grubx64.efi", "garbage");
    let (_, loader) = known(dir.path());
    assert!(loader.chain[1].damage.is_some());
}

#[test]
fn a_uki_can_be_the_loader() {
    let dir = tempfile::tempdir().unwrap();
    let uki = build(
        0x8664,
        &[(".linux", b"k"), (".initrd", b"i"), (".cmdline", b"a=1")],
    );
    put(dir.path(), "EFI/BOOT/BOOTX64.EFI", uki);
    let (_, loader) = known(dir.path());
    assert_eq!(loader.kind, LoaderKind::Uki);
    assert_eq!(loader.selected_entry().unwrap().options, "a=1");
    assert_eq!(loader.selected_entry().unwrap().initrds.len(), 1);
}

#[test]
fn hostile_entries_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    isar(dir.path());
    let many = "initrd /x\noptions y\n".repeat(20_000);
    put(
        dir.path(),
        "loader/entries/boot.conf",
        format!("linux /vmlinuz\n{many}"),
    );
    put(dir.path(), "loader/entries/big.conf", vec![b'x'; 2 << 20]);
    let (_, loader) = known(dir.path());
    assert!(loader.entries[0].initrds.len() <= 256);
    assert_eq!(loader.problems[0].kind, "file-unreadable");
}
