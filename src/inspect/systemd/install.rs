//! The `[Install]` section of a unit file (systemd.unit(5)).

use super::name::{self, NameKind};
use super::words;

/// What `systemctl enable` would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Install {
    pub aliases: Vec<String>,
    pub wanted_by: Vec<String>,
    pub required_by: Vec<String>,
    pub upheld_by: Vec<String>,
    pub also: Vec<String>,
    pub default_instance: Option<String>,
}

impl Install {
    /// Takes one assignment. Empty ones clear a list, as everywhere.
    pub fn assign(&mut self, key: &str, value: &str, expand: &dyn Fn(&str) -> Option<String>) {
        let list = match key {
            "Alias" => &mut self.aliases,
            "WantedBy" => &mut self.wanted_by,
            "RequiredBy" => &mut self.required_by,
            "UpheldBy" => &mut self.upheld_by,
            "Also" => &mut self.also,
            "DefaultInstance" => {
                self.default_instance = expand(value).filter(|i| !i.is_empty());
                return;
            }
            _ => return,
        };
        if value.is_empty() && key != "Also" {
            list.clear();
        }
        let words = words::split(value, words::QUOTED).unwrap_or_default();
        list.extend(words.iter().filter_map(|word| expand(word)));
    }

    /// Drops what a unit of this name cannot have.
    pub fn finish(&mut self, unit: &str, version: u32) {
        if !name::unit_type(unit).is_some_and(|t| t.may_alias()) {
            self.aliases.clear();
        }
        if name::kind(unit) != Some(NameKind::Template) {
            self.default_instance = None;
        }
        if version < 254 {
            self.upheld_by.clear();
        }
    }

    /// There is something to enable.
    pub fn has_rules(&self) -> bool {
        [
            &self.aliases,
            &self.wanted_by,
            &self.required_by,
            &self.upheld_by,
        ]
        .iter()
        .any(|list| !list.is_empty())
    }

    /// Names under which an enabled unit called `unit` is linked.
    pub fn knows(&self, unit: &str, link: &str) -> bool {
        link == unit
            || self.aliases.iter().any(|a| a == link)
            || self
                .default_instance
                .as_deref()
                .and_then(|instance| name::with_instance(unit, instance))
                .is_some_and(|instance| instance == link)
    }
}
