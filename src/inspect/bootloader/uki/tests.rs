use super::super::pe::tests::build;
use super::*;
use crate::inspect::filesystem::directory::DirectoryFs;

const OSREL: &[u8] = b"ID=debian\nPRETTY_NAME=\"Debian 12\"\nVERSION_ID=\"12\"\n";

fn with_file<T>(name: &str, bytes: &[u8], then: impl FnOnce(&DirectoryFs) -> T) -> T {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    then(&DirectoryFs::new(dir.path(), "p1"))
}

fn read(sections: &[(&str, &[u8])]) -> (Vec<Profile>, Vec<LoaderProblem>) {
    let bytes = build(0x8664, sections);
    with_file("EFI/Linux/Deb.efi", &bytes, |fs| {
        let mut problems = Vec::new();
        let found = entries(fs, "/EFI/Linux/Deb.efi", 0x8664, &mut problems);
        (found, problems)
    })
}

#[test]
fn sections_become_an_entry() {
    let (found, problems) = read(&[
        (".osrel", OSREL),
        (".cmdline", b"  root=LABEL=x\tquiet\n\0"),
        (".initrd", b"070701"),
        (".linux", b"kernel"),
    ]);
    assert_eq!(problems, []);
    let entry = &found[0].entry;
    assert_eq!(entry.id, "deb.efi");
    assert_eq!(entry.title.as_deref(), Some("Debian 12"));
    assert_eq!(entry.options, "root=LABEL=x quiet");
    assert_eq!(entry.options_origin[0].location().line, Some(1));
    let kernel = entry.linux.as_ref().unwrap().file.known().unwrap();
    assert_eq!(
        (kernel.section.as_deref(), kernel.size),
        (Some(".linux"), 6)
    );
    assert_eq!(entry.initrds.len(), 1);
    assert_eq!(found[0].sort_key.as_deref(), Some("debian"));
    assert_eq!(found[0].version.as_deref(), Some("12"));
}

#[test]
fn what_the_loader_passes_over_is_told() {
    let reason = |sections: &[(&str, &[u8])]| read(sections).0[0].entry.skipped.clone().unwrap();
    assert!(reason(&[(".linux", b"k")]).contains(".osrel"));
    let skipped = with_file(
        "EFI/Linux/a.efi",
        &build(0xaa64, &[(".linux", b"k")]),
        |fs| entries(fs, "/EFI/Linux/a.efi", 0x8664, &mut Vec::new()),
    );
    assert!(
        skipped[0]
            .entry
            .skipped
            .as_deref()
            .unwrap()
            .contains("aarch64")
    );
    let empty = with_file("EFI/Linux/a.efi", b"", |fs| {
        entries(fs, "/EFI/Linux/a.efi", 0x8664, &mut Vec::new())
    });
    assert!(
        empty[0]
            .entry
            .skipped
            .as_deref()
            .unwrap()
            .contains("0 bytes")
    );
}

#[test]
fn overlap_and_missing_command_line_are_problems() {
    // Sections are built 64 KiB apart.
    let (_, problems) = read(&[
        (".osrel", OSREL),
        (".linux", &[0; 0x10001]),
        (".initrd", b"i"),
    ]);
    let kinds: Vec<_> = problems.iter().map(|p| p.kind.as_str()).collect();
    assert_eq!(kinds, ["uki-overlap", "uki-no-cmdline"]);
    assert!(problems[0].message.contains(".linux") && problems[0].message.contains(".initrd"));
}

#[test]
fn profiles_inherit_the_base_and_get_their_own_ids() {
    let (found, _) = read(&[
        (".osrel", OSREL),
        (".linux", b"kernel"),
        (".cmdline", b"quiet"),
        (".profile", b"ID=main\n"),
        (".profile", b"ID=Rescue\nTITLE=Rescue mode\n"),
        (".cmdline", b"rescue"),
    ]);
    let told: Vec<_> = found
        .iter()
        .map(|p| (p.entry.id.as_str(), p.entry.options.as_str()))
        .collect();
    assert_eq!(told, [("deb.efi", "quiet"), ("deb.efi@rescue", "rescue")]);
    assert_eq!(
        found[1].entry.title.as_deref(),
        Some("Debian 12 (Rescue mode)")
    );
}

#[test]
fn addons_append_their_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let linux = dir.path().join("EFI/Linux");
    std::fs::create_dir_all(linux.join("a.efi.extra.d")).unwrap();
    let uki: &[(&str, &[u8])] = &[(".osrel", OSREL), (".linux", b"k"), (".cmdline", b"quiet")];
    std::fs::write(linux.join("a.efi"), build(0x8664, uki)).unwrap();
    let addon = build(0x8664, &[(".cmdline", b"console=hvc0")]);
    std::fs::write(linux.join("a.efi.extra.d/x.addon.efi"), addon).unwrap();
    let fs = DirectoryFs::new(dir.path(), "p1");
    let found = entries(&fs, "/EFI/Linux/a.efi", 0x8664, &mut Vec::new());
    assert_eq!(found[0].entry.options, "quiet console=hvc0");
    assert_eq!(found[0].entry.options_origin.len(), 2);
}
