//! What the generators of the image would write at boot (systemd.generator(7)). They are not run: their rules are known here, and
//! the files that they would write lie in an overlay above the image.

mod debug;
mod fstab;
mod small;
mod ssh;
mod sysv;

use super::getty;
use super::load_path::SEARCH_PATH;
use super::model::GeneratorFact;
use super::tree::{Found, Maker, Overlay, Tree};
use super::{Inputs, tree};
use crate::inspect::cmdline::Word;
use crate::inspect::source::{Location, Origin};
use std::collections::BTreeMap;

/// Directories of generators, best first.
const DIRECTORIES: &[&str] = &[
    "/run/systemd/system-generators",
    "/etc/systemd/system-generators",
    "/usr/local/lib/systemd/system-generators",
    "/usr/lib/systemd/system-generators",
    "/lib/systemd/system-generators",
];

/// Where most generators write.
pub(super) const NORMAL: &str = "/run/systemd/generator";
/// Where they write what must win over `/etc`.
pub(super) const EARLY: &str = "/run/systemd/generator.early";
/// Where they write what must lose to everything.
pub(super) const LATE: &str = "/run/systemd/generator.late";

/// A generator at work.
pub(super) struct Run<'a> {
    pub tree: &'a Tree<'a>,
    pub inputs: &'a Inputs<'a>,
    pub version: u32,
    pub overlay: Overlay,
}

impl Run<'_> {
    /// Words of the command line that systemd of the root file system obeys: also those after `--`, none that begin with `rd.`.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        words(self.inputs)
    }
    /// The last word of a switch as a boolean; a bare word is yes.
    pub fn switch(&self, keys: &[&str]) -> Option<bool> {
        let matching = self.words().filter(|w| {
            keys.iter()
                .any(|k| crate::inspect::cmdline::same_key(&w.key, k))
        });
        matching
            .filter_map(|w| match &w.value {
                None => Some(true),
                Some(value) => super::keys::parse_bool(value),
            })
            .last()
    }
    pub fn file(&mut self, path: &str, text: String, maker: &Maker) {
        self.overlay
            .file(self.tree.fs().partition(), path, text, maker.clone());
    }
    /// A link to a unit from another's `.wants` or `.requires` (`generator_add_symlink`).
    pub fn pull_in(&mut self, dir: &str, by: &str, kind: &str, unit: &str, maker: &Maker) {
        let (_, base) = tree::split(unit);
        let target = if unit.starts_with('/') {
            unit.to_owned()
        } else {
            format!("../{unit}")
        };
        self.overlay
            .link(&format!("{dir}/{by}.{kind}/{base}"), &target, maker.clone());
    }
    /// Path of a unit file, mask or alias that the image has for a name.
    pub fn native_unit(&self, unit: &str) -> Option<String> {
        let paths = SEARCH_PATH.iter().map(|dir| format!("{dir}/{unit}"));
        paths
            .into_iter()
            .find(|path| self.tree.entry(path).is_some())
    }
    /// Path of a unit file that comes with systemd.
    pub fn shipped(&self, unit: &str) -> String {
        let dir = if self.version < 254 {
            "/lib"
        } else {
            "/usr/lib"
        };
        format!("{dir}/systemd/system/{unit}")
    }
}

/// See [`Run::words`].
pub(super) fn words<'a>(inputs: &'a Inputs<'a>) -> impl Iterator<Item = &'a Word> {
    inputs
        .cmdline
        .into_iter()
        .flat_map(|c| c.words.iter().chain(&c.init_words))
        .filter(|w| !w.key.starts_with("rd."))
}

/// A word's line.
pub(super) fn word_origin(word: &Word) -> Option<Origin> {
    word.place.as_ref().map(|(origin, _)| origin.clone())
}

/// A word as written, quotes aside.
pub(super) fn word_text(word: &Word) -> String {
    match &word.value {
        Some(value) => format!("{}={value}", word.key),
        None => word.key.clone(),
    }
}

/// Finds the generators and "runs" those that are known.
pub(super) fn run(tree: &Tree, inputs: &Inputs, version: u32) -> (Overlay, Vec<GeneratorFact>) {
    let mut run = Run {
        tree,
        inputs,
        version,
        overlay: Overlay::default(),
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for dir in DIRECTORIES {
        let Some(dir) = tree.canonical_dir(dir) else {
            continue;
        };
        for entry in tree.list(&dir).iter().flat_map(|list| list.iter()) {
            if !super::load_path::is_backup(&entry.name) {
                found
                    .entry(entry.name.clone())
                    .or_insert_with(|| tree::join(&dir, &entry.name));
            }
        }
    }
    let mut facts = Vec::new();
    for (name, path) in found {
        let (real, what) = tree.resolve(&path);
        let executable = || tree.fs().metadata(&real).is_ok_and(|m| m.mode & 0o111 != 0);
        let masked = what != Found::File || !executable();
        let modelled = masked || run_one(&mut run, &name);
        facts.push(GeneratorFact {
            location: Location::file(tree.fs().partition(), path),
            name,
            masked,
            modelled,
        });
    }
    (run.overlay, facts)
}

/// Does what one generator would; false when it is not known, or when it would do something that is not.
fn run_one(run: &mut Run, name: &str) -> bool {
    let absent = |run: &Run, path: &str| !run.tree.fs().exists(path);
    let silent = |run: &Run, prefixes: &[&str]| {
        !run.words()
            .any(|w| prefixes.iter().any(|p| w.key.starts_with(p)))
    };
    match name {
        "systemd-getty-generator" => getty::generate(run),
        "systemd-fstab-generator" => fstab::generate(run),
        "systemd-debug-generator" => debug::generate(run),
        "systemd-system-update-generator" => small::system_update(run),
        "systemd-rc-local-generator" => small::rc_local(run),
        "systemd-run-generator" => small::run_command(run),
        "systemd-sysv-generator" => sysv::generate(run),
        "systemd-ssh-generator" => ssh::generate(run),
        // The rest does nothing unless it is configured or the hardware asks for it.
        "systemd-cryptsetup-generator" => {
            return absent(run, "/etc/crypttab") && silent(run, &["luks", "rd.luks"]);
        }
        "systemd-integritysetup-generator" => return absent(run, "/etc/integritytab"),
        "systemd-veritysetup-generator" => {
            return absent(run, "/etc/veritytab")
                && silent(run, &["roothash", "usrhash", "systemd.verity"]);
        }
        "systemd-hibernate-resume-generator" => return silent(run, &["resume", "hibernate"]),
        "systemd-bless-boot-generator" | "systemd-tpm2-generator" | "systemd-import-generator" => {}
        // Mounts partitions by their type: an automount at most, unless the command line asks for more.
        "systemd-gpt-auto-generator" => {
            return silent(run, &["systemd.gpt_auto", "systemd.image_policy"])
                && !root_is_auto(run);
        }
        _ => return false,
    }
    true
}

fn root_is_auto(run: &Run) -> bool {
    let root = run
        .words()
        .filter(|w| w.key == "root")
        .last()
        .and_then(|w| w.value.as_deref());
    matches!(root, None | Some("gpt-auto" | "gpt-auto-force"))
}
