//! What `modprobe` would do for a name: aliases, dependencies, soft dependencies, install commands, in its order
//! (libkmod-module.c, `kmod_module_probe_insert_module`).

use super::modprobe_d::{Config, Line, underscores};
use super::name_of_path;
use super::tree::Tree;
use crate::inspect::fnmatch;
use std::collections::HashMap;

/// More steps than this for one module are a crafted configuration.
const MAX_STEPS: usize = 4096;
/// Soft dependencies of soft dependencies.
const MAX_DEPTH: usize = 64;

/// One step of `modprobe --show-depends`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A module file is loaded.
    Insert {
        /// Module.
        module: String,
        /// File, relative to the release's directory.
        path: String,
        /// Options from `modprobe.d`.
        options: String,
    },
    /// An `install` command runs in place of loading.
    Install {
        /// Module.
        module: String,
        /// Command.
        command: String,
    },
    /// Nothing to do.
    Builtin {
        /// Module.
        module: String,
    },
}

/// Resolves names against one kernel's modules and one configuration.
pub struct Probe<'a> {
    tree: &'a Tree,
    config: &'a Config,
}

/// A module as kmod pools it: the same module under two aliases is visited twice.
#[derive(Default)]
struct Pool {
    numbers: HashMap<(String, Option<String>), usize>,
    modules: Vec<Pooled>,
    steps: Vec<usize>,
}

struct Pooled {
    name: String,
    alias: Option<String>,
    visited: bool,
    ignore_command: bool,
}

impl Pool {
    fn number(&mut self, name: String, alias: Option<String>) -> usize {
        let next = self.modules.len();
        let number = *self
            .numbers
            .entry((name.clone(), alias.clone()))
            .or_insert(next);
        if number == next {
            self.modules.push(Pooled {
                name,
                alias,
                visited: false,
                ignore_command: false,
            });
        }
        number
    }
}

impl<'a> Probe<'a> {
    /// Looks names up in `tree` under `config`.
    pub fn new(tree: &'a Tree, config: &'a Config) -> Probe<'a> {
        Probe { tree, config }
    }

    /// The modules that a name or modalias stands for, in kmod's order of look-ups; with the alias they came by.
    pub fn lookup(&self, given: &str) -> Vec<(String, Option<String>)> {
        let Some(name) = normalize(given) else {
            return Vec::new();
        };
        let aliased = |line: &&Line| fnmatch::matches(&line.name, &name);
        let found: Vec<_> = self
            .config
            .aliases
            .iter()
            .filter(aliased)
            .map(|line| (line.rest.clone(), Some(line.name.clone())))
            .collect();
        if !found.is_empty() {
            return found;
        }
        if !name.contains(':') && self.tree.dependencies.contains_key(&name) {
            return vec![(name, None)];
        }
        if self.config.installs.iter().any(|line| line.name == name) {
            return vec![(name, None)];
        }
        let by_alias = |modules: Vec<String>| {
            let with = |module| (module, Some(name.clone()));
            modules.into_iter().map(with).collect::<Vec<_>>()
        };
        let found = by_alias(self.tree.by_alias(&name));
        if !found.is_empty() {
            return found;
        }
        if self.tree.builtin.contains(&name) {
            return vec![(name, None)];
        }
        by_alias(self.tree.by_builtin_alias(&name))
    }

    /// What `modprobe --show-depends NAME` prints; none when the name is not found.
    pub fn show_depends(&self, name: &str) -> Option<Vec<Step>> {
        let found = self.lookup(name);
        if found.is_empty() {
            return None;
        }
        let mut steps = Vec::new();
        let mut pool = Pool::default();
        for (module, alias) in found {
            for pooled in &mut pool.modules {
                pooled.visited = false;
            }
            pool.steps.clear();
            let number = pool.number(module, alias);
            self.probe_list(&mut pool, number, 0);
            steps.extend(pool.steps.iter().filter_map(|n| {
                let pooled = pool.modules.get(*n)?;
                self.step(pooled)
            }));
        }
        Some(steps)
    }

    fn probe_list(&self, pool: &mut Pool, number: usize, depth: usize) {
        let Some(module) = pool.modules.get_mut(number) else {
            return;
        };
        if module.visited || depth > MAX_DEPTH {
            return;
        }
        module.visited = true;
        let name = module.name.clone();
        let paths = self.tree.dependencies_of(&name);
        // One file that is not there makes kmod forget the whole line.
        if paths.iter().all(|path| self.tree.has_file(path)) {
            for path in paths {
                if let Some(dependency) = name_of_path(path) {
                    let number = pool.number(dependency, None);
                    self.with_soft_dependencies(pool, number, depth);
                }
            }
        }
        self.with_soft_dependencies(pool, number, depth);
    }

    fn with_soft_dependencies(&self, pool: &mut Pool, number: usize, depth: usize) {
        let Some(name) = pool.modules.get(number).map(|m| m.name.clone()) else {
            return;
        };
        if pool.steps.len() > MAX_STEPS {
            return;
        }
        let mut softdeps = self.config.softdeps.iter();
        let softdep = softdeps.find(|s| fnmatch::matches(&s.name, &name));
        let resolve = |names: &[String]| -> Vec<_> {
            names.iter().flat_map(|name| self.lookup(name)).collect()
        };
        let pre = softdep.map(|s| resolve(&s.pre)).unwrap_or_default();
        let post = softdep.map(|s| resolve(&s.post)).unwrap_or_default();
        let ignore_command = !pre.is_empty() || !post.is_empty();
        for (name, alias) in pre {
            let number = pool.number(name, alias);
            self.probe_list(pool, number, depth + 1);
        }
        pool.steps.push(number);
        if let Some(module) = pool.modules.get_mut(number) {
            module.ignore_command = ignore_command;
        }
        for (name, alias) in post {
            let number = pool.number(name, alias);
            self.probe_list(pool, number, depth + 1);
        }
    }

    fn step(&self, pooled: &Pooled) -> Option<Step> {
        let module = pooled.name.clone();
        let mut installs = self.config.installs.iter();
        let install = installs.find(|line| fnmatch::matches(&line.name, &module));
        if let Some(line) = install
            && !pooled.ignore_command
        {
            let command = line.rest.clone();
            return Some(Step::Install { module, command });
        }
        match self.tree.indexed_path(&module) {
            Some(path) => Some(Step::Insert {
                path: path.to_owned(),
                options: self.options(&module, pooled.alias.as_deref()),
                module,
            }),
            None if self.tree.builtin.contains(&module) => Some(Step::Builtin { module }),
            None => None,
        }
    }

    fn options(&self, module: &str, alias: Option<&str>) -> String {
        let named = |line: &&Line| line.name == module || alias == Some(line.name.as_str());
        let lines = self.config.options.iter().filter(named);
        let texts: Vec<&str> = lines.map(|line| line.rest.as_str()).collect();
        texts.join(" ")
    }
}

/// Dashes to underscores outside brackets; a bracket that is not closed makes the name invalid (`alias_normalize`).
fn normalize(name: &str) -> Option<String> {
    let mut open = false;
    for c in name.chars() {
        match c {
            '[' => open = true,
            ']' if !open => return None,
            ']' => open = false,
            _ => {}
        }
    }
    (!open).then(|| underscores(name))
}
