//! One module: where it is, what loads it, what forbids it.

use super::modprobe_d::{Config, Line};
use super::object;
use super::probe::Probe;
use super::tree::Tree;
use super::{ModuleLine, ModuleState, load_d};
use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::error::{Error, Fact};
use crate::inspect::filesystem::FileSystem;
use crate::inspect::fnmatch;
use crate::inspect::initrd::InitrdFacts;
use crate::inspect::source::Location;

/// What all modules are judged against.
pub struct Reader<'a> {
    fs: &'a dyn FileSystem,
    tree: Option<&'a Tree>,
    release: Option<&'a str>,
    initrd: Option<&'a InitrdFacts>,
    cmdline: Option<&'a CmdlineFacts>,
    config: Config,
    initrd_config: Config,
    loads: Vec<ModuleLine>,
}

impl<'a> Reader<'a> {
    /// Reads the configuration once for all modules.
    pub fn new(
        fs: &'a dyn FileSystem,
        tree: Option<&'a Tree>,
        release: Option<&'a str>,
        initrd: Option<&'a InitrdFacts>,
        cmdline: Option<&'a CmdlineFacts>,
    ) -> Reader<'a> {
        let directory = tree.map_or("", |t| t.path.as_str());
        let dirs = ["etc/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"];
        let files = initrd.map_or_else(Vec::new, |initrd| {
            let texts = dirs.iter().flat_map(|dir| initrd.contents.texts_in(dir));
            texts.collect()
        });
        Reader {
            config: Config::read(fs, directory, cmdline),
            initrd_config: Config::of_files(&files),
            loads: load_d::read(fs, cmdline),
            fs,
            tree,
            release,
            initrd,
            cmdline,
        }
    }

    /// Everything about one module.
    pub fn state(&self, name: &str, modalias: Option<&str>) -> ModuleState {
        let path = self.tree.and_then(|t| t.path_of(name));
        let file = match (path, self.tree) {
            (Some(path), Some(tree)) => {
                let path = format!("{}/{path}", tree.path);
                Fact::Known(Location::file(self.fs.partition(), path))
            }
            _ => Fact::Absent,
        };
        let object = match &file {
            Fact::Known(place) => {
                let path = place.path.as_deref().unwrap_or_default();
                Fact::from_result(object::read(self.fs, path))
            }
            _ => Fact::Absent,
        };
        let known = object.known();
        let damage = known.and_then(|o| o.damage.clone());
        let in_dep = self.tree.is_some_and(|t| t.indexed_path(name).is_some());
        let dependencies = self.tree.map_or_else(Vec::new, |t| t.dependencies_of(name));
        let missing = dependencies
            .iter()
            .filter(|path| self.tree.is_some_and(|t| !t.has_file(path)));
        let in_alias = match modalias {
            Some(modalias) => self.aliases_to(name, modalias),
            None => in_dep,
        };
        let cmdline_blacklist = self.cmdline_blacklist(name);
        let in_initrd = self.initrd.is_some_and(|i| i.modules.contains(name)) && self.fits_initrd();
        let mut state = ModuleState {
            name: name.to_owned(),
            builtin: self.builtin(name),
            vermagic: match &object {
                Fact::Known(o) => o.vermagic.clone().map_or(Fact::Absent, Fact::Known),
                Fact::Absent => Fact::Absent,
                Fact::Unreadable(error) => Fact::Unreadable(error.clone()),
            },
            signed: known.filter(|o| o.damage.is_none()).map(|o| o.signed),
            damage: file
                .known()
                .zip(damage)
                .map(|(place, message)| Error::corrupt(place.clone(), message)),
            file,
            in_dep,
            in_alias,
            missing_dependencies: missing.map(|p| (*p).to_owned()).collect(),
            dependencies: dependencies.into_iter().map(str::to_owned).collect(),
            in_initrd,
            loaded_in_initrd: false,
            blacklisted: told(self.config.blacklists.iter().filter(|l| l.name == name)),
            cmdline_blacklist,
            install: told(first(&self.config.installs, name)),
            loads: self.loads_of(name),
        };
        // Words of the command line are told in a field of their own.
        state.blacklisted.retain(|line| line.origin.is_some());
        state.loaded_in_initrd = in_initrd && self.loaded_in_initrd(&state, modalias);
        state
    }

    /// In the list of the root file system, or in the copy that initramfs-tools puts into the initrd.
    fn builtin(&self, name: &str) -> bool {
        if let Some(tree) = self.tree {
            return tree.builtin.contains(name);
        }
        let (Some(initrd), Some(release)) = (self.initrd, self.release) else {
            return false;
        };
        let lists = ["usr/lib", "lib"]
            .iter()
            .filter_map(|dir| {
                let path = format!("{dir}/modules/{release}/modules.builtin");
                initrd.contents.text(&path)
            })
            .next();
        lists.is_some_and(|list| {
            let mut lines = list.text.lines();
            lines.any(|line| super::name_of_path(line.trim()).as_deref() == Some(name))
        })
    }

    /// The initrd's modules are for the kernel that boots.
    fn fits_initrd(&self) -> bool {
        let releases = self.initrd.map(|i| &i.module_releases);
        match (releases, self.release) {
            (Some(releases), Some(release)) => releases.contains(release),
            _ => true,
        }
    }

    fn aliases_to(&self, name: &str, modalias: &str) -> bool {
        self.tree.is_some_and(|tree| {
            let found = Probe::new(tree, &self.config).lookup(modalias);
            found.iter().any(|(module, _)| module == name)
        })
    }

    /// Words that forbid a module. The kernel and kmod compare names byte by byte, so dashes do not match.
    fn cmdline_blacklist(&self, name: &str) -> Vec<String> {
        let Some(cmdline) = self.cmdline else {
            return Vec::new();
        };
        let names = |value: &str| value.split(',').any(|n| n == name);
        let kernel = cmdline.word("module_blacklist").into_iter();
        let words = kernel.chain(cmdline.words_named("modprobe.blacklist"));
        words
            .filter_map(|word| Some((word, word.value.as_deref()?)))
            .filter(|(_, value)| names(value))
            .map(|(word, value)| format!("{}={value}", word.key))
            .collect()
    }

    fn loads_of(&self, name: &str) -> Vec<ModuleLine> {
        let named = self.loads.iter().filter(|line| line.module == name);
        let mut found: Vec<ModuleLine> = named.cloned().collect();
        if let Some(cmdline) = self.cmdline {
            let early = load_d::from_cmdline(cmdline, "rd.modules_load");
            found.extend(early.into_iter().filter(|line| line.module == name));
        }
        found
    }

    /// Whether the initrd also loads a module that it holds: by the alias of its device, or by name.
    fn loaded_in_initrd(&self, state: &ModuleState, modalias: Option<&str>) -> bool {
        let Some(initrd) = self.initrd else {
            return false;
        };
        let name = state.name.as_str();
        let config = &self.initrd_config;
        let blacklisted = config.blacklists.iter().any(|line| line.name == name);
        let replaced = first(&config.installs, name).next().is_some();
        if replaced || !state.cmdline_blacklist.is_empty() {
            return false;
        }
        // initramfs-tools calls modprobe with the name, which passes over `blacklist`; systemd does not.
        let by_name = initrd.loads.contains(name) && !(blacklisted && initrd.systemd);
        let by_word = initrd.systemd
            && !blacklisted
            && state.loads.iter().any(|l| l.argument.contains("load="));
        let by_alias = initrd.udev
            && !blacklisted
            && modalias.is_some_and(|modalias| self.initrd_alias(state, modalias));
        by_name || by_word || by_alias
    }

    /// The initrd's own index has the aliases of the modules in it, so the root file system's answer holds there too,
    /// unless its configuration sends the alias elsewhere.
    fn initrd_alias(&self, state: &ModuleState, modalias: &str) -> bool {
        let mut aliases = self.initrd_config.aliases.iter();
        let redirected = aliases.find(|line| fnmatch::matches(&line.name, modalias));
        match (redirected, self.tree) {
            (Some(line), _) => line.rest == state.name,
            (None, Some(tree)) => tree.by_alias(modalias).contains(&state.name),
            (None, None) => false,
        }
    }
}

/// The first command whose pattern fits, which is the one that counts.
fn first<'l>(lines: &'l [Line], name: &str) -> impl Iterator<Item = &'l Line> {
    let mut fitting = lines
        .iter()
        .filter(move |l| fnmatch::matches(&l.name, name));
    fitting.next().into_iter()
}

fn told<'l>(lines: impl Iterator<Item = &'l Line>) -> Vec<ModuleLine> {
    lines
        .map(|line| ModuleLine {
            module: line.name.clone(),
            argument: line.rest.clone(),
            origin: line.origin.clone(),
        })
        .collect()
}
