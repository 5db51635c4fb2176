//! udev rules that matter to systemd: `SYSTEMD_WANTS`, `TAG+="systemd"`, blacklists.

use super::error::{Fact, Result};
use super::filesystem::{CONFIG_CAP, FileSystem};
use super::source::{Origin, SourceFile};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rule line that makes a device want units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SystemdWants {
    /// Value of `ENV{SYSTEMD_WANTS}`.
    pub units: Vec<String>,
    /// `KERNEL==` pattern of the line, when it has one (`hvc[0-9]*`).
    pub kernel: Option<String>,
    /// `SUBSYSTEM==` of the line, when it has one.
    pub subsystem: Option<String>,
    /// The line.
    pub origin: Origin,
}

/// udev as the image configures it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UdevFacts {
    /// Rule files that count (a same-named file in /etc hides the one in /usr/lib), by name.
    pub rule_files: Vec<String>,
    /// Lines with `SYSTEMD_WANTS`.
    pub wants: Vec<SystemdWants>,
    /// A rule tags ttys with `systemd`, so that `dev-hvc0.device` appears (99-systemd.rules).
    pub tags_ttys: bool,
    /// A rule loads modules by modalias (`80-drivers.rules`).
    pub loads_modules: bool,
}

/// Rule directories, best first (udev(7)).
const DIRECTORIES: &[&str] = &[
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];

/// Reads all rules that count.
pub fn read(fs: &dyn FileSystem) -> Fact<UdevFacts> {
    Fact::from_result(read_rules(fs))
}

fn read_rules(fs: &dyn FileSystem) -> Result<UdevFacts> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for dir in DIRECTORIES {
        for entry in fs.read_dir(dir).unwrap_or_default() {
            if entry.name.ends_with(".rules") {
                files
                    .entry(entry.name.clone())
                    .or_insert_with(|| format!("{dir}/{}", entry.name));
            }
        }
    }
    let mut facts = UdevFacts::default();
    for (name, path) in files {
        // A link to /dev/null masks a rule file; so does an empty one.
        let Ok(source) = fs.read_source(&path, CONFIG_CAP) else {
            continue;
        };
        facts.rule_files.push(name);
        rules_of(&source, &mut facts);
    }
    Ok(facts)
}

/// One rule is one line, continued by a backslash at its end.
fn rules_of(source: &Arc<SourceFile>, facts: &mut UdevFacts) {
    let mut rule = String::new();
    let mut start = 0;
    for (line, number) in source.text.lines().zip(1u32..) {
        if rule.is_empty() {
            if line.trim_start().starts_with('#') || line.trim().is_empty() {
                continue;
            }
            start = number;
        }
        match line.strip_suffix('\\') {
            Some(part) => rule.push_str(part),
            None => {
                rule.push_str(line);
                judge_tokens(&tokens(&rule), &Origin::line(source, start), facts);
                rule.clear();
            }
        }
    }
}

fn judge_tokens(tokens: &[Token<'_>], origin: &Origin, facts: &mut UdevFacts) {
    let matching = |key: &str| {
        tokens
            .iter()
            .find(|t| t.key == key && t.operator == "==")
            .map(|t| t.value.to_owned())
    };
    let kernel = matching("KERNEL");
    let subsystem = matching("SUBSYSTEM");
    for token in tokens
        .iter()
        .filter(|t| t.key == "ENV{SYSTEMD_WANTS}" && t.operator != "==" && t.operator != "!=")
    {
        facts.wants.push(SystemdWants {
            units: token.value.split_whitespace().map(str::to_owned).collect(),
            kernel: kernel.clone(),
            subsystem: subsystem.clone(),
            origin: origin.clone(),
        });
    }
    let tags = tokens
        .iter()
        .any(|t| t.key == "TAG" && t.operator == "+=" && t.value == "systemd");
    facts.tags_ttys |= tags && subsystem.as_deref() == Some("tty");
    facts.loads_modules |= tokens
        .iter()
        .any(|t| t.key == "RUN{builtin}" && t.value.starts_with("kmod load"));
}

struct Token<'a> {
    key: &'a str,
    operator: &'a str,
    value: &'a str,
}

/// `KEY op "value"` items; what does not look like one is passed over.
fn tokens(rule: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = rule;
    while let Some(open) = rest.find('"') {
        let Some(length) = rest[open + 1..].find('"') else {
            break;
        };
        let head = rest[..open].trim_start_matches([',', ' ', '\t']).trim_end();
        let at = head.find(['=', '!', '+', '-', ':']).unwrap_or(head.len());
        let (key, operator) = head.split_at(at);
        // An `e"..."` or `i"..."` prefix belongs to the value.
        found.push(Token {
            key: key.trim(),
            operator: operator.trim_end_matches(['e', 'i']).trim(),
            value: &rest[open + 1..open + 1 + length],
        });
        rest = &rest[open + length + 2..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_matter_are_found() {
        let source = Arc::new(SourceFile {
            partition: "p2".into(),
            path: "/usr/lib/udev/rules.d/99-systemd.rules".into(),
            text: "# comment\nSUBSYSTEM==\"tty\", KERNEL==\"tty[a-zA-Z]*|hvc*\", TAG+=\"systemd\"\nKERNEL==\"hvc0\", \\\n  ENV{SYSTEMD_WANTS}+=\"a.service b.service\"\nENV{MODALIAS}==\"?*\", RUN{builtin}+=\"kmod load $env{MODALIAS}\"\n".into(),
        });
        let mut facts = UdevFacts::default();
        rules_of(&source, &mut facts);
        assert!(facts.tags_ttys && facts.loads_modules);
        assert_eq!(facts.wants[0].units, ["a.service", "b.service"]);
        assert_eq!(
            (facts.wants[0].kernel.as_deref(), facts.wants[0].origin.line),
            (Some("hvc0"), Some(3))
        );
    }
}
