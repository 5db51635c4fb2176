//! Dependencies that follow from a unit's type and settings (systemd.unit(5), systemd.service(5) and the other types' pages,
//! "Implicit Dependencies").

use super::{Id, Manager, Need};
use crate::inspect::systemd::model::{DependencyKind, LoadState, Reason};
use crate::inspect::systemd::mount_options as options;
use crate::inspect::systemd::name::{self, UnitType};
use crate::inspect::systemd::unit::verify::{
    has_non_accepting_socket, listens, mount_point, service_type,
};
use DependencyKind::*;

impl Manager<'_> {
    pub(super) fn add_implicit(&mut self, id: Id, unit_type: UnitType) {
        match unit_type {
            UnitType::Service => {
                self.exec_dependencies(id, "Service");
                self.slice_dependencies(id, "Service");
                self.service(id);
            }
            UnitType::Socket => self.socket(id),
            UnitType::Mount => self.mount(id),
            UnitType::Swap => self.swap(id),
            UnitType::Automount => self.automount(id),
            UnitType::Timer => self.timer(id),
            UnitType::Path => self.path(id),
            UnitType::Slice | UnitType::Scope => self.slice_dependencies(id, "Slice"),
            UnitType::Target | UnitType::Device => {}
        }
        self.add_default(id, unit_type);
    }

    fn text(&self, id: Id, section: &str, key: &str) -> Option<String> {
        self.nodes[id].loaded.value(section, key).map(str::to_owned)
    }

    fn service(&mut self, id: Id) {
        let loaded = &self.nodes[id].loaded;
        if service_type(loaded, self.version()) == "dbus"
            && loaded.value("Service", "BusName").is_some()
        {
            self.add_named(id, &[Requires, After], "dbus.socket", &Reason::Implicit);
        }
    }

    fn triggers(&mut self, id: Id, section: &str, default: UnitType) {
        let explicit = self.text(
            id,
            section,
            if section == "Socket" {
                "Service"
            } else {
                "Unit"
            },
        );
        let target = match explicit {
            Some(target) => Some(target),
            None => name::with_type(&self.nodes[id].name, default),
        };
        if let Some(target) = target {
            self.add_named(id, &[Before, Triggers], &target, &Reason::Implicit);
        }
    }

    fn socket(&mut self, id: Id) {
        if has_non_accepting_socket(&self.nodes[id].loaded) {
            self.triggers(id, "Socket", UnitType::Service);
        }
        let paths: Vec<String> = listens(&self.nodes[id].loaded)
            .filter(|(key, value)| {
                *key != "ListenNetlink" && *key != "ListenMessageQueue" && value.starts_with('/')
            })
            .map(|(_, value)| legacy_run(value))
            .collect();
        for path in paths {
            self.need_mounts(id, &path, Need::Requires, &Reason::Implicit);
        }
        if let Some(interface) = self
            .text(id, "Socket", "BindToDevice")
            .filter(|i| i != "lo" && i != "*")
        {
            self.node(
                id,
                &format!("/sys/subsystem/net/devices/{interface}"),
                BindsTo,
            );
        }
        if self.nodes[id]
            .loaded
            .commands
            .iter()
            .any(|c| c.directive.starts_with("Exec"))
        {
            self.exec_dependencies(id, "Socket");
        }
        self.slice_dependencies(id, "Socket");
    }

    /// A dependency on the device unit of a node (`unit_add_node_dependency`).
    fn node(&mut self, id: Id, path: &str, kind: DependencyKind) {
        if !name::is_device_path(path) {
            return;
        }
        if let Some(device) = name::from_path(path, UnitType::Device) {
            self.add_named(id, &[After, kind], &device, &Reason::Implicit);
        }
    }

    fn block_device(&mut self, id: Id, path: &str) {
        if !path.starts_with("/dev/") {
            return;
        }
        if let Some(escaped) = name::escape_path(path) {
            self.add_named(
                id,
                &[After],
                &format!("blockdev@{escaped}.target"),
                &Reason::Implicit,
            );
        }
    }

    fn mount(&mut self, id: Id) {
        let unit = self.nodes[id].name.clone();
        let Some(point) = mount_point(&unit, &self.nodes[id].loaded, "Mount") else {
            return;
        };
        if unit != "-.mount" {
            self.exec_dependencies(id, "Mount");
        }
        self.slice_dependencies(id, "Mount");
        let from_file = self.nodes[id].loaded.fragment.is_some();
        let what = self
            .text(id, "Mount", "What")
            .filter(|_| from_file)
            .unwrap_or_default();
        let list = self.text(id, "Mount", "Options").unwrap_or_default();
        let fs_type = self.text(id, "Mount", "Type").unwrap_or_default();
        let bind = options::is_bind(&fs_type, &list);
        if !bind
            && name::is_device_path(&what)
            && what != "/dev/root"
            && what != "/dev/nfs"
            && point != "/"
        {
            let bound = options::last(&list, &["x-systemd.device-bound"]);
            let bound_yes = match &bound {
                Some(Some(value)) if self.version() >= 253 => {
                    crate::inspect::systemd::keys::parse_bool(value).unwrap_or(true)
                }
                Some(_) => true,
                None => false,
            };
            self.node(id, &what, if bound_yes { BindsTo } else { Requires });
            if bound.is_none()
                && let Some(device) =
                    name::from_path(&what, UnitType::Device).and_then(|d| self.unit(&d))
            {
                self.add(device, PropagatesStopTo, id, &Reason::Implicit);
            }
            self.block_device(id, &what);
        }
        if point != "/" {
            let parent = point
                .rsplit_once('/')
                .map_or("/", |(dir, _)| if dir.is_empty() { "/" } else { dir });
            self.need_mounts(id, parent, Need::Requires, &Reason::Implicit);
        }
        let network = options::is_network(&fs_type, &list);
        if what.starts_with('/') && (bind || options::has(&list, &["loop"]) || !network) {
            self.need_mounts(id, &what, Need::Requires, &Reason::Implicit);
        }
        let quota = options::has(
            &list,
            &["usrquota", "grpquota", "quota", "usrjquota", "grpjquota"],
        );
        let quota_type = fs_type.is_empty() || options::needs_quota(&fs_type);
        if from_file && self.version() < 254 && quota && quota_type && !bind {
            for service in ["systemd-quotacheck.service", "quotaon.service"] {
                self.add_named(id, &[Before, Wants], service, &Reason::Implicit);
            }
        }
    }

    fn swap(&mut self, id: Id) {
        let unit = self.nodes[id].name.clone();
        let what = self.text(id, "Swap", "What");
        let Some(path) = what.clone().or_else(|| name::to_path(&unit)) else {
            return;
        };
        self.need_mounts(id, &path, Need::Requires, &Reason::Implicit);
        if let Some(what) = what {
            if name::is_device_path(&what) {
                self.node(id, &what, Requires);
                self.block_device(id, &what);
            } else {
                self.add_named(
                    id,
                    &[After],
                    "systemd-remount-fs.service",
                    &Reason::Implicit,
                );
            }
        }
        self.exec_dependencies(id, "Swap");
        self.slice_dependencies(id, "Swap");
    }

    fn automount(&mut self, id: Id) {
        let unit = self.nodes[id].name.clone();
        let Some(point) = mount_point(&unit, &self.nodes[id].loaded, "Automount") else {
            return;
        };
        if let Some(mount) = name::with_type(&unit, UnitType::Mount) {
            self.add_named(id, &[Before, Triggers], &mount, &Reason::Implicit);
        }
        let parent = point
            .rsplit_once('/')
            .map_or("/", |(dir, _)| if dir.is_empty() { "/" } else { dir });
        self.need_mounts(id, parent, Need::Requires, &Reason::Implicit);
    }

    fn timer(&mut self, id: Id) {
        self.triggers(id, "Timer", UnitType::Service);
        if self.nodes[id].loaded.flag("Timer", "Persistent", false) {
            self.need_mounts(
                id,
                "/var/lib/systemd/timers",
                Need::Requires,
                &Reason::Implicit,
            );
        }
    }

    fn path(&mut self, id: Id) {
        self.triggers(id, "Path", UnitType::Service);
        let paths: Vec<String> = self.nodes[id]
            .loaded
            .settings
            .iter()
            .filter(|s| {
                s.section == "Path"
                    && crate::inspect::systemd::keys::list_name("Path", &s.key) == "Path"
            })
            .map(|s| s.value.clone())
            .collect();
        for path in paths {
            self.need_mounts(id, &path, Need::Requires, &Reason::Implicit);
        }
    }

    /// The slice a unit runs in (`unit_set_default_slice`, `unit_add_slice_dependencies`).
    fn slice_dependencies(&mut self, id: Id, section: &str) {
        let unit = self.nodes[id].name.clone();
        let unit_type = self.nodes[id].unit_type;
        if unit_type == UnitType::Slice {
            if let Some(Some(parent)) = name::parent_slice(&unit) {
                self.add_named(id, &[Slice, After, Requires], &parent, &Reason::Implicit);
            }
            return;
        }
        let given = self.text(id, section, "Slice");
        if let Some(given) = &given {
            self.unit(given);
        }
        let given = given.filter(|s| name::unit_type(s) == Some(UnitType::Slice));
        let default = match name::instance(&unit) {
            Some(_) => format!("system-{}.slice", name::escape(name::prefix(&unit))),
            None if matches!(unit.as_str(), "init.scope" | "-.mount") || self.is_extrinsic(id) => {
                "-.slice".into()
            }
            None => "system.slice".into(),
        };
        let slice = given.unwrap_or(default);
        // A unit that is refused afterwards is in its slice, and not ordered after it.
        let kinds: &[DependencyKind] = match self.nodes[id].loaded.refused_late {
            true => &[Slice],
            false => &[Slice, After, Requires],
        };
        self.add_named(id, kinds, &slice, &Reason::Implicit);
    }

    /// A mount that systemd leaves alone.
    pub(super) fn is_extrinsic(&self, id: Id) -> bool {
        let node = &self.nodes[id];
        if node.unit_type != UnitType::Mount {
            return false;
        }
        let list = node.loaded.value("Mount", "Options").unwrap_or_default();
        node.loaded.load != LoadState::NotFound
            && mount_point(&node.name, &node.loaded, "Mount")
                .is_some_and(|point| options::is_extrinsic(&point, list, self.version()))
    }
}

/// `/var/run/x` → `/run/x`.
fn legacy_run(path: &str) -> String {
    match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path.to_owned(),
    }
}
