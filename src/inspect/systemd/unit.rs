//! One unit: its fragment and drop-ins read, assignments added up, conditions of refusal checked (systemd's
//! `src/core/load-fragment.c`, `load-dropin.c`, and the `*_verify` functions of the unit types).

mod command;
mod settings;
pub(super) mod verify;

use super::install::Install;
use super::load_path::{LoadPath, Lookup};
use super::model::{LoadState, Setting, UnitProblem};
use super::name::{self, UnitType};
use super::specifier::{self, Context, Host, Table};
use super::syntax::{self, Parsed};
use super::tree::{Found, Tree};
use crate::inspect::error::ErrorKind;
use crate::inspect::source::{Location, Origin, SourceFile};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

pub use command::Command;

/// Settings of all units together; a bound against templates that multiply a huge file.
const SETTINGS_MAX: usize = 2_000_000;

/// A dependency as written: key, unit or path, line.
#[derive(Debug, Clone)]
pub struct Declared {
    /// `After`, `Wants`, `RequiresMountsFor`, `Sockets`, …
    pub key: String,
    /// Unit name; a path for `…MountsFor`.
    pub target: String,
    /// The line.
    pub origin: Origin,
}

/// A unit as its files make it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Load state.
    pub load: LoadState,
    /// Refused although all files could be read: what follows from its settings has been worked out before.
    pub refused_late: bool,
    /// Where the fragment lies.
    pub fragment: Option<Location>,
    /// Its text.
    pub source: Option<Arc<SourceFile>>,
    /// Drop-ins in order.
    pub drop_ins: Vec<Location>,
    /// What masks it.
    pub masked_by: Option<String>,
    /// Where the mask lies.
    pub mask_location: Option<Location>,
    /// Effective settings in order.
    pub settings: Vec<Setting>,
    /// Dependencies in order.
    pub declared: Vec<Declared>,
    /// Commands in order.
    pub commands: Vec<Command>,
    /// What systemd would complain about.
    pub problems: Vec<UnitProblem>,
}

impl Loaded {
    fn new(load: LoadState) -> Self {
        Loaded {
            load,
            refused_late: false,
            fragment: None,
            source: None,
            drop_ins: Vec::new(),
            masked_by: None,
            mask_location: None,
            settings: Vec::new(),
            declared: Vec::new(),
            commands: Vec::new(),
            problems: Vec::new(),
        }
    }
    /// A unit whose files have not been read yet.
    pub fn pending() -> Self {
        Loaded::new(LoadState::NotFound)
    }
    /// The value of a single-valued key.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        let matches = |s: &&Setting| s.section == section && s.key == key;
        self.settings
            .iter()
            .rev()
            .find(matches)
            .map(|s| s.value.as_str())
    }
    /// The values of a list.
    pub fn values<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a Setting> {
        self.settings
            .iter()
            .filter(move |s| s.section == section && s.key == key)
    }
    /// A boolean key with its default.
    pub fn flag(&self, section: &str, key: &str, default: bool) -> bool {
        self.value(section, key)
            .and_then(super::keys::parse_bool)
            .unwrap_or(default)
    }
    /// Whether there is a command of this directive.
    pub fn has_command(&self, directive: &str) -> bool {
        self.commands.iter().any(|c| c.directive == directive)
    }
}

type CachedFile = Rc<(Arc<SourceFile>, Parsed)>;

/// What loading needs.
pub struct Loader<'a> {
    /// Files.
    pub tree: &'a Tree<'a>,
    /// Directories and names.
    pub path: &'a LoadPath,
    /// For specifiers.
    pub host: &'a Host,
    /// Major version of systemd.
    pub version: u32,
    parsed: RefCell<HashMap<String, CachedFile>>,
    settings: Cell<usize>,
}

impl<'a> Loader<'a> {
    /// A loader with an empty cache.
    pub fn new(tree: &'a Tree<'a>, path: &'a LoadPath, host: &'a Host, version: u32) -> Self {
        Loader {
            tree,
            path,
            host,
            version,
            parsed: RefCell::default(),
            settings: Cell::new(0),
        }
    }

    fn location(&self, path: &str) -> Location {
        Location::file(self.tree.fs().partition(), path)
    }

    fn parse(&self, path: &str, unit_type: UnitType) -> crate::inspect::error::Result<CachedFile> {
        if let Some(known) = self.parsed.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let source = self.tree.read(path)?;
        let own = unit_type.section();
        let parsed = syntax::parse(&source, &|section| {
            (section == "Unit" || section == "Install" || Some(section) == own).then_some(true)
        });
        let file = Rc::new((source, parsed));
        self.parsed
            .borrow_mut()
            .insert(path.to_owned(), Rc::clone(&file));
        Ok(file)
    }

    /// The `[Install]` section of a unit file and of the drop-ins that count for it (those of the name and its template); `None` when a
    /// file cannot be parsed.
    pub fn install(&self, id: &str, path: &str) -> Option<Install> {
        let unit_type = name::unit_type(id)?;
        let mut files = vec![self.tree.resolve(path).0];
        let template = name::template(id).filter(|t| t != id);
        let names: Vec<&str> = std::iter::once(id).chain(template.as_deref()).collect();
        for drop_in in self.path.own_drop_ins(self.tree, &names) {
            match self.tree.resolve(&drop_in) {
                (real, Found::File) => files.push(real),
                _ => continue,
            }
        }
        let mut install = Install::default();
        for file in files {
            let file = self.parse(&file, unit_type).ok()?;
            if file.1.complaints.iter().any(|c| c.fatal) {
                return None;
            }
            for a in file.1.assignments.iter().filter(|a| a.section == "Install") {
                install.assign(&a.key, &a.value, &|text| {
                    let context = Context {
                        unit: id,
                        fragment: Some(path),
                        host: self.host,
                    };
                    specifier::expand(text, Table::Name, context).ok()
                });
            }
        }
        install.finish(id, self.version);
        Some(install)
    }

    /// Loads the unit whose own name is `id`; templates give a unit without an instance.
    pub fn load(&self, id: &str) -> Loaded {
        let Some(unit_type) = name::unit_type(id) else {
            return Loaded::new(LoadState::NotFound);
        };
        // A scope is made by a program for its processes, never from a file.
        if unit_type == UnitType::Scope && id != "init.scope" {
            return Loaded::new(LoadState::NotFound);
        }
        let mut unit = match self.path.lookup(id) {
            Lookup::Fragment { path, .. } => self.load_fragment(id, unit_type, &path),
            Lookup::NotFound | Lookup::Loop => Loaded::new(LoadState::NotFound),
        };
        if unit.load == LoadState::NotFound && without_fragment(id, unit_type) {
            unit.load = LoadState::Loaded;
        }
        if unit.load == LoadState::Masked && is_perpetual(id) {
            unit.load = LoadState::Loaded;
        }
        // Older versions read the drop-ins of masked units too.
        if unit.load == LoadState::Loaded || (unit.load == LoadState::Masked && self.version < 256)
        {
            self.load_drop_ins(id, unit_type, &mut unit);
        }
        if unit.load == LoadState::Loaded {
            verify::verify(id, unit_type, self.version, &mut unit);
        }
        let total = self.settings.get().saturating_add(unit.settings.len());
        self.settings.set(total);
        if total > SETTINGS_MAX {
            unit = Loaded::new(LoadState::Error);
            unit.problems.push(problem(
                "too many settings in all units, not read",
                None,
                true,
            ));
        }
        unit
    }

    fn load_fragment(&self, id: &str, unit_type: UnitType, path: &str) -> Loaded {
        let (real, found) = self.tree.resolve(path);
        let mut unit = Loaded::new(LoadState::Loaded);
        match found {
            Found::Null => {
                unit.load = LoadState::Masked;
                unit.fragment = Some(self.location(path));
                unit.mask_location = Some(self.location(path));
                unit.masked_by = Some(match self.tree.link(path) {
                    Some(target) => format!("{path} → {target}"),
                    None => format!("{path} (empty file)"),
                });
                if let Some(maker) = self.tree.maker(path) {
                    unit.masked_by = Some(maker.why.clone());
                    unit.mask_location = maker.origin.as_ref().map(Origin::location);
                }
                return unit;
            }
            Found::Missing | Found::Directory => {
                // A dangling link, or a directory in the place of a file: the file cannot be opened.
                unit.load = LoadState::NotFound;
                unit.problems
                    .push(problem(format!("cannot open {path}"), None, true));
                return unit;
            }
            Found::File => {}
        }
        unit.fragment = Some(self.location(path));
        match self.parse(&real, unit_type) {
            Ok(file) => {
                unit.source = Some(Arc::clone(&file.0));
                let fatal = self.apply(id, unit_type, &file, &mut unit);
                if let Some(state) = fatal {
                    unit.load = state;
                }
            }
            Err(error) => {
                unit.load = match error.kind {
                    ErrorKind::NotFound => LoadState::NotFound,
                    _ => LoadState::Error,
                };
                unit.problems.push(problem(error.message, None, true));
            }
        }
        unit
    }

    fn load_drop_ins(&self, id: &str, unit_type: UnitType, unit: &mut Loaded) {
        let aliases = self.path.aliases(id);
        let mut names = vec![id];
        names.extend(aliases.iter().map(String::as_str));
        for path in self.path.drop_ins(self.tree, &names, ".d", ".conf") {
            let (real, found) = self.tree.resolve(&path);
            match found {
                Found::File => {}
                // An empty drop-in hides others of its name and says nothing.
                Found::Null => {
                    unit.drop_ins.push(self.location(&path));
                    continue;
                }
                Found::Missing | Found::Directory => continue,
            }
            unit.drop_ins.push(self.location(&path));
            match self.parse(&real, unit_type) {
                // systemd ignores the result here: a fatal line only ends the reading of this one drop-in.
                Ok(file) => {
                    let before = unit.problems.len();
                    if self.apply(id, unit_type, &file, unit).is_some() {
                        for problem in &mut unit.problems[before..] {
                            problem.fatal = false;
                        }
                    }
                }
                Err(error) => unit.problems.push(problem(error.message, None, false)),
            }
        }
    }

    /// Applies the assignments of a file; the state that a fatal line leads to.
    fn apply(
        &self,
        id: &str,
        unit_type: UnitType,
        file: &CachedFile,
        unit: &mut Loaded,
    ) -> Option<LoadState> {
        let (source, parsed) = &**file;
        let mut builder = settings::Builder {
            loader: self,
            id,
            unit_type,
            source,
            unit,
        };
        for assignment in &parsed.assignments {
            if let Some(state) = builder.assign(assignment) {
                return Some(state);
            }
        }
        let mut fatal = None;
        for complaint in &parsed.complaints {
            let origin = Origin::line(source, complaint.line);
            unit.problems.push(problem(
                complaint.message.clone(),
                Some(origin),
                complaint.fatal,
            ));
            if complaint.fatal {
                fatal = Some(LoadState::Error);
            }
        }
        fatal
    }
}

/// A problem.
pub(super) fn problem(
    message: impl Into<String>,
    origin: Option<Origin>,
    fatal: bool,
) -> UnitProblem {
    UnitProblem {
        message: message.into(),
        origin,
        fatal,
    }
}

/// Units that are always active and that systemd makes itself.
pub fn is_perpetual(id: &str) -> bool {
    matches!(id, "-.slice" | "system.slice" | "init.scope" | "-.mount")
}

/// Units that need no file.
fn without_fragment(id: &str, unit_type: UnitType) -> bool {
    is_perpetual(id) || matches!(unit_type, UnitType::Device | UnitType::Slice)
}
