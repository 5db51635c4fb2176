//! Running a script: variables, expansion, control flow. Bounded, because a script can loop for ever.

use super::super::{EntryFile, LoaderProblem};
use super::device::Devices;
use super::lexer::Part;
use super::script::{Statement, Word};
use crate::inspect::source::{Location, Origin, SourceFile};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

/// Commands run for one image.
const MAX_STEPS: usize = 50_000;
/// Bytes of expanded text that count as one more of them.
const BYTES_A_STEP: usize = 256;
/// Characters in one word, and in all variables together.
const MAX_TEXT: usize = 256 << 10;
/// Fields that one command line expands to.
const MAX_FIELDS: usize = 4096;
/// Files sourced within one another, and functions.
const MAX_DEPTH: usize = 24;

/// Problems that are kept.
const MAX_PROBLEMS: usize = 64;

/// A menu entry that was declared.
#[derive(Debug, Clone)]
pub struct Item {
    /// Title.
    pub title: String,
    /// `--id`, else the title.
    pub id: String,
    /// The line that declares it.
    pub origin: Origin,
    /// What it does.
    pub body: Rc<Vec<Statement>>,
    /// Words behind the options, `$1`, `$2`, … in the body.
    pub arguments: Vec<String>,
    /// Is a submenu.
    pub submenu: bool,
}

/// What an entry has loaded so far.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Kernel, or the program that is chained.
    pub linux: Option<EntryFile>,
    /// Initrds.
    pub initrds: Vec<EntryFile>,
    /// Arguments of the kernel.
    pub options: String,
    /// The line of the `linux` command.
    pub origin: Option<Origin>,
}

/// Why a list of statements ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It ran to its end.
    Next,
    /// `break`, `continue`.
    Break,
    /// Go on with the next round.
    Continue,
    /// `return`.
    Return,
    /// `boot`, `exit`, or another configuration took over.
    Stop,
}

/// The state of GRUB while it runs a configuration.
pub struct Session<'a> {
    /// What it can read.
    pub devices: &'a Devices<'a>,
    /// Variables.
    pub variables: BTreeMap<String, String>,
    /// Where variables that came from an environment block stand.
    pub environment: BTreeMap<String, Origin>,
    /// The menu so far.
    pub menu: Vec<Item>,
    /// What was loaded outside of or inside an entry.
    pub loaded: Loaded,
    /// What it stumbles over.
    pub problems: Vec<LoaderProblem>,
    /// Failed look-ups, each to blame only when a file is missed after it: many configurations search on the off chance.
    pub lost: Vec<LoaderProblem>,
    /// Lines that set `default` and `timeout` last.
    pub set_at: BTreeMap<String, Origin>,
    /// The configuration file that made the menu.
    pub config: Option<Arc<SourceFile>>,
    pub(super) functions: BTreeMap<String, Rc<Vec<Statement>>>,
    pub(super) file: Arc<SourceFile>,
    arguments: Vec<String>,
    steps: usize,
    pub(super) depth: usize,
}

impl<'a> Session<'a> {
    /// A GRUB that was started from `root` and looks in `prefix`.
    pub fn new(
        devices: &'a Devices<'a>,
        root: &str,
        prefix: &str,
        cpu: &str,
        platform: &str,
    ) -> Session<'a> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: &str| variables.insert(name.to_owned(), value.to_owned());
        set("root", root);
        set("prefix", prefix);
        set("cmdpath", prefix);
        set("grub_cpu", cpu);
        set("grub_platform", platform);
        set("?", "0");
        for feature in [
            "feature_menuentry_id",
            "feature_menuentry_options",
            "feature_timeout_style",
            "feature_default_font_path",
            "feature_platform_search_hint",
            "feature_all_video_module",
            "feature_chainloader_bpb",
            "feature_ntldr",
            "feature_200_final",
            "feature_nativedisk_cmd",
        ] {
            set(feature, "y");
        }
        let file = Arc::new(SourceFile {
            partition: String::new(),
            path: String::new(),
            text: String::new(),
        });
        Session {
            devices,
            variables,
            environment: BTreeMap::new(),
            menu: Vec::new(),
            loaded: Loaded::default(),
            problems: Vec::new(),
            lost: Vec::new(),
            set_at: BTreeMap::new(),
            config: None,
            functions: BTreeMap::new(),
            file,
            arguments: Vec::new(),
            steps: 0,
            depth: 0,
        }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// Sets a variable; `line` is where.
    pub fn set(&mut self, name: &str, value: &str, line: u32) {
        let size: usize = self.variables.values().map(String::len).sum();
        if size + value.len() > MAX_TEXT {
            return;
        }
        self.variables.insert(name.to_owned(), value.to_owned());
        self.environment.remove(name);
        if matches!(name, "default" | "timeout") {
            self.set_at
                .insert(name.to_owned(), Origin::line(&self.file, line));
        }
    }

    /// Notes something that GRUB would complain about.
    pub fn problem(&mut self, kind: &str, message: String, line: u32, location: Location) {
        let problem = self.problem_at(kind, message, line, location);
        self.note(problem);
    }

    /// Notes a look-up that failed.
    pub fn lose(&mut self, kind: &str, message: String, line: u32, location: Location) {
        let problem = self.problem_at(kind, message, line, location);
        if !self.lost.contains(&problem) && self.lost.len() < MAX_PROBLEMS {
            self.lost.push(problem);
        }
    }

    /// A file is not there: the look-up that failed before is to blame, if there was one.
    pub fn missing(&mut self, kind: &str, message: String, line: u32, location: Location) {
        match self.lost.last().cloned() {
            Some(cause) => self.note(cause),
            None => self.problem(kind, message, line, location),
        }
    }

    fn problem_at(
        &self,
        kind: &str,
        message: String,
        line: u32,
        location: Location,
    ) -> LoaderProblem {
        LoaderProblem {
            kind: kind.into(),
            message,
            origin: Some(Origin::line(&self.file, line)),
            location,
        }
    }

    fn note(&mut self, problem: LoaderProblem) {
        if !self.problems.contains(&problem) && self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Runs the body of an entry with its arguments.
    pub fn run_entry(&mut self, item: &Item) -> Flow {
        self.file = Arc::clone(&item.origin.file);
        self.arguments.clone_from(&item.arguments);
        self.loaded = Loaded::default();
        let body = Rc::clone(&item.body);
        self.run(&body)
    }

    /// Runs statements one after the other.
    pub fn run(&mut self, statements: &[Statement]) -> Flow {
        if self.depth > MAX_DEPTH {
            return Flow::Stop;
        }
        self.depth += 1;
        let mut flow = Flow::Next;
        for statement in statements {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                flow = Flow::Stop;
            }
            if flow != Flow::Next {
                break;
            }
            flow = self.statement(statement);
        }
        self.depth -= 1;
        flow
    }

    /// Whether the last command succeeded.
    fn succeeded(&self) -> bool {
        self.get("?") == "0"
    }

    /// Sets `$?`.
    pub fn status(&mut self, success: bool) {
        let value = if success { "0" } else { "1" };
        self.variables.insert("?".into(), value.into());
    }

    fn statement(&mut self, statement: &Statement) -> Flow {
        match statement {
            Statement::Command { words, line } => self.command(words, *line),
            Statement::Entry {
                words,
                body,
                submenu,
                line,
            } => {
                let fields = self.expand(words);
                self.declare(&fields, body, *submenu, *line);
                Flow::Next
            }
            Statement::If(arms) => {
                for (test, branch) in arms {
                    let flow = self.run(test);
                    if flow != Flow::Next {
                        return flow;
                    }
                    // An empty condition is the `else` branch.
                    if test.is_empty() || self.succeeded() {
                        return self.run(branch);
                    }
                }
                self.status(true);
                Flow::Next
            }
            Statement::For { name, words, body } => {
                for value in self.expand(words) {
                    self.set(name, &value, 0);
                    match self.run(body) {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        flow => return flow,
                    }
                }
                Flow::Next
            }
            Statement::While {
                condition,
                body,
                until,
            } => loop {
                let flow = self.run(condition);
                if flow != Flow::Next {
                    return flow;
                }
                if self.succeeded() == *until {
                    return Flow::Next;
                }
                match self.run(body) {
                    Flow::Next | Flow::Continue => {}
                    Flow::Break => return Flow::Next,
                    flow => return flow,
                }
            },
            Statement::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::new(body.clone()));
                Flow::Next
            }
        }
    }

    fn declare(&mut self, fields: &[String], body: &[Statement], submenu: bool, line: u32) {
        let mut id = None;
        let mut plain = Vec::new();
        let mut fields = fields.iter();
        while let Some(field) = fields.next() {
            match field.split_once('=') {
                Some(("--id", value)) => id = Some(value.to_owned()),
                Some(("--class" | "--users" | "--hotkey" | "--source", _)) => {}
                _ => match field.as_str() {
                    "--id" => id = fields.next().cloned(),
                    "--class" | "--users" | "--hotkey" | "--source" => {
                        fields.next();
                    }
                    "--unrestricted" => {}
                    _ => plain.push(field.clone()),
                },
            }
        }
        let title = plain.first().cloned().unwrap_or_default();
        if self.menu.len() < 1024 {
            self.menu.push(Item {
                id: id.unwrap_or_else(|| title.clone()),
                title,
                origin: Origin::line(&self.file, line),
                body: Rc::new(body.to_vec()),
                arguments: plain,
                submenu,
            });
        }
    }

    /// Calls a function with its arguments.
    pub fn call(&mut self, body: &[Statement], arguments: Vec<String>) -> Flow {
        let outer = std::mem::replace(&mut self.arguments, arguments);
        let flow = self.run(body);
        self.arguments = outer;
        match flow {
            Flow::Stop => Flow::Stop,
            _ => Flow::Next,
        }
    }

    fn command(&mut self, words: &[Word], line: u32) -> Flow {
        // `name=value` needs no `set`.
        if let [word] = words
            && let Some(Part::Text(first, false)) = word.first()
            && let Some((name, rest)) = first.split_once('=')
            && !name.is_empty()
        {
            let mut value = vec![Part::Text(rest.to_owned(), true)];
            value.extend(word.iter().skip(1).cloned());
            let value: String = self.expand_whole(&value);
            self.charge(value.len());
            let name = name.to_owned();
            self.set(&name, &value, line);
            self.status(true);
            return Flow::Next;
        }
        let fields = self.expand(words);
        self.charge(fields.iter().map(String::len).sum());
        self.execute(&fields, line)
    }

    /// Long texts count as more than one step.
    fn charge(&mut self, bytes: usize) {
        self.steps = self.steps.saturating_add(bytes / BYTES_A_STEP);
    }

    fn value_of(&self, name: &str) -> String {
        if let Ok(number) = name.parse::<usize>() {
            let index = number.checked_sub(1);
            return index
                .and_then(|i| self.arguments.get(i).cloned())
                .unwrap_or_default();
        }
        match name {
            "#" => self.arguments.len().to_string(),
            "*" | "@" => self.arguments.join(" "),
            name => self.get(name).to_owned(),
        }
    }

    /// One word without splitting.
    fn expand_whole(&self, word: &[Part]) -> String {
        let mut out = String::new();
        for part in word {
            match part {
                Part::Text(text, _) => out.push_str(text),
                Part::Variable(name, _) => out.push_str(&self.value_of(name)),
            }
            out.truncate(out.floor_char_boundary(MAX_TEXT));
        }
        out
    }

    /// Words to fields: variables filled in, unquoted ones split at blanks, wildcards matched with files.
    pub fn expand(&self, words: &[Word]) -> Vec<String> {
        let mut fields = Vec::new();
        for word in words {
            for (field, wild) in self.fields(word) {
                if fields.len() >= MAX_FIELDS {
                    return fields;
                }
                let files = if wild { self.files(&field) } else { Vec::new() };
                if files.is_empty() {
                    fields.push(field);
                } else {
                    fields.extend(files);
                }
            }
        }
        fields
    }

    fn fields(&self, word: &[Part]) -> Vec<(String, bool)> {
        let mut fields = Vec::new();
        let mut current: Option<(String, bool)> = None;
        for part in word {
            match part {
                Part::Text(text, quoted) => {
                    let field = current.get_or_insert_default();
                    field.0.push_str(text);
                    field.1 |= !quoted && text.contains(['*', '?']);
                }
                Part::Variable(name, true) => {
                    current
                        .get_or_insert_default()
                        .0
                        .push_str(&self.value_of(name));
                }
                Part::Variable(name, false) => {
                    let value = self.value_of(name);
                    let mut pieces = value.split([' ', '\t', '\n']);
                    if let Some(first) = pieces.next().filter(|p| !p.is_empty()) {
                        current.get_or_insert_default().0.push_str(first);
                    }
                    for piece in pieces {
                        fields.extend(current.take());
                        if !piece.is_empty() {
                            current = Some((piece.to_owned(), false));
                        }
                    }
                }
            }
            if let Some((text, _)) = &mut current {
                text.truncate(text.floor_char_boundary(MAX_TEXT));
            }
        }
        fields.extend(current);
        fields
    }

    /// The files that a pattern stands for, on the device it names.
    fn files(&self, pattern: &str) -> Vec<String> {
        let root = self.get("root");
        let Ok((fs, path)) = self.devices.locate(pattern, root) else {
            return Vec::new();
        };
        let prefix = pattern.strip_suffix(path.as_str()).unwrap_or_default();
        let mut found = vec![String::new()];
        for name in path.split('/').filter(|n| !n.is_empty()) {
            let mut next = Vec::new();
            for dir in &found {
                let entries = fs.read_dir(if dir.is_empty() { "/" } else { dir });
                for entry in entries.unwrap_or_default() {
                    if next.len() < MAX_FIELDS
                        && crate::inspect::fnmatch::matches(name, &entry.name)
                    {
                        next.push(format!("{dir}/{}", entry.name));
                    }
                }
            }
            found = next;
        }
        found.into_iter().map(|p| format!("{prefix}{p}")).collect()
    }
}
