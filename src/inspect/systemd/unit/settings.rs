//! Adding up the assignments of a unit's files.

use super::command::{self, Parsed};
use super::{Declared, Loaded, Loader, problem};
use crate::inspect::source::{Origin, SourceFile};
use crate::inspect::systemd::keys::{self, KeyKind};
use crate::inspect::systemd::model::{LoadState, Setting};
use crate::inspect::systemd::name::{self, NameKind, UnitType};
use crate::inspect::systemd::specifier::{self, Context, Table};
use crate::inspect::systemd::syntax::Assignment;
use crate::inspect::systemd::words;
use std::sync::Arc;

/// Applies assignments to a unit.
pub struct Builder<'b, 'a> {
    pub loader: &'b Loader<'a>,
    pub id: &'b str,
    pub unit_type: UnitType,
    pub source: &'b Arc<SourceFile>,
    pub unit: &'b mut Loaded,
}

impl Builder<'_, '_> {
    fn complain(&mut self, line: u32, message: String) {
        let origin = Origin::line(self.source, line);
        self.unit
            .problems
            .push(problem(message, Some(origin), false));
    }

    fn refuse(&mut self, line: u32, message: String) -> Option<LoadState> {
        let origin = Origin::line(self.source, line);
        self.unit
            .problems
            .push(problem(message, Some(origin), true));
        Some(LoadState::BadSetting)
    }

    fn expand(&self, text: &str, table: Table) -> Result<String, char> {
        let fragment = self.unit.fragment.as_ref().and_then(|f| f.path.as_deref());
        specifier::expand(
            text,
            table,
            Context {
                unit: self.id,
                fragment,
                host: self.loader.host,
            },
        )
    }

    /// Takes one assignment; the state of a unit that is refused because of it.
    pub fn assign(&mut self, a: &Assignment) -> Option<LoadState> {
        let Some(kind) = keys::kind(&a.section, &a.key, self.loader.version) else {
            if !a.key.starts_with("X-") {
                self.complain(
                    a.line,
                    format!(
                        "unknown key '{}' in section [{}], ignored",
                        a.key, a.section
                    ),
                );
            }
            return None;
        };
        match kind {
            KeyKind::Deps => {
                self.dependencies(a);
                None
            }
            KeyKind::List if a.value.is_empty() => {
                self.clear(a);
                None
            }
            KeyKind::List
                if a.key.starts_with("Exec") && a.section != "Unit" && !is_path_list(&a.key) =>
            {
                self.command(a)
            }
            KeyKind::List => self.list(a),
            KeyKind::Flag => {
                if keys::parse_bool(&a.value).is_some() {
                    self.replace(a, a.value.clone());
                } else {
                    self.complain(a.line, format!("'{}' is no boolean, ignored", a.value));
                }
                None
            }
            KeyKind::Text => self.text(a),
            KeyKind::Value => {
                self.value(a);
                None
            }
        }
    }

    fn push(&mut self, a: &Assignment, value: String) {
        self.unit.settings.push(Setting {
            section: a.section.clone(),
            key: a.key.clone(),
            value,
            origin: Origin::line(self.source, a.line),
        });
    }

    fn remove(&mut self, a: &Assignment) {
        self.unit
            .settings
            .retain(|s| s.section != a.section || s.key != a.key);
    }

    fn replace(&mut self, a: &Assignment, value: String) {
        self.remove(a);
        self.push(a, value);
    }

    /// An empty assignment clears a list, together with the keys that share it.
    fn clear(&mut self, a: &Assignment) {
        let list = keys::list_name(&a.section, &a.key);
        self.unit
            .settings
            .retain(|s| s.section != a.section || keys::list_name(&s.section, &s.key) != list);
        self.unit.commands.retain(|c| c.directive != a.key);
    }

    fn dependencies(&mut self, a: &Assignment) {
        let paths = a.key.ends_with("MountsFor");
        let rules = if paths {
            words::QUOTED
        } else {
            words::UNIT_NAMES
        };
        let mut rest = a.value.as_str();
        let mut expanded = Vec::new();
        loop {
            let word = match words::next(&mut rest, rules) {
                Ok(Some(word)) => word,
                Ok(None) => break,
                Err(_) => {
                    self.complain(a.line, format!("invalid syntax, ignored: {}", a.value));
                    break;
                }
            };
            let table = if paths { Table::Full } else { Table::Name };
            let target = match self.expand(&word, table) {
                Ok(target) => target,
                Err(bad) => {
                    self.complain(
                        a.line,
                        format!("unknown specifier %{bad} in '{word}', ignored"),
                    );
                    continue;
                }
            };
            let target = if paths {
                self.mount_path(&target)
            } else {
                self.unit_name(&word, &target)
            };
            match target {
                Ok(Some(target)) => {
                    expanded.push(target.clone());
                    self.unit.declared.push(Declared {
                        key: a.key.clone(),
                        target,
                        origin: Origin::line(self.source, a.line),
                    });
                }
                Ok(None) => {}
                Err(message) => self.complain(a.line, message),
            }
        }
        if !expanded.is_empty() {
            self.push(a, expanded.join(" "));
        }
    }

    fn mount_path(&self, path: &str) -> Result<Option<String>, String> {
        let simple = name::simplify_path(path);
        if !simple.starts_with('/') || !name::is_normalized(&simple) {
            return Err(format!("'{path}' is not a plain absolute path, ignored"));
        }
        Ok(Some(simple))
    }

    /// A dependency's unit name; templates take this unit's instance, or its prefix when it has none.
    fn unit_name(&self, written: &str, target: &str) -> Result<Option<String>, String> {
        let bad = || format!("'{target}' is not a valid unit name, ignored");
        match name::kind(target) {
            None => Err(bad()),
            Some(NameKind::Template) => {
                let instance = match name::instance(self.id) {
                    Some("") => return Ok(None),
                    Some(instance) => instance,
                    None => name::prefix(self.id),
                };
                name::with_instance(target, instance)
                    .map(Some)
                    .ok_or_else(bad)
            }
            Some(NameKind::Instance) if self.is_recursive(written, target) => Ok(None),
            Some(_) => Ok(Some(target.to_owned())),
        }
    }

    /// A template that depends on another instance of itself made from its own instance would go on for ever; systemd drops it
    /// (`unit_is_likely_recursive_template_dependency`).
    fn is_recursive(&self, written: &str, target: &str) -> bool {
        if name::prefix(self.id) != name::prefix(target)
            || name::unit_type(target) != Some(self.unit_type)
        {
            return false;
        }
        let Some((_, instance)) = name::stem(written).split_once('@') else {
            return false;
        };
        if instance == "%i" {
            return false;
        }
        let plain = instance.replace("%%", "");
        ["%n", "%N", "%i"].iter().any(|s| plain.contains(s))
    }

    fn command(&mut self, a: &Assignment) -> Option<LoadState> {
        let parsed = command::parse(a, self.source, &|text| self.expand(text, Table::Full));
        for message in parsed.warnings {
            self.complain(a.line, message);
        }
        match parsed.result {
            Parsed::Commands(commands) if commands.is_empty() => None,
            Parsed::Commands(commands) => {
                self.unit.commands.extend(commands);
                let value = self
                    .expand(&a.value, Table::Full)
                    .unwrap_or_else(|_| a.value.clone());
                self.push(a, value);
                None
            }
            Parsed::Ignored(message) => {
                self.complain(a.line, message);
                None
            }
            Parsed::Refused(message) => self.refuse(a.line, message),
        }
    }

    fn list(&mut self, a: &Assignment) -> Option<LoadState> {
        let value = match self.expand(&a.value, Table::Full) {
            Ok(value) => value,
            Err(bad) => {
                self.complain(a.line, format!("unknown specifier %{bad}, ignored"));
                return None;
            }
        };
        if a.key == "SupplementaryGroups" && value.split_ascii_whitespace().any(|g| !valid_user(g))
        {
            return self.refuse(
                a.line,
                format!("invalid user/group name or numeric ID: {value}"),
            );
        }
        let path_needed = is_condition_path(&a.key)
            || matches!(a.section.as_str(), "Path") && keys::list_name("Path", &a.key) == "Path";
        if path_needed && !value.trim_start_matches(['|', '!']).starts_with('/') {
            self.complain(
                a.line,
                format!("{}= path is not absolute, ignored: {value}", a.key),
            );
            return None;
        }
        self.push(a, value);
        None
    }

    fn text(&mut self, a: &Assignment) -> Option<LoadState> {
        if a.value.is_empty() {
            self.remove(a);
            return None;
        }
        let identity = matches!(
            a.key.as_str(),
            "User" | "Group" | "SocketUser" | "SocketGroup"
        );
        let root = matches!(a.key.as_str(), "RootDirectory" | "RootImage");
        let directory = a.key == "WorkingDirectory";
        let value = match self.expand(&a.value, Table::Full) {
            Ok(value) => value,
            Err(bad) if identity || root || (directory && !a.value.starts_with('-')) => {
                return self.refuse(a.line, format!("unknown specifier %{bad} in '{}'", a.value));
            }
            Err(bad) => {
                self.complain(a.line, format!("unknown specifier %{bad}, ignored"));
                return None;
            }
        };
        if identity && !valid_user(&value) {
            return self.refuse(
                a.line,
                format!("invalid user/group name or numeric ID: {value}"),
            );
        }
        let path = value
            .strip_prefix('-')
            .filter(|_| directory)
            .unwrap_or(&value);
        let is_path = path.starts_with('/') && name::is_normalized(&name::simplify_path(path));
        if root && !is_path {
            return self.refuse(a.line, format!("{}= path is not absolute: {value}", a.key));
        }
        if directory && path != "~" && !is_path {
            let message = format!("WorkingDirectory= path is not absolute: {value}");
            if value.starts_with('-') {
                self.complain(a.line, message + ", ignored");
                return None;
            }
            return self.refuse(a.line, message);
        }
        if a.key == "TTYPath" && !is_path {
            self.complain(
                a.line,
                format!("TTYPath= path is not absolute, ignored: {value}"),
            );
            return None;
        }
        self.replace(a, value);
        None
    }

    fn value(&mut self, a: &Assignment) {
        let first_wins = matches!(
            (a.section.as_str(), a.key.as_str()),
            ("Timer" | "Path", "Unit")
        );
        if first_wins && self.unit.value(&a.section, &a.key).is_some() {
            self.complain(a.line, "multiple units to trigger, ignored".into());
            return;
        }
        if let Some(allowed) = allowed(&a.key, self.loader.version) {
            let prefixed = allowed
                .iter()
                .any(|v| v.ends_with(':') && a.value.starts_with(v));
            if !prefixed && !allowed.contains(&a.value.as_str()) {
                self.complain(
                    a.line,
                    format!("'{}' is no value of {}=, ignored", a.value, a.key),
                );
                return;
            }
        }
        if a.value.is_empty() {
            self.remove(a);
            return;
        }
        match self.expand(&a.value, Table::Full) {
            Ok(value) => self.replace(a, value),
            Err(_) => self.replace(a, a.value.clone()),
        }
    }
}

/// `Exec…` keys that hold paths and no commands.
fn is_path_list(key: &str) -> bool {
    matches!(key, "ExecPaths" | "ExecSearchPath")
}

/// Conditions and assertions whose argument is a path.
fn is_condition_path(key: &str) -> bool {
    let test = key
        .strip_prefix("Condition")
        .or_else(|| key.strip_prefix("Assert"));
    test.is_some_and(|t| {
        t.starts_with("Path")
            || t.starts_with("File")
            || matches!(t, "DirectoryNotEmpty" | "NeedsUpdate")
    })
}

/// Values that a key takes, for the keys where a wrong one matters here; an ending colon marks a prefix.
fn allowed(key: &str, version: u32) -> Option<&'static [&'static str]> {
    const TYPES: &[&str] = &[
        "simple",
        "exec",
        "forking",
        "oneshot",
        "dbus",
        "notify",
        "idle",
        "notify-reload",
    ];
    const INPUT: &[&str] = &[
        "null",
        "tty",
        "tty-force",
        "tty-fail",
        "socket",
        "fd",
        "data",
        "file",
        "fd:",
        "file:",
    ];
    const OUTPUT: &[&str] = &[
        "inherit",
        "null",
        "tty",
        "journal",
        "journal+console",
        "kmsg",
        "kmsg+console",
        "syslog",
        "syslog+console",
        "socket",
        "fd",
        "file",
        "append",
        "truncate",
        "fd:",
        "file:",
        "append:",
        "truncate:",
    ];
    Some(match key {
        "Type" if version >= 253 => TYPES,
        "Type" => TYPES.split_last().map_or(TYPES, |(_, old)| old),
        "Restart" => &[
            "no",
            "on-success",
            "on-failure",
            "on-abnormal",
            "on-watchdog",
            "on-abort",
            "always",
        ],
        "ExitType" => &["main", "cgroup"],
        "StandardInput" => INPUT,
        "StandardOutput" | "StandardError" => OUTPUT,
        _ => return None,
    })
}

/// A user or group name, or a number (`valid_user_group_name`, relaxed).
fn valid_user(text: &str) -> bool {
    if text.is_empty() || text.len() > 256 {
        return false;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text
            .parse::<u32>()
            .is_ok_and(|id| id != u32::MAX && id != 0xFFFF);
    }
    let bad = |c: char| c.is_control() || matches!(c, ':' | '/' | '\u{fffd}');
    !text.chars().any(bad)
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !matches!(text, "." | "..")
        && !text.starts_with('-')
}
