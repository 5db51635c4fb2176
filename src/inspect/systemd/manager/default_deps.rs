//! What `DefaultDependencies=yes` adds (systemd.service(5) and the other types' pages, "Default Dependencies").

use super::{Id, Manager};
use crate::inspect::systemd::model::{DependencyKind, Reason};
use crate::inspect::systemd::mount_options as options;
use crate::inspect::systemd::name::UnitType;
use DependencyKind::*;

impl Manager<'_> {
    pub(super) fn add_default(&mut self, id: Id, unit_type: UnitType) {
        if !self.nodes[id].default_dependencies {
            return;
        }
        let reason = Reason::Default;
        let early: &[DependencyKind] = &[After, Requires];
        match unit_type {
            UnitType::Service => {
                self.add_named(id, early, "sysinit.target", &reason);
                self.add_named(id, &[After], "basic.target", &reason);
            }
            UnitType::Socket => {
                self.add_named(id, &[Before], "sockets.target", &reason);
                self.add_named(id, early, "sysinit.target", &reason);
            }
            UnitType::Path => {
                self.add_named(id, &[Before], "paths.target", &reason);
                self.add_named(id, early, "sysinit.target", &reason);
            }
            UnitType::Timer => {
                self.add_named(id, &[Before], "timers.target", &reason);
                self.add_named(id, early, "sysinit.target", &reason);
                if self.nodes[id].loaded.value("Timer", "OnCalendar").is_some() {
                    for target in ["time-sync.target", "time-set.target"] {
                        self.add_named(id, &[After], target, &reason);
                    }
                }
            }
            UnitType::Mount => return self.mount_default(id),
            UnitType::Automount => {
                self.add_named(id, &[Before], "local-fs.target", &reason);
                self.add_named(id, &[After], "local-fs-pre.target", &reason);
                return self.add_named(id, &[Before, Conflicts], "umount.target", &reason);
            }
            UnitType::Swap => {
                self.add_named(id, &[Before], "swap.target", &reason);
                return self.add_named(id, &[Before, Conflicts], "umount.target", &reason);
            }
            UnitType::Target | UnitType::Slice | UnitType::Scope => {}
            UnitType::Device => return,
        }
        self.oomd(id, unit_type);
        if self.nodes[id].name != "shutdown.target" {
            self.add_named(id, &[Before, Conflicts], "shutdown.target", &reason);
        }
    }

    /// `ManagedOOMSwap=kill` and `ManagedOOMMemoryPressure=kill` want systemd-oomd.
    fn oomd(&mut self, id: Id, unit_type: UnitType) {
        let Some(section) = unit_type.section() else {
            return;
        };
        let kill = |key| self.nodes[id].loaded.value(section, key) == Some("kill");
        if kill("ManagedOOMSwap") || kill("ManagedOOMMemoryPressure") {
            self.add_named(
                id,
                &[After, Wants],
                "systemd-oomd.service",
                &Reason::Implicit,
            );
        }
    }

    fn mount_default(&mut self, id: Id) {
        let loaded = &self.nodes[id].loaded;
        if loaded.fragment.is_none() || self.is_extrinsic(id) {
            return;
        }
        let reason = Reason::Default;
        let list = loaded
            .value("Mount", "Options")
            .unwrap_or_default()
            .to_owned();
        let fs_type = loaded.value("Mount", "Type").unwrap_or_default().to_owned();
        let network = options::is_network(&fs_type, &list);
        let (after, before) = if network {
            ("remote-fs-pre.target", "remote-fs.target")
        } else {
            ("local-fs-pre.target", "local-fs.target")
        };
        if !options::yes_no(&list, "nofail", "fail") {
            self.add_named(id, &[Before], before, &reason);
        }
        self.add_named(id, &[After], after, &reason);
        self.add_named(id, &[Before, Conflicts], "umount.target", &reason);
        if network {
            self.add_named(id, &[After], "network.target", &reason);
            self.add_named(id, &[Wants, After], "network-online.target", &reason);
        }
        if fs_type == "tmpfs" {
            self.add_named(id, &[After], "swap.target", &reason);
        }
    }
}
