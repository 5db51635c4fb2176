//! Dependencies that follow from the environment a unit's processes are to run in (systemd.exec(5), "Implicit Dependencies";
//! `unit_add_exec_dependencies`).

use super::{Id, Manager, Need};
use crate::inspect::systemd::model::{DependencyKind, Reason};
use crate::inspect::systemd::name::UnitType;
use crate::inspect::systemd::words;
use DependencyKind::*;

impl Manager<'_> {
    pub(super) fn exec_dependencies(&mut self, id: Id, section: &str) {
        let modern = self.version() >= 256;
        let text = |m: &Self, key: &str| m.nodes[id].loaded.value(section, key).map(str::to_owned);
        let flag = |m: &Self, key: &str| m.nodes[id].loaded.flag(section, key, false);

        if let Some(directory) = text(self, "WorkingDirectory") {
            match directory.strip_prefix('-') {
                None => self.need_mounts(id, &directory, Need::Requires, &Reason::Implicit),
                Some(optional) if modern => {
                    self.need_mounts(id, optional, Need::Wants, &Reason::Implicit)
                }
                Some(_) => {}
            }
        }
        let need_root = if modern { Need::Wants } else { Need::Requires };
        let image = text(self, "RootImage");
        for path in text(self, "RootDirectory").iter().chain(&image) {
            self.need_mounts(id, path, need_root, &Reason::Implicit);
        }
        self.directories(id, section);
        self.private_tmp(id, section);
        if image.is_some() {
            self.add_named(id, &[After], "systemd-udevd.service", &Reason::Implicit);
        }
        let images = image.is_some() || text(self, "MountImages").is_some();
        let policy = text(self, "DevicePolicy").is_some_and(|p| p != "auto");
        if images && (flag(self, "PrivateDevices") || policy || text(self, "DeviceAllow").is_some())
        {
            for module in ["loop", "dm_mod", "dm_verity"] {
                self.add_named(
                    id,
                    &[After, Wants],
                    &format!("modprobe@{module}.service"),
                    &Reason::Implicit,
                );
            }
        }
        match text(self, "LogNamespace") {
            Some(namespace) => {
                let mut units = vec![
                    format!("systemd-journald@{namespace}.socket"),
                    format!("systemd-journald-varlink@{namespace}.socket"),
                ];
                if self.version() >= 257 {
                    units.push(format!("systemd-journald-sync@{namespace}.service"));
                }
                for unit in units {
                    self.add_named(id, &[After, Requires], &unit, &Reason::Implicit);
                }
            }
            None if self.logs_to_journal(id, section) => {
                self.add_named(id, &[After], "systemd-journald.socket", &Reason::Implicit);
            }
            None => {}
        }
    }

    fn directories(&mut self, id: Id, section: &str) {
        let mut needs_write = false;
        for (key, root) in [
            ("RuntimeDirectory", "/run"),
            ("StateDirectory", "/var/lib"),
            ("CacheDirectory", "/var/cache"),
            ("LogsDirectory", "/var/log"),
            ("ConfigurationDirectory", "/etc"),
        ] {
            let values: Vec<String> = self.nodes[id]
                .loaded
                .values(section, key)
                .map(|s| s.value.clone())
                .collect();
            for word in values
                .iter()
                .flat_map(|v| words::split(v, words::QUOTED).unwrap_or_default())
            {
                let source = word.split(':').next().unwrap_or_default();
                if source.is_empty() || source.starts_with('/') {
                    continue;
                }
                needs_write |= matches!(key, "StateDirectory" | "CacheDirectory" | "LogsDirectory");
                self.need_mounts(
                    id,
                    &format!("{root}/{source}"),
                    Need::Requires,
                    &Reason::Implicit,
                );
            }
        }
        if needs_write {
            self.add_named(
                id,
                &[After],
                "systemd-remount-fs.service",
                &Reason::Implicit,
            );
        }
    }

    fn private_tmp(&mut self, id: Id, section: &str) {
        let loaded = &self.nodes[id].loaded;
        let private = loaded.flag(section, "PrivateTmp", false);
        if self.version() >= 256 {
            if private {
                for path in ["/tmp", "/var/tmp"] {
                    self.need_mounts(id, path, Need::Wants, &Reason::Implicit);
                }
                self.add_named(
                    id,
                    &[After],
                    "systemd-tmpfiles-setup.service",
                    &Reason::Implicit,
                );
            }
        } else if private || loaded.flag(section, "DynamicUser", false) {
            self.add_named(id, &[After, Wants], "tmp.mount", &Reason::Implicit);
            self.need_mounts(id, "/var/tmp", Need::Requires, &Reason::Implicit);
            self.add_named(
                id,
                &[After],
                "systemd-tmpfiles-setup.service",
                &Reason::Implicit,
            );
        }
    }

    /// Whether standard output or error goes to the journal or the kernel log, so that journald must listen first.
    fn logs_to_journal(&self, id: Id, section: &str) -> bool {
        let node = &self.nodes[id];
        let own = |key: &str| node.loaded.value(section, key);
        let logged = |target: &str| {
            matches!(
                target,
                "journal"
                    | "journal+console"
                    | "kmsg"
                    | "kmsg+console"
                    | "syslog"
                    | "syslog+console"
            )
        };
        let (default_out, default_err) =
            (self.default_stdout.as_str(), self.default_stderr.as_str());
        if node.unit_type != UnitType::Service {
            return logged(own("StandardOutput").unwrap_or(default_out))
                || logged(own("StandardError").unwrap_or(default_err));
        }
        let mut out = own("StandardOutput").unwrap_or("inherit");
        let mut err = own("StandardError").unwrap_or("inherit");
        // A terminal or socket as input is output too, unless something else was said.
        let input = own("StandardInput").unwrap_or("null");
        let two_way = matches!(input, "tty" | "tty-force" | "tty-fail" | "socket" | "fd")
            || input.starts_with("fd:");
        if !two_way {
            if err == "inherit" && out == "inherit" {
                err = default_err;
            }
            if out == "inherit" {
                out = default_out;
            }
        }
        logged(out) || logged(err)
    }
}
