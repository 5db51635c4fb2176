//! Root file systems on the host: taken out of fixture images, and copies of them with other files in place.

use crate::common;
use isar_doctor::inspect::{disk, filesystem, partitions};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: &str = "/usr/lib/systemd/system/";
const ADMIN: &str = "/etc/systemd/system/";

/// Where the trees lie; they are kept for the next run.
fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/agreement_systemd")
}

/// The root file system of a fixture as a directory.
pub fn extracted(fixture: &str) -> PathBuf {
    let image = common::image(fixture);
    let meta = fs::metadata(&image).unwrap();
    let stamp = format!("{} {}.{}", meta.len(), meta.mtime(), meta.mtime_nsec());
    let tree = place().join(fixture);
    fs::create_dir_all(place()).unwrap();
    let lock = fs::File::create(tree.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let done = tree.with_extension("stamp");
    if fs::read_to_string(&done).is_ok_and(|old| old == stamp) {
        return tree;
    }
    let _ = fs::remove_file(&done);
    remove(&tree);
    fs::create_dir(&tree).unwrap();
    let bare = tree.with_extension("ext4");
    copy_root(&image, &bare);
    let output = Command::new("debugfs")
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-R", &format!("rdump / {}", tree.display())])
        .arg(&bare)
        .output()
        .unwrap();
    assert!(output.status.success() && tree.join("usr/lib/systemd/systemd").is_file());
    fs::remove_file(&bare).unwrap();
    fs::write(&done, stamp).unwrap();
    tree
}

/// Copies the partition that holds systemd, holes as holes.
fn copy_root(image: &Path, to: &Path) {
    let disk = disk::open(image).unwrap();
    let table = partitions::read(&disk).unwrap();
    let root = table
        .partitions
        .iter()
        .find(|partition| {
            filesystem::open(&disk, partition)
                .is_ok_and(|fs| fs.metadata("/usr/lib/systemd/systemd").is_ok())
        })
        .unwrap();
    let mut out = fs::File::create(to).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < root.len {
        let step = buffer.len().min((root.len - at) as usize);
        disk.read_exact_at(root.start + at, &mut buffer[..step])
            .unwrap();
        if buffer[..step].iter().any(|byte| *byte != 0) {
            out.seek(SeekFrom::Start(at)).unwrap();
            out.write_all(&buffer[..step]).unwrap();
        }
        at += step as u64;
    }
    out.set_len(root.len).unwrap();
}

fn remove(path: &Path) {
    if path.is_symlink() || path.is_file() {
        fs::remove_file(path).unwrap();
    } else if path.exists() {
        fs::remove_dir_all(path).unwrap();
    }
}

/// A root file system that may be changed: its files are links to those of another one, until they are replaced.
pub struct Tree {
    /// Its top directory.
    pub path: PathBuf,
}

impl Tree {
    /// A copy without what systemd never reads.
    pub fn copy(of: &Path, name: &str) -> Tree {
        let path = place().join(name);
        remove(&path);
        fs::create_dir_all(&path).unwrap();
        copy_links(of, &path, "");
        Tree { path }
    }
    fn host(&self, path: &str) -> PathBuf {
        // By hand through the links of a merged /usr, which are the only ones on the way.
        let path = match path.strip_prefix("/lib/") {
            Some(rest) if self.path.join("lib").is_symlink() => format!("/usr/lib/{rest}"),
            _ => path.to_owned(),
        };
        let host = self.path.join(path.trim_start_matches('/'));
        fs::create_dir_all(host.parent().unwrap()).unwrap();
        remove(&host);
        host
    }
    /// Puts a file there.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        fs::write(self.host(path), content).unwrap();
    }
    /// Puts a link there.
    pub fn link(&self, path: &str, target: &str) {
        symlink(target, self.host(path)).unwrap();
    }
    /// Puts the files there that a text lists: `== name [< directory of links …]` before a file's lines, `== name -> target` for a
    /// link. Names without a slash at the start are those of the vendor's unit directory, `etc:` those of the administrator's.
    pub fn files(&self, list: &str) {
        for part in list
            .split("\n== ")
            .flat_map(|p| p.strip_prefix("== ").or(Some(p)))
        {
            let (head, content) = part.split_once('\n').unwrap_or((part, ""));
            let (head, link) = match head.split_once(" -> ") {
                Some((head, target)) => (head, Some(place_of(target, ""))),
                None => (head, None),
            };
            let (name, wanted_by) = head.split_once(" < ").unwrap_or((head, ""));
            let path = place_of(name, UNITS);
            match link {
                Some(target) => self.link(&path, &target),
                None if content.is_empty() => self.file(&path, ""),
                None => self.file(&path, format!("{}\n", content.trim_end_matches('\n'))),
            }
            for directory in wanted_by.split_whitespace() {
                self.link(&format!("{ADMIN}{directory}/{name}"), &path);
            }
        }
    }
}

fn place_of(name: &str, default: &str) -> String {
    if let Some(rest) = name.strip_prefix("etc:") {
        format!("{ADMIN}{rest}")
    } else if let Some(rest) = name.strip_prefix("usr:") {
        format!("{UNITS}{rest}")
    } else if name.starts_with('/') {
        name.to_owned()
    } else {
        format!("{default}{name}")
    }
}

/// Directories that no unit, generator or program of systemd needs here.
const LEFT_OUT: &[&str] = &[
    "usr/share",
    "usr/lib/modules",
    "lib/modules",
    "usr/lib/firmware",
    "var",
    "boot",
    "dev",
    "proc",
    "sys",
    "run",
    "usr/lib/python3",
    "lost+found",
    "usr/include",
    "usr/lib/gcc",
    "root",
    "home",
    "tmp",
];

fn copy_links(from: &Path, to: &Path, below: &str) {
    for entry in fs::read_dir(from.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let inner = Path::new(below).join(&name);
        let inner = String::from_utf8_lossy(inner.as_os_str().as_bytes()).into_owned();
        let target = to.join(&inner);
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            fs::create_dir(&target).unwrap();
            if !LEFT_OUT.contains(&inner.as_str()) {
                copy_links(from, to, &inner);
            }
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
        } else if kind.is_file() {
            fs::hard_link(entry.path(), &target).unwrap();
        }
    }
}
