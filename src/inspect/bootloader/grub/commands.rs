//! The commands that decide what boots (GRUB manual, "The list of available commands").

use super::super::file;
use super::session::{Flow, Session};
use super::{condition, environment, script};
use crate::inspect::bootloader::EntryFile;
use crate::inspect::error::{ErrorKind, Fact};
use crate::inspect::filesystem::CONFIG_CAP;
use crate::inspect::source::{Location, Origin, SourceFile};
use std::rc::Rc;
use std::sync::Arc;

/// Commands that must work, with the module that has them. What only draws or plays is left out: GRUB complains and goes on.
const NEEDED: &[(&str, &str)] = &[
    (".", "configfile"),
    ("[", "test"),
    ("chainloader", "chain"),
    ("configfile", "configfile"),
    ("initrd", "linux"),
    ("linux", "linux"),
    ("load_env", "loadenv"),
    ("probe", "probe"),
    ("regexp", "regexp"),
    ("search", "search"),
    ("search.file", "search_fs_file"),
    ("search.fs_label", "search_label"),
    ("search.fs_uuid", "search_fs_uuid"),
    ("source", "configfile"),
    ("test", "test"),
];

/// Modules without which nothing is loaded. The others only help to find things.
const LOADING: &[&str] = &["chain", "configfile", "linux"];

impl Session<'_> {
    /// Runs one command that was expanded.
    pub fn execute(&mut self, fields: &[String], line: u32) -> Flow {
        let Some((name, arguments)) = fields.split_first() else {
            return Flow::Next;
        };
        if let Some(body) = self.functions.get(name).map(Rc::clone) {
            return self.call(&body, arguments.to_vec());
        }
        if let Some((_, module)) = NEEDED.iter().find(|(command, _)| command == name)
            && !self.has_module(module)
        {
            let message = format!(
                "GRUB does not know `{name}`: its image has no module {module}, and there is no {module}.mod in {}",
                self.module_directory()
            );
            if LOADING.contains(module) {
                self.problem("module-missing", message, line, Location::default());
            } else {
                self.lose("module-missing", message, line, Location::default());
            }
            self.status(false);
            return Flow::Next;
        }
        self.status(true);
        match name.as_str() {
            "set" => self.set_command(arguments, line),
            "unset" => {
                for name in arguments {
                    self.variables.remove(name);
                }
            }
            "search" => self.search(arguments, line),
            "search.fs_uuid" | "search.fs_label" | "search.file" => {
                let kind = name.trim_start_matches("search.").replace("fs_", "--fs-");
                let kind = kind
                    .replace("--fs-label", "--label")
                    .replace("file", "--file");
                let set = arguments.get(1).map_or("root", String::as_str);
                let arguments: Vec<String> = [
                    kind,
                    format!("--set={set}"),
                    arguments.first().cloned().unwrap_or_default(),
                ]
                .into();
                self.search(&arguments, line);
            }
            "load_env" => self.load_env(arguments),
            "test" | "[" => {
                let end = arguments.len() - usize::from(name == "[" && !arguments.is_empty());
                let arguments = arguments.get(..end).unwrap_or_default();
                let result = condition::test(arguments, self);
                self.status(result);
            }
            "false" => self.status(false),
            "insmod" => self.insmod(arguments, line),
            "source" | "." => return self.source(arguments, line),
            "configfile" | "normal" => return self.configfile(arguments, line),
            "linux" | "linux16" | "linuxefi" => self.linux(arguments, line),
            "initrd" | "initrd16" | "initrdefi" => self.initrd(arguments, line),
            "chainloader" => self.chainloader(arguments, line),
            "regexp" | "probe" => self.match_command(name, arguments),
            "boot" => return Flow::Stop,
            "exit" | "halt" | "reboot" => return Flow::Stop,
            "return" => {
                let success = arguments.first().is_none_or(|n| n == "0");
                self.status(success);
                return Flow::Return;
            }
            "break" => return Flow::Break,
            "continue" => return Flow::Continue,
            // Everything else neither loads nor selects; it is taken to work.
            _ => {}
        }
        Flow::Next
    }

    fn module_directory(&self) -> String {
        let (cpu, platform) = (self.get("grub_cpu"), self.get("grub_platform"));
        format!("{}/{cpu}-{platform}", self.get("prefix"))
    }

    /// A module is built in, or lies where GRUB loads modules from. Without a list of built-in ones nothing is known.
    fn has_module(&self, module: &str) -> bool {
        let built_in = &self.devices.program.modules;
        if built_in.is_empty() || built_in.contains(module) {
            return true;
        }
        let path = format!("{}/{module}.mod", self.module_directory());
        let found = self.devices.locate(&path, self.get("root"));
        found.is_ok_and(|(fs, path)| file::resolve(fs.as_ref(), &path).is_ok())
    }

    fn set_command(&mut self, arguments: &[String], line: u32) {
        for argument in arguments {
            if let Some((name, value)) = argument.split_once('=') {
                self.set(name, value, line);
            }
        }
    }

    fn insmod(&mut self, arguments: &[String], line: u32) {
        let Some(module) = arguments.first() else {
            return;
        };
        let known = self.has_module(module);
        self.status(known);
        let matters = NEEDED.iter().any(|(_, m)| m == module);
        if !known && matters {
            let message = format!("the module {module} is not there");
            self.lose("module-missing", message, line, Location::default());
        }
    }

    /// `search [--file|--label|--fs-uuid] [--set[=VAR]] NAME`.
    fn search(&mut self, arguments: &[String], line: u32) {
        let (mut kind, mut set, mut names) = ("--file", None, Vec::new());
        for argument in arguments {
            match argument.as_str() {
                "-f" | "--file" => kind = "--file",
                "-l" | "--label" => kind = "--label",
                "-u" | "--fs-uuid" => kind = "--fs-uuid",
                "-s" | "--set" => set = Some("root".to_owned()),
                other => match other.split_once('=') {
                    Some(("--set" | "-s", variable)) => set = Some(variable.to_owned()),
                    _ if other.starts_with('-') => {}
                    _ => names.push(other),
                },
            }
        }
        let Some(name) = names.first() else {
            self.status(false);
            return;
        };
        let mut unreadable = None;
        let mut found = None;
        for partition in &self.devices.disk.partitions {
            let content = &partition.content;
            let fits = match kind {
                "--fs-uuid" => content
                    .uuid
                    .as_deref()
                    .is_some_and(|u| u.eq_ignore_ascii_case(name)),
                "--label" => content.label.as_deref() == Some(*name),
                _ => true,
            };
            if !fits || content.fs_type.is_none() {
                continue;
            }
            match self.devices.open(partition) {
                Ok(fs) if kind == "--file" => {
                    if file::resolve(fs.as_ref(), name).is_ok() {
                        found = Some(partition.id.clone());
                    }
                }
                Ok(_) => found = Some(partition.id.clone()),
                Err(error) if kind != "--file" => unreadable = Some(error),
                Err(_) => {}
            }
            if found.is_some() {
                break;
            }
        }
        match found.and_then(|id| self.devices.name(&id)) {
            Some(device) => {
                if let Some(variable) = set {
                    self.set(&variable, &device, line);
                }
            }
            None => {
                self.status(false);
                let what = kind.trim_start_matches("--");
                match unreadable {
                    Some(error) => self.lose(
                        "unknown-filesystem",
                        format!("GRUB finds no {what} {name}: {}", error.message),
                        line,
                        error.location,
                    ),
                    None => self.lose(
                        "file-missing",
                        format!("GRUB finds no partition with {what} {name}"),
                        line,
                        Location::default(),
                    ),
                }
            }
        }
    }

    fn load_env(&mut self, arguments: &[String]) {
        let mut path = format!("{}/grubenv", self.get("prefix"));
        let mut only = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-f" | "--file" => path = arguments.next().cloned().unwrap_or_default(),
                "-s" | "--skip-sig" => {}
                other => match other.split_once('=') {
                    Some(("--file", name)) => path = name.to_owned(),
                    _ => only.push(other.to_owned()),
                },
            }
        }
        let variables = self.read(&path).and_then(|file| environment::parse(&file));
        self.status(variables.is_some());
        for (name, value, origin) in variables.unwrap_or_default() {
            if only.is_empty() || only.contains(&name) {
                self.set(&name, &value, 0);
                self.environment.insert(name, origin);
            }
        }
    }

    /// A text file, when this GRUB can read it.
    pub fn read(&self, name: &str) -> Option<Arc<SourceFile>> {
        let (fs, path) = self.devices.locate(name, self.get("root")).ok()?;
        let stored = file::resolve(fs.as_ref(), &path).ok()?;
        fs.read_source(&stored, CONFIG_CAP).ok()
    }

    fn source(&mut self, arguments: &[String], line: u32) -> Flow {
        let Some(file) = arguments.first().and_then(|name| self.read(name)) else {
            self.missing_config(arguments, line);
            return Flow::Next;
        };
        let outer = Arc::clone(&self.file);
        let flow = self.run_file(file);
        self.file = outer;
        match flow {
            Flow::Stop => Flow::Stop,
            _ => Flow::Next,
        }
    }

    /// Another file takes over, menu and all.
    fn configfile(&mut self, arguments: &[String], line: u32) -> Flow {
        let default = [format!("{}/grub.cfg", self.get("prefix"))];
        let arguments = if arguments.is_empty() {
            &default
        } else {
            arguments
        };
        let Some(file) = arguments.first().and_then(|name| self.read(name)) else {
            self.missing_config(arguments, line);
            return Flow::Next;
        };
        self.menu.clear();
        self.config = Some(Arc::clone(&file));
        self.run_file(file);
        Flow::Stop
    }

    fn missing_config(&mut self, arguments: &[String], line: u32) {
        self.status(false);
        let name = arguments.first().map_or("", String::as_str);
        match self.devices.locate(name, self.get("root")) {
            Err(error) if error.kind != ErrorKind::NotFound => {
                let message = format!("GRUB cannot read {name}: {}", error.message);
                self.problem("unknown-filesystem", message, line, error.location);
            }
            _ => {
                let message = format!("the configuration {name} is not there");
                self.missing("file-missing", message, line, Location::default());
            }
        }
    }

    /// Runs a file's statements.
    pub fn run_file(&mut self, file: Arc<SourceFile>) -> Flow {
        let (statements, error) = script::parse(&file.text);
        self.file = file;
        let flow = self.run(&statements);
        if let Some(error) = error {
            let location = self.file.location();
            let message = format!("syntax error: {}", error.message);
            self.problem("syntax", message, error.line, location);
        }
        flow
    }

    /// A file that an entry names, with what keeps GRUB from it.
    fn named_file(&mut self, name: &str, line: u32) -> EntryFile {
        let origin = Origin::line(&self.file, line);
        let (device, path) = {
            let (device, path) = self.devices.split(name, self.get("root"));
            (device.to_owned(), path.to_owned())
        };
        let found = match self.devices.locate(name, &device) {
            Ok((fs, path)) => file::find(fs.as_ref(), &path),
            Err(error) if error.kind == ErrorKind::NotFound => Fact::Absent,
            Err(error) => Fact::Unreadable(error),
        };
        let partition = self.devices.partition(&device).map(|p| p.id.clone());
        let mut location = Location::file(partition.clone().unwrap_or_default(), path);
        location.partition = partition;
        match &found {
            Fact::Absent => {
                let message = format!("{name} is not on ({device})");
                self.missing("file-missing", message, line, location);
            }
            Fact::Unreadable(error) => {
                let empty = error.message.contains("holds no file system");
                let from_environment = !self.environment.is_empty();
                let kind = if empty && from_environment {
                    "slot-empty"
                } else {
                    "unknown-filesystem"
                };
                let message = format!("GRUB cannot read {name}: {}", error.message);
                self.problem(kind, message, line, location);
            }
            Fact::Known(_) => {}
        }
        EntryFile {
            path: name.to_owned(),
            origin: Some(origin),
            file: found,
        }
    }

    fn linux(&mut self, arguments: &[String], line: u32) {
        let Some((name, words)) = arguments.split_first() else {
            self.status(false);
            return;
        };
        let kernel = self.named_file(name, line);
        self.status(kernel.file.known().is_some());
        self.loaded.linux = Some(kernel);
        self.loaded.initrds.clear();
        self.loaded.origin = Some(Origin::line(&self.file, line));
        // The loader names the image first and quotes words with blanks (`grub_create_loader_cmdline`).
        let quoted = words.iter().map(|word| {
            if word.contains(' ') {
                format!("\"{word}\"")
            } else {
                word.clone()
            }
        });
        let words: Vec<String> = std::iter::once(format!("BOOT_IMAGE={name}"))
            .chain(quoted)
            .collect();
        self.loaded.options = words.join(" ");
    }

    fn initrd(&mut self, arguments: &[String], line: u32) {
        for name in arguments.iter().filter(|a| !a.starts_with("newc:")) {
            let file = self.named_file(name, line);
            if file.file.known().is_none() {
                self.status(false);
            }
            if self.loaded.initrds.len() < 256 {
                self.loaded.initrds.push(file);
            }
        }
    }

    fn chainloader(&mut self, arguments: &[String], line: u32) {
        let name = arguments.iter().find(|a| !a.starts_with('-'));
        let Some(name) = name.filter(|n| !n.starts_with('+')) else {
            return;
        };
        let program = self.named_file(name, line);
        self.status(program.file.known().is_some());
        self.loaded.linux = Some(program);
        self.loaded.origin = Some(Origin::line(&self.file, line));
    }

    /// `regexp --set` and `probe --set`, as far as configurations use them to find their own device.
    fn match_command(&mut self, name: &str, arguments: &[String]) {
        if name == "regexp" {
            let plain: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
            let [pattern, text] = plain.as_slice() else {
                self.status(false);
                return;
            };
            let regex = regex::RegexBuilder::new(pattern)
                .size_limit(1 << 20)
                .build();
            let found = regex.ok().and_then(|r| {
                let groups = r.captures(text)?;
                Some(groups.get(1).map(|m| m.as_str().to_owned()))
            });
            self.status(found.is_some());
            let set = arguments.iter().find_map(|a| a.strip_prefix("--set="));
            if let (Some(set), Some(Some(value))) = (set, found) {
                let variable = set.split_once(':').map_or(set, |(_, v)| v).to_owned();
                self.set(&variable, &value, 0);
            }
            return;
        }
        let set = arguments.iter().find_map(|a| a.strip_prefix("--set="));
        let device = arguments.iter().rfind(|a| !a.starts_with('-'));
        let partition = device.and_then(|d| self.devices.partition(d));
        let value = partition.and_then(|p| {
            if arguments.iter().any(|a| a == "--fs-uuid" || a == "-u") {
                p.content.uuid.clone()
            } else if arguments.iter().any(|a| a == "--label" || a == "-l") {
                p.content.label.clone()
            } else if arguments.iter().any(|a| a == "--part-uuid") {
                Some(p.partuuid.clone())
            } else {
                p.content.fs_type.clone()
            }
        });
        self.status(value.is_some());
        if let (Some(set), Some(value)) = (set.map(str::to_owned), value) {
            self.set(&set, &value, 0);
        }
    }
}
