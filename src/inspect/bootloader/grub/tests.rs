use super::super::tests::{Directories, disk, put};
use super::*;
use crate::inspect::partitions::{Content, Partition};
use std::path::Path;

const ROOT_UUID: &str = "5b1a9c5e-3a52-4a9e-8a39-0d6a3c1e7f20";

fn partition(number: u32, fs_type: &str, uuid: &str) -> Partition {
    Partition {
        number,
        id: format!("p{number}"),
        start: u64::from(number) << 20,
        len: 1 << 20,
        type_id: String::new(),
        type_name: None,
        partuuid: format!("0000000{number}"),
        partlabel: String::new(),
        attributes: 0,
        content: Content {
            fs_type: Some(fs_type.into()),
            uuid: Some(uuid.into()),
            label: None,
        },
    }
}

/// Runs `config` as the ESP's grub.cfg; kernel and initrd lie in `/boot` of the root.
fn run(config: &str, more: &[(&str, &str)]) -> LoaderFacts {
    let (esp, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(esp.path(), "EFI/BOOT/grub.cfg", config);
    for (path, text) in more {
        put(esp.path(), path, text);
    }
    for name in ["vmlinuz", "initrd.img", "vmlinuz.old"] {
        put(root.path(), &format!("boot/{name}"), name);
    }
    facts(esp.path(), root.path())
}

fn facts(esp: &Path, root: &Path) -> LoaderFacts {
    let mut disk = disk();
    disk.partitions = vec![
        partition(1, "vfat", "7A3B-1C2D"),
        partition(2, "ext4", ROOT_UUID),
    ];
    let source = Directories(vec![("p1", esp.into()), ("p2", root.into())]);
    let start = Start {
        partition: "p1",
        path: None,
        cpu: "x86_64",
        platform: "efi",
        version: Some("2.06-13+deb12u1".into()),
    };
    read(&source, &disk, &start, Some("p2")).unwrap()
}

fn kinds(facts: &LoaderFacts) -> Vec<&str> {
    facts.problems.iter().map(|p| p.kind.as_str()).collect()
}

fn search() -> String {
    format!("search --no-floppy --fs-uuid --set=root {ROOT_UUID}\n")
}

#[test]
fn the_entry_that_boots() {
    let config = format!(
        "{}set timeout=0\nset default=\"two\"\nset extra='quiet loglevel=1'\n\
         menuentry One {{ linux /boot/vmlinuz.old a }}\n\
         menuentry 'Number two' --class x --id two {{\n  linux /boot/vmlinuz root=/dev/vda2 $extra\n  initrd /boot/initrd.img\n}}\n",
        search()
    );
    let facts = run(&config, &[]);
    assert_eq!(kinds(&facts), Vec::<&str>::new());
    let entry = facts.selected_entry().unwrap();
    assert_eq!(entry.id, "two");
    assert_eq!(
        entry.options,
        "BOOT_IMAGE=/boot/vmlinuz root=/dev/vda2 quiet loglevel=1"
    );
    let kernel = entry.linux.as_ref().unwrap().file.known().unwrap();
    assert_eq!(kernel.location.to_string(), "p2:/boot/vmlinuz");
    assert_eq!(entry.initrds.len(), 1);
    assert_eq!((facts.entries.len(), facts.timeout), (2, None));
}

#[test]
fn defaults_by_number_title_and_path() {
    let entries = "menuentry A { linux /k }\nsubmenu More {\nmenuentry B { linux /k }\nmenuentry C { linux /k }\n}\n";
    for (default, id, matches) in [
        ("0", "A", true),
        ("A", "A", true),
        ("More>C", "More>C", true),
        ("1>0", "More>B", true),
        ("none", "A", false),
    ] {
        let facts = run(&format!("default='{default}'\n{entries}"), &[("k", "")]);
        assert_eq!(facts.selected_entry().unwrap().id, id, "{default}");
        assert_eq!(facts.default_matches, matches, "{default}");
    }
}

#[test]
fn slots_of_an_environment_block() {
    let config = format!(
        "load_env\nif [ \"$slot\" = b ]; then\n  set kernel=vmlinuz.old\nelif [ x$slot = xa ]; then set kernel=vmlinuz\nelse set kernel=gone; fi\n{}menuentry boot {{ linux /boot/$kernel }}\n",
        search()
    );
    for (slot, kernel) in [("a", "vmlinuz"), ("b", "vmlinuz.old")] {
        let block = format!("# GRUB Environment Block\nslot={slot}\n{}", "#".repeat(900));
        let facts = run(&config, &[("EFI/BOOT/grubenv", &block)]);
        let linux = facts.selected_entry().unwrap().linux.clone().unwrap();
        assert_eq!(linux.path, format!("/boot/{kernel}"));
        assert!(linux.file.known().is_some(), "{slot}");
    }
    assert_eq!(kinds(&run(&config, &[])), ["file-missing"]);
}

#[test]
fn a_failed_search_is_to_blame_only_when_something_is_missed() {
    let lost = "search --fs-uuid --set=root 00000000-dead\n";
    let missed = run(
        &format!("{lost}menuentry a {{ linux /boot/vmlinuz\ninitrd /boot/initrd.img }}"),
        &[],
    );
    assert_eq!(kinds(&missed), ["file-missing"]);
    assert!(missed.problems[0].message.contains("00000000-dead"));
    let found = run(
        &format!("{lost}menuentry a {{ linux (hd0,gpt2)/boot/vmlinuz }}"),
        &[],
    );
    assert_eq!(kinds(&found), Vec::<&str>::new());
}

#[test]
fn a_configuration_leads_to_another() {
    let (esp, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(
        esp.path(),
        "EFI/BOOT/grub.cfg",
        format!(
            "{}set prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n",
            search()
        ),
    );
    put(
        root.path(),
        "boot/grub/grub.cfg",
        "function load { linux /boot/$1 $2; }\nfor k in vmlinuz; do menuentry $k { load \"$1\" quiet; }; done\n",
    );
    put(root.path(), "boot/vmlinuz", "");
    let facts = facts(esp.path(), root.path());
    assert_eq!(kinds(&facts), Vec::<&str>::new());
    let entry = facts.selected_entry().unwrap();
    assert_eq!(entry.options, "BOOT_IMAGE=/boot/vmlinuz quiet");
    let origin = facts.config.known().unwrap();
    assert_eq!(origin.location().to_string(), "p2:/boot/grub/grub.cfg");
}

#[test]
fn no_configuration_where_grub_looks() {
    let (esp, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let none = facts(esp.path(), root.path());
    assert_eq!(kinds(&none), ["prefix-wrong"]);
    assert!(none.entries.is_empty());
}

#[test]
fn scripts_that_never_end_are_stopped() {
    for config in [
        "while true; do set a=1; done",
        "function f { f; }\nf",
        "set a=xxxxxxxx\nwhile true; do set a=$a$a; done",
        "source $prefix/grub.cfg",
        "menuentry a {",
        "if if if",
        "${",
        "\"",
    ] {
        let facts = run(config, &[]);
        assert_eq!(facts.kind, LoaderKind::Grub, "{config}");
    }
}
