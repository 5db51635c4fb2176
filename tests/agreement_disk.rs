//! Partitions, files and contents of whole real images, compared with sgdisk, debugfs, mtools and ext4-view.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print their counts"
)]

mod common;

use isar_doctor::inspect::disk::{self, Disk};
use isar_doctor::inspect::filesystem::{self, FileKind, FileSystem};
use isar_doctor::inspect::partitions::{self, DiskFacts};
use md5::{Digest, Md5};
use std::collections::BTreeMap;

use std::process::Command;
use std::sync::Arc;

const IMAGES: &[&str] = &["race", "healthy-trixie"];

fn open(name: &str) -> (std::path::PathBuf, Arc<dyn Disk>, DiskFacts) {
    let path = common::image(name);
    let disk = disk::open(&path).unwrap();
    let facts = partitions::read(&disk).unwrap();
    (path, disk, facts)
}

fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn partitions_agree_with_sgdisk() {
    for name in IMAGES {
        let (path, _, facts) = open(name);
        let path = path.to_str().unwrap();
        let mut compared = 0;
        for p in &facts.partitions {
            let text = tool("sgdisk", &["-i", &p.number.to_string(), path]);
            let field = |label: &str| {
                text.lines()
                    .find_map(|l| l.strip_prefix(label))
                    .map(|v| v.trim().split(' ').next().unwrap().to_owned())
                    .unwrap()
            };
            assert_eq!(field("Partition GUID code:").to_lowercase(), p.type_id);
            assert_eq!(field("Partition unique GUID:").to_lowercase(), p.partuuid);
            assert_eq!(field("First sector:"), (p.start / 512).to_string());
            assert_eq!(field("Partition size:"), (p.len / 512).to_string());
            assert_eq!(field("Partition name:").trim_matches('\''), p.partlabel);
            compared += 5;
        }
        println!(
            "{name}: {compared} fields of {} partitions agree with sgdisk",
            facts.partitions.len()
        );
        assert!(compared > 0);
    }
}

/// Every path of a file system below `/`, with kind, mode and size.
fn walk(fs: &dyn FileSystem) -> BTreeMap<String, (FileKind, u16, u64)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![String::new()];
    while let Some(dir) = pending.pop() {
        for entry in fs
            .read_dir(if dir.is_empty() { "/" } else { &dir })
            .unwrap()
        {
            let path = format!("{dir}/{}", entry.name);
            let m = fs.symlink_metadata(&path).unwrap();
            assert_eq!(m.kind, entry.kind, "{path}");
            found.insert(path.clone(), (m.kind, m.mode, m.size));
            if m.kind == FileKind::Directory {
                pending.push(path);
            }
        }
    }
    found
}

#[test]
fn the_root_file_system_agrees_with_debugfs() {
    for name in IMAGES {
        let (path, disk, facts) = open(name);
        let root = facts
            .partitions
            .iter()
            .find(|p| p.content.fs_type.as_deref() == Some("ext4"))
            .unwrap();
        let fs = filesystem::open(&disk, root).unwrap();
        let ours = walk(fs.as_ref());
        let device = format!("{}?offset={}", path.display(), root.start);
        // `ls -p` prints /inode/mode/uid/gid/name/size/ for every entry; directories have no size.
        let dirs: Vec<&String> = ours
            .iter()
            .filter(|(_, (k, ..))| *k == FileKind::Directory)
            .map(|(p, _)| p)
            .collect();
        let script: String = std::iter::once("/".to_owned())
            .chain(dirs.iter().map(|d| (*d).clone()))
            .map(|d| format!("ls -p \"{d}\"\n"))
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), script).unwrap();
        let text = tool("debugfs", &["-f", file.path().to_str().unwrap(), &device]);
        let mut theirs = BTreeMap::new();
        let mut dir = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("debugfs: ls -p \"") {
                dir = rest.trim_end_matches('"').trim_end_matches('/').to_owned();
            } else if line.starts_with('/') {
                let fields: Vec<&str> = line.split('/').collect();
                let (mode, entry, size) = (
                    u32::from_str_radix(fields[2], 8).unwrap(),
                    fields[5],
                    fields[6],
                );
                if fields[1] != "0" && entry != "." && entry != ".." {
                    theirs.insert(format!("{dir}/{entry}"), (mode, size.parse::<u64>().ok()));
                }
            }
        }
        assert_eq!(ours.len(), theirs.len(), "{name}: number of paths");
        for (path, (kind, mode, size)) in &ours {
            let (their_mode, their_size) = theirs
                .get(path)
                .unwrap_or_else(|| panic!("{name}: debugfs has no {path}"));
            assert_eq!(u32::from(*mode), their_mode & 0o7777, "{path}");
            if let Some(their_size) = their_size.filter(|_| *kind != FileKind::Directory) {
                assert_eq!(*size, their_size, "{path}");
            }
        }
        println!(
            "{name}: {} paths with mode and size agree with debugfs",
            ours.len()
        );
    }
}

#[test]
fn contents_agree_with_debugfs_and_ext4_view() {
    struct Reader(Arc<dyn Disk>, u64);
    impl ext4_view::Ext4Read for Reader {
        fn read(
            &mut self,
            start: u64,
            dst: &mut [u8],
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.0
                .read_exact_at(self.1 + start, dst)
                .map_err(|e| Box::new(e) as _)
        }
    }
    let (path, disk, facts) = open(IMAGES[0]);
    let root = facts
        .partitions
        .iter()
        .find(|p| p.content.fs_type.as_deref() == Some("ext4"))
        .unwrap();
    let fs = filesystem::open(&disk, root).unwrap();
    let judge = ext4_view::Ext4::load(Box::new(Reader(Arc::clone(&disk), root.start))).unwrap();
    let dump = tempfile::tempdir().unwrap();
    let device = format!("{}?offset={}", path.display(), root.start);
    tool(
        "debugfs",
        &["-R", &format!("rdump / {}", dump.path().display()), &device],
    );
    let (mut files, mut bytes, mut links) = (0u64, 0u64, 0u64);
    for (name, (kind, _, size)) in walk(fs.as_ref()) {
        match kind {
            FileKind::Regular => {
                let ours = fs.read(&name, u64::MAX).unwrap();
                assert_eq!(ours.len() as u64, size, "{name}");
                let theirs = std::fs::read(dump.path().join(name.trim_start_matches('/'))).unwrap();
                assert_eq!(Md5::digest(&ours), Md5::digest(&theirs), "{name}: debugfs");
                assert_eq!(
                    ours,
                    judge.read(name.as_str()).unwrap(),
                    "{name}: ext4-view"
                );
                files += 1;
                bytes += size;
            }
            FileKind::Symlink => {
                assert_eq!(
                    fs.read_link(&name).unwrap(),
                    judge
                        .read_link(name.as_str())
                        .unwrap()
                        .display()
                        .to_string(),
                    "{name}"
                );
                links += 1;
            }
            _ => {}
        }
    }
    println!(
        "{files} files with {bytes} bytes agree with debugfs and ext4-view, {links} links with ext4-view"
    );
    assert!(files > 1000 && links > 100);
}

#[test]
fn the_esp_agrees_with_mtools() {
    for name in IMAGES {
        let (path, disk, facts) = open(name);
        let esp = facts
            .partitions
            .iter()
            .find(|p| p.content.fs_type.as_deref() == Some("vfat"))
            .unwrap();
        let fs = filesystem::open(&disk, esp).unwrap();
        let drive = format!("{}@@{}", path.display(), esp.start);
        let listing = tool("mdir", &["-i", &drive, "-/", "-b", "::"]);
        let theirs: Vec<String> = listing
            .lines()
            .map(|l| {
                l.trim()
                    .trim_start_matches("::")
                    .trim_end_matches('/')
                    .to_owned()
            })
            .filter(|l| !l.is_empty())
            .collect();
        let ours = walk(fs.as_ref());
        let mut sorted = theirs.clone();
        sorted.sort();
        assert_eq!(ours.keys().cloned().collect::<Vec<_>>(), sorted, "{name}");
        let mut bytes = 0;
        for (file, _) in ours.iter().filter(|(_, (k, ..))| *k == FileKind::Regular) {
            let out = Command::new("mcopy")
                .args(["-n", "-i", &drive, &format!("::{file}"), "-"])
                .output()
                .unwrap();
            assert!(out.status.success(), "{file}");
            assert_eq!(
                fs.read(file, u64::MAX).unwrap(),
                out.stdout,
                "{name}: {file}"
            );
            bytes += out.stdout.len();
        }
        println!(
            "{name}: {} names and {bytes} bytes of the ESP agree with mtools",
            ours.len()
        );
    }
}

/// Every byte range that is named must hold what the file holds.
#[test]
fn named_ranges_hold_the_file() {
    let (_, disk, facts) = open(IMAGES[1]);
    let mut checked = 0;
    for partition in &facts.partitions {
        let fs = filesystem::open(&disk, partition).unwrap();
        let mut ranges = Vec::new();
        fs.disk_ranges(&mut |name, range| {
            if name.starts_with('/') {
                ranges.push((name.to_owned(), range));
            }
        })
        .unwrap();
        for (name, range) in ranges.iter().step_by(97) {
            let want = fs
                .read_at(name, range.file_offset, range.len.min(4096) as usize)
                .unwrap();
            let got = disk.read_vec(range.start, want.len()).unwrap();
            assert_eq!(want, got, "{name}");
            checked += 1;
        }
    }
    println!("{checked} ranges hold their files");
    assert!(checked > 20);
}
