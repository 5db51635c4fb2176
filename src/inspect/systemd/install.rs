//! The `[Install]` section of a unit file (systemd.unit(5)).

use super::model::Setting;
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
    /// Collects the settings of the unit called `unit`.
    pub fn of(unit: &str, settings: &[Setting], version: u32) -> Install {
        let all = |key: &str| -> Vec<String> {
            settings
                .iter()
                .filter(|s| s.section == "Install" && s.key == key)
                .flat_map(|s| words::split(&s.value, words::QUOTED).unwrap_or_default())
                .collect()
        };
        let may_alias = name::unit_type(unit).is_some_and(|t| t.may_alias());
        let template = name::kind(unit) == Some(NameKind::Template);
        Install {
            aliases: if may_alias { all("Alias") } else { Vec::new() },
            wanted_by: all("WantedBy"),
            required_by: all("RequiredBy"),
            upheld_by: if version >= 254 {
                all("UpheldBy")
            } else {
                Vec::new()
            },
            also: all("Also"),
            default_instance: all("DefaultInstance")
                .pop()
                .filter(|i| template && !i.is_empty()),
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
