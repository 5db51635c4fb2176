//! Where the dynamic loader looks for libraries (ld.so(8)), and which it would not find.

use super::elf::{self, Program};
use crate::inspect::filesystem::{CONFIG_CAP, FileKind, FileSystem};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Directories of ld.so.conf and the built-in ones. The loader itself reads ld.so.cache, which ldconfig makes from the
/// same list.
#[derive(Debug, Clone, Default)]
pub struct SearchPath {
    directories: Vec<String>,
    /// Libraries looked at, by path.
    known: RefCell<BTreeMap<String, Option<Arc<Program>>>>,
}

/// Debian's multiarch directories and the traditional ones.
const BUILT_IN: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/arm-linux-gnueabihf",
    "/usr/lib/arm-linux-gnueabihf",
    "/lib/riscv64-linux-gnu",
    "/usr/lib/riscv64-linux-gnu",
    "/lib/i386-linux-gnu",
    "/usr/lib/i386-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// Libraries of libraries without end are damage.
const MAX_LIBRARIES: usize = 1024;
/// `include` lines of ld.so.conf that include each other.
const MAX_INCLUDES: usize = 8;

impl SearchPath {
    /// Reads ld.so.conf and the files it includes.
    pub fn read(fs: &dyn FileSystem) -> SearchPath {
        let mut directories = Vec::new();
        add_conf(fs, "/etc/ld.so.conf", &mut directories, 0);
        directories.extend(BUILT_IN.iter().map(|d| (*d).to_owned()));
        // On merged /usr half of the names are the same directory.
        let mut seen = BTreeSet::new();
        directories.retain(|dir| fs.canonicalize(dir).is_ok_and(|real| seen.insert(real)));
        SearchPath {
            directories,
            known: RefCell::default(),
        }
    }

    /// The libraries that a program, or a library of it, needs and that are not there.
    pub fn missing(&self, fs: &dyn FileSystem, path: &str, program: &Program) -> Vec<String> {
        let mut missing = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut pending = vec![(path.to_owned(), Arc::new(program.clone()))];
        while let Some((path, object)) = pending.pop() {
            let dirs = run_directories(&path, &object);
            for name in &object.needed {
                if seen.len() >= MAX_LIBRARIES || !seen.insert(name.clone()) {
                    continue;
                }
                match self.find(fs, &dirs, name) {
                    Some(found) => pending.push(found),
                    None => {
                        missing.insert(name.clone());
                    }
                }
            }
        }
        missing.into_iter().collect()
    }

    /// A library by name, where the one that needs it says or in the usual directories.
    fn find(
        &self,
        fs: &dyn FileSystem,
        run_directories: &[String],
        name: &str,
    ) -> Option<(String, Arc<Program>)> {
        if name.contains('/') {
            return Some((name.to_owned(), self.library(fs, name)?));
        }
        run_directories
            .iter()
            .chain(&self.directories)
            .map(|dir| format!("{dir}/{name}"))
            .find_map(|path| {
                let found = self.library(fs, &path)?;
                Some((path, found))
            })
    }

    /// The library at a path; none when it is not there or no ELF.
    fn library(&self, fs: &dyn FileSystem, path: &str) -> Option<Arc<Program>> {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let found = fs
            .metadata(path)
            .ok()
            .filter(|m| m.kind == FileKind::Regular)
            .and_then(|_| elf::read(fs, path).ok().flatten())
            .map(Arc::new);
        self.known
            .borrow_mut()
            .insert(path.to_owned(), found.clone());
        found
    }
}

/// `DT_RUNPATH` with `$ORIGIN` filled in.
fn run_directories(path: &str, object: &Program) -> Vec<String> {
    let origin = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
    object
        .runpaths
        .iter()
        .flat_map(|list| list.split(':'))
        .filter(|dir| !dir.is_empty())
        .map(|dir| dir.replace("${ORIGIN}", origin).replace("$ORIGIN", origin))
        .collect()
}

fn add_conf(fs: &dyn FileSystem, path: &str, directories: &mut Vec<String>, depth: usize) {
    let Ok(source) = fs.read_source(path, CONFIG_CAP) else {
        return;
    };
    for line in source.text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include") {
            Some(pattern) if pattern.starts_with(char::is_whitespace) => {
                for pattern in pattern.split_whitespace().filter(|_| depth < MAX_INCLUDES) {
                    include(fs, path, pattern, directories, depth);
                }
            }
            _ if line.starts_with('/') => directories.push(line.to_owned()),
            _ => {}
        }
    }
}

/// `include` takes a glob; relative ones are relative to the including file.
fn include(fs: &dyn FileSystem, from: &str, pattern: &str, to: &mut Vec<String>, depth: usize) {
    let base = from.rsplit_once('/').map_or("", |(dir, _)| dir);
    let absolute = if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("{base}/{pattern}")
    };
    let Some((dir, name)) = absolute.rsplit_once('/') else {
        return;
    };
    for entry in fs.read_dir(dir).unwrap_or_default() {
        if crate::inspect::fnmatch::matches(name, &entry.name) {
            add_conf(fs, &format!("{dir}/{}", entry.name), to, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;
    use std::fs;

    #[test]
    fn directories_come_from_the_included_files() {
        let dir = tempfile::tempdir().unwrap();
        for d in ["etc/ld.so.conf.d", "opt/lib", "usr/lib"] {
            fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        fs::write(
            dir.path().join("etc/ld.so.conf"),
            "include /etc/ld.so.conf.d/*.conf\n/gone # not there\n",
        )
        .unwrap();
        fs::write(
            dir.path().join("etc/ld.so.conf.d/a.conf"),
            "# x\n/opt/lib\n",
        )
        .unwrap();
        fs::write(dir.path().join("etc/ld.so.conf.d/b.txt"), "/usr\n").unwrap();
        let search = SearchPath::read(&DirectoryFs::new(dir.path(), "root"));
        assert_eq!(search.directories, ["/opt/lib", "/usr/lib"]);
    }

    #[test]
    fn libraries_of_libraries_are_missed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("opt")).unwrap();
        fs::write(dir.path().join("opt/libx.so"), super::elf::tests::program()).unwrap();
        let root = DirectoryFs::new(dir.path(), "root");
        let program = Program {
            machine: "x86_64".into(),
            interpreter: None,
            needed: vec!["libx.so".into(), "libgone.so".into()],
            runpaths: vec!["$ORIGIN/../opt".into()],
        };
        fs::create_dir_all(dir.path().join("bin")).unwrap();
        let search = SearchPath::default();
        assert_eq!(search.missing(&root, "/bin/a", &program), ["libgone.so"]);
        fs::write(dir.path().join("opt/libx.so"), "").unwrap();
        assert_eq!(
            search.clone().missing(&root, "/bin/a", &program),
            ["libgone.so"],
            "what was looked at stays known"
        );
        assert_eq!(
            SearchPath::default().missing(&root, "/bin/a", &program),
            ["libgone.so", "libx.so"]
        );
    }
}
