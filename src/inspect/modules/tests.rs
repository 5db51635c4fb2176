use super::index::tests::build as index;
use super::modprobe_d::Config;
use super::object::tests::build as object;
use super::probe::{Probe, Step};
use super::*;
use crate::inspect::cmdline;
use crate::inspect::filesystem::directory::DirectoryFs;
use std::path::Path;

const RELEASE: &str = "6.1.0-9-amd64";
const MODALIAS: &str = "virtio:d00000003v00001AF4";

fn put(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Modules as depmod would leave them: virtio_console needs virtio_ring, which needs virtio.
fn image(root: &Path) {
    let base = format!("usr/lib/modules/{RELEASE}");
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).unwrap();
    let info = format!("license=GPL\0vermagic={RELEASE} SMP \0");
    for name in [
        "char/virtio_console.ko",
        "virtio/virtio_ring.ko",
        "virtio/virtio.ko",
    ] {
        put(
            root,
            &format!("{base}/kernel/{name}"),
            object(info.as_bytes()),
        );
    }
    let lines = [
        ("virtio", "kernel/virtio/virtio.ko:"),
        (
            "virtio_ring",
            "kernel/virtio/virtio_ring.ko: kernel/virtio/virtio.ko",
        ),
        (
            "virtio_console",
            "kernel/char/virtio_console.ko: kernel/virtio/virtio_ring.ko kernel/virtio/virtio.ko",
        ),
    ];
    put(root, &format!("{base}/modules.dep.bin"), index(&lines));
    let text: Vec<&str> = lines.iter().map(|(_, line)| *line).collect();
    put(root, &format!("{base}/modules.dep"), text.join("\n"));
    let aliases = [
        ("virtio:d00000003v*", "virtio_console"),
        ("fs_x", "nothing"),
    ];
    put(root, &format!("{base}/modules.alias.bin"), index(&aliases));
    put(
        root,
        &format!("{base}/modules.builtin"),
        "kernel/fs/ext4/ext-4.ko\n",
    );
}

fn facts_with(root: &Path, words: &str, initrd: &Fact<InitrdFacts>) -> ModuleFacts {
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(root, "p2"));
    let cmdline = Fact::Known(cmdline::parse(words, &[]));
    let wanted = [("virtio-console", Some(MODALIAS)), ("ext_4", None)];
    let facts = read(&fs, Some(RELEASE), initrd, &cmdline, &wanted);
    facts.known().unwrap().clone()
}

fn console(root: &Path, words: &str) -> ModuleState {
    facts_with(root, words, &Fact::Absent).states["virtio_console"].clone()
}

fn fresh() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    image(dir.path());
    dir
}

#[test]
fn a_sound_tree_has_no_problems() {
    let dir = fresh();
    let facts = facts_with(dir.path(), "quiet", &Fact::Absent);
    assert_eq!(facts.index_problems, []);
    assert_eq!((facts.present, facts.files), (true, 3));
    assert_eq!(facts.releases, [RELEASE]);
    assert_eq!(facts.index["virtio"], "kernel/virtio/virtio.ko");
    assert!(facts.states["ext_4"].builtin);
    let state = &facts.states["virtio_console"];
    assert!(state.in_dep && state.in_alias && !state.builtin && !state.in_initrd);
    assert_eq!(state.damage, None);
    assert_eq!(state.signed, Some(false));
    assert!(state.vermagic.known().unwrap().starts_with(RELEASE));
    assert_eq!(
        state.dependencies,
        ["kernel/virtio/virtio.ko", "kernel/virtio/virtio_ring.ko"]
    );
    let place = state.file.known().unwrap().to_string();
    assert_eq!(
        place,
        format!("p2:/usr/lib/modules/{RELEASE}/kernel/char/virtio_console.ko")
    );
}

#[test]
fn files_and_indexes_that_disagree_are_told() {
    let dir = fresh();
    let base = dir.path().join(format!("usr/lib/modules/{RELEASE}"));
    std::fs::remove_file(base.join("kernel/virtio/virtio_ring.ko")).unwrap();
    let facts = facts_with(dir.path(), "", &Fact::Absent);
    assert_eq!(
        facts.states["virtio_console"].missing_dependencies,
        ["kernel/virtio/virtio_ring.ko"]
    );
    assert!(facts.index_problems[0].message.contains("not there"));
    put(&base, "kernel/virtio/new.ko", "x");
    put(&base, "modules.dep", "kernel/virtio/virtio.ko:\n");
    let facts = facts_with(dir.path(), "", &Fact::Absent);
    let told: Vec<_> = facts
        .index_problems
        .iter()
        .map(|p| p.message.as_str())
        .collect();
    assert!(
        told.iter().any(|m| m.contains("does not agree")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|m| m.contains("does not list 1 module")),
        "{told:?}"
    );
    put(&base, "modules.alias.bin", "garbage of some length");
    std::fs::remove_file(base.join("modules.dep.bin")).unwrap();
    let facts = facts_with(dir.path(), "", &Fact::Absent);
    let state = &facts.states["virtio_console"];
    // The file is found all the same.
    assert!(state.file.known().is_some() && !state.in_dep && !state.in_alias);
    assert_eq!(facts.index_problems.len(), 2);
}

#[test]
fn what_forbids_and_what_loads_a_module_is_told() {
    let dir = fresh();
    put(
        dir.path(),
        "etc/modprobe.d/x.conf",
        "blacklist virtio-console\ninstall virtio_con* /bin/false\n",
    );
    put(
        dir.path(),
        "etc/modules-load.d/m.conf",
        "# c\nvirtio-console\n",
    );
    let state = console(
        dir.path(),
        "module_blacklist=a,virtio_console modprobe.blacklist=virtio_console modules-load=virtio_console",
    );
    assert_eq!(state.blacklisted.len(), 1);
    assert_eq!(
        state.blacklisted[0]
            .origin
            .as_ref()
            .unwrap()
            .location()
            .line,
        Some(1)
    );
    assert_eq!(state.install[0].argument, "/bin/false");
    assert_eq!(state.cmdline_blacklist.len(), 2);
    assert_eq!(state.loads.len(), 2);
    assert_eq!(state.loads[0].argument, "modules-load=virtio_console");
    assert_eq!(
        state.loads[1].origin.as_ref().unwrap().location().line,
        Some(2)
    );
    assert_eq!(
        console(dir.path(), "module_blacklist=virtio-console")
            .cmdline_blacklist
            .len(),
        0
    );
    put(dir.path(), "etc/modprobe.d/y.conf", "alias virtio:* off\n");
    assert!(!console(dir.path(), "").in_alias);
}

#[test]
fn broken_files_and_missing_releases_are_facts() {
    let dir = fresh();
    let ko = format!("usr/lib/modules/{RELEASE}/kernel/char/virtio_console.ko");
    put(dir.path(), &ko, [0; 4096]);
    assert!(
        console(dir.path(), "")
            .damage
            .unwrap()
            .message
            .contains("ELF")
    );
    put(dir.path(), &ko, "");
    assert!(
        console(dir.path(), "")
            .damage
            .unwrap()
            .message
            .contains("0 bytes")
    );
    let fs: Arc<dyn FileSystem> = Arc::new(DirectoryFs::new(dir.path(), "p2"));
    let wanted = [("virtio_console", Some(MODALIAS))];
    for release in [Some("6.2"), Some("../x"), None] {
        let facts = read(&fs, release, &Fact::Absent, &Fact::Absent, &wanted);
        let facts = facts.known().unwrap();
        assert!(!facts.present);
        assert_eq!(facts.states["virtio_console"].file, Fact::Absent);
    }
}

#[test]
fn show_depends_follows_kmods_order() {
    let dir = fresh();
    put(
        dir.path(),
        "etc/modprobe.d/x.conf",
        "softdep virtio_ring pre: ext-4\noptions virtio a=1\noptions virtio b=2\ninstall other /bin/true\n",
    );
    let fs = DirectoryFs::new(dir.path(), "p2");
    let tree = Tree::read(&fs, &format!("/lib/modules/{RELEASE}")).unwrap();
    let config = Config::read(&fs, &tree.path, None);
    let probe = Probe::new(&tree, &config);
    let insert = |module: &str, path: &str, options: &str| Step::Insert {
        module: module.into(),
        path: path.into(),
        options: options.into(),
    };
    let steps = probe.show_depends(MODALIAS).unwrap();
    assert_eq!(
        steps,
        [
            insert("virtio", "kernel/virtio/virtio.ko", "a=1 b=2"),
            Step::Builtin {
                module: "ext_4".into()
            },
            insert("virtio_ring", "kernel/virtio/virtio_ring.ko", ""),
            insert("virtio_console", "kernel/char/virtio_console.ko", ""),
        ]
    );
    let other = probe.show_depends("other").unwrap();
    assert!(matches!(&other[0], Step::Install { command, .. } if command == "/bin/true"));
    assert_eq!(
        probe.show_depends("ext-4").unwrap(),
        [Step::Builtin {
            module: "ext_4".into()
        }]
    );
    assert_eq!(probe.show_depends("nope"), None);
    assert_eq!(probe.show_depends("a]b"), None);
}

#[test]
fn soft_dependencies_in_a_circle_end() {
    let dir = fresh();
    let circle = "softdep virtio pre: virtio_ring virtio_console\nsoftdep virtio_ring post: virtio\nsoftdep * pre: virtio\n";
    put(dir.path(), "etc/modprobe.d/x.conf", circle);
    let fs = DirectoryFs::new(dir.path(), "p2");
    let tree = Tree::read(&fs, &format!("/lib/modules/{RELEASE}")).unwrap();
    let config = Config::read(&fs, &tree.path, None);
    assert!(
        Probe::new(&tree, &config)
            .show_depends("virtio_console")
            .is_some()
    );
}
