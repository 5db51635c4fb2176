//! Conditions under which systemd refuses a unit as a whole (`service_verify`, `socket_verify`, …).

use super::{Loaded, is_perpetual, problem};
use crate::inspect::systemd::model::LoadState;
use crate::inspect::systemd::name::{self, UnitType};

/// Checks a loaded unit; a refused one becomes [`LoadState::BadSetting`].
pub fn verify(id: &str, unit_type: UnitType, version: u32, unit: &mut Loaded) {
    // A template is judged only as an instance.
    if name::kind(id) == Some(name::NameKind::Template) {
        return;
    }
    let refused = match unit_type {
        UnitType::Service => service(unit, version),
        UnitType::Socket => socket(unit),
        UnitType::Timer => timer(unit),
        UnitType::Path => path(unit),
        UnitType::Mount if !is_perpetual(id) => mount(id, unit, version),
        UnitType::Automount => automount(id, unit),
        UnitType::Swap => swap(id, unit),
        UnitType::Slice => slice(id, unit),
        _ => None,
    };
    let early = if version >= 256 {
        contexts(unit_type, unit)
    } else {
        None
    };
    if let Some(message) = early.or(refused) {
        unit.problems.push(problem(message, None, true));
        unit.load = LoadState::BadSetting;
        unit.refused_late = early.is_none();
    }
}

/// Newer versions check this before they work out what follows from the settings (`unit_verify_contexts`).
fn contexts(unit_type: UnitType, unit: &Loaded) -> Option<&'static str> {
    let section = unit_type.section()?;
    let home = unit.value(section, "WorkingDirectory") == Some("~");
    if home && unit.flag(section, "DynamicUser", false) {
        return Some("WorkingDirectory=~ is not allowed with DynamicUser=yes");
    }
    pam_kill(unit, section, true)
}

/// The type of a service, given or inferred.
pub fn service_type(unit: &Loaded, version: u32) -> &str {
    if let Some(given) = unit.value("Service", "Type") {
        return given;
    }
    let credentials = [
        "LoadCredential",
        "LoadCredentialEncrypted",
        "SetCredential",
        "SetCredentialEncrypted",
        "ImportCredential",
    ];
    if unit.value("Service", "BusName").is_some() {
        "dbus"
    } else if version >= 256
        && credentials
            .iter()
            .any(|key| unit.value("Service", key).is_some())
    {
        "exec"
    } else if unit.has_command("ExecStart") {
        "simple"
    } else {
        "oneshot"
    }
}

fn service(unit: &Loaded, version: u32) -> Option<&'static str> {
    let start = unit
        .commands
        .iter()
        .filter(|c| c.directive == "ExecStart")
        .count();
    let oneshot = service_type(unit, version) == "oneshot";
    let success = unit
        .value("Unit", "SuccessAction")
        .is_some_and(|a| a != "none");
    if start == 0 && !unit.has_command("ExecStop") && !success {
        return Some("service has no ExecStart=, ExecStop=, or SuccessAction=");
    }
    if !oneshot && start == 0 {
        return Some("service has no ExecStart=, which is only allowed for Type=oneshot");
    }
    if start == 0 && !success && !unit.flag("Service", "RemainAfterExit", false) {
        return Some(
            "service has no ExecStart= and no SuccessAction= and does not have RemainAfterExit=yes",
        );
    }
    if !oneshot && start > 1 {
        return Some(
            "service has more than one ExecStart=, which is only allowed for Type=oneshot",
        );
    }
    if oneshot
        && matches!(
            unit.value("Service", "Restart"),
            Some("always" | "on-success")
        )
    {
        return Some("Restart=always or on-success is not allowed for Type=oneshot");
    }
    if oneshot && version < 256 && unit.value("Service", "RestartForceExitStatus").is_some() {
        return Some("RestartForceExitStatus= is not allowed for Type=oneshot");
    }
    if oneshot && unit.value("Service", "ExitType") == Some("cgroup") {
        return Some("ExitType=cgroup is not allowed for Type=oneshot");
    }
    if service_type(unit, version) == "dbus" && unit.value("Service", "BusName").is_none() {
        return Some("service is of Type=dbus but has no BusName=");
    }
    pam_kill(unit, "Service", true)
}

fn pam_kill(unit: &Loaded, section: &str, allow_mixed: bool) -> Option<&'static str> {
    let kill = unit.value(section, "KillMode").unwrap_or("control-group");
    let fine = kill == "control-group" || (allow_mixed && kill == "mixed");
    (unit.value(section, "PAMName").is_some() && !fine)
        .then_some("PAMName= needs KillMode=control-group or mixed")
}

/// `Listen…=` keys of a socket.
pub fn listens(unit: &Loaded) -> impl Iterator<Item = (&str, &str)> {
    unit.settings
        .iter()
        .filter(|s| s.section == "Socket" && s.key.starts_with("Listen"))
        .map(|s| (s.key.as_str(), s.value.as_str()))
}

/// Whether the socket starts its own service, and not one instance per connection.
pub fn has_non_accepting_socket(unit: &Loaded) -> bool {
    !unit.flag("Socket", "Accept", false)
        || listens(unit).any(|(key, _)| !matches!(key, "ListenStream" | "ListenSequentialPacket"))
}

fn socket(unit: &Loaded) -> Option<&'static str> {
    if listens(unit).next().is_none() {
        return Some("socket has no Listen…= setting");
    }
    let accept = unit.flag("Socket", "Accept", false);
    if accept && has_non_accepting_socket(unit) {
        return Some("Accept=yes with sockets that do not accept");
    }
    if accept && unit.value("Socket", "MaxConnections") == Some("0") {
        return Some("MaxConnections= is too small");
    }
    if accept && unit.value("Socket", "Service").is_some() {
        return Some("Service= is not supported with Accept=yes");
    }
    if let Some(refused) = pam_kill(unit, "Socket", false) {
        return Some(refused);
    }
    let nodes = listens(unit).filter(|(key, value)| {
        *key == "ListenFIFO" || (*key != "ListenSpecial" && value.starts_with('/'))
    });
    if unit.value("Socket", "Symlinks").is_some() && nodes.count() != 1 {
        return Some("Symlinks= with none or more than one node in the file system");
    }
    None
}

fn timer(unit: &Loaded) -> Option<&'static str> {
    let on = |s: &crate::inspect::systemd::model::Setting| {
        s.section == "Timer"
            && match s.key.as_str() {
                "OnClockChange" | "OnTimezoneChange" => {
                    crate::inspect::systemd::keys::parse_bool(&s.value) == Some(true)
                }
                key => crate::inspect::systemd::keys::list_name("Timer", key) == "On",
            }
    };
    (!unit.settings.iter().any(on)).then_some("timer has no On…= setting")
}

fn path(unit: &Loaded) -> Option<&'static str> {
    let specified = unit.settings.iter().any(|s| {
        s.section == "Path" && crate::inspect::systemd::keys::list_name("Path", &s.key) == "Path"
    });
    (!specified).then_some("path unit has no path setting")
}

/// File systems that systemd itself mounts and takes no units for (`mount_point_is_api`, `mount_point_ignore`).
pub fn is_api_mount(path: &str, version: u32) -> bool {
    const PATHS: &[&str] = &[
        "/sys",
        "/proc",
        "/dev",
        "/dev/shm",
        "/dev/pts",
        "/run",
        "/sys/fs/cgroup",
        "/sys/fs/pstore",
        "/sys/fs/bpf",
        "/sys/fs/smackfs",
        "/sys/fs/selinux",
        "/sys/firmware/efi/efivars",
        "/sys/kernel/security",
        "/dev/console",
        "/proc/kmsg",
        "/proc/sys",
        "/proc/sys/kernel/random/boot_id",
    ];
    let below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Debian's own patch, gone with trixie.
    let lock = path == "/run/lock" && version < 257;
    PATHS.contains(&path) || lock || below("/sys/fs/cgroup") || below("/run/host")
}

/// The mount point of a mount or automount.
pub fn mount_point(id: &str, unit: &Loaded, section: &str) -> Option<String> {
    match unit.value(section, "Where") {
        Some(path) => Some(name::simplify_path(path)),
        None => name::to_path(id),
    }
}

fn mount(id: &str, unit: &Loaded, version: u32) -> Option<&'static str> {
    let Some(point) = mount_point(id, unit, "Mount") else {
        return Some("the unit's name is no path");
    };
    if name::from_path(&point, UnitType::Mount).as_deref() != Some(id) {
        return Some("Where= does not match the unit's name");
    }
    if is_api_mount(&point, version) {
        return Some("a mount unit for an API file system cannot be made");
    }
    if unit.value("Mount", "What").is_none() {
        return Some("What= is missing");
    }
    pam_kill(unit, "Mount", false)
}

fn automount(id: &str, unit: &Loaded) -> Option<&'static str> {
    let Some(point) = mount_point(id, unit, "Automount") else {
        return Some("the unit's name is no path");
    };
    if point == "/" {
        return Some("there is no automount for the root directory");
    }
    (name::from_path(&point, UnitType::Automount).as_deref() != Some(id))
        .then_some("Where= does not match the unit's name")
}

fn swap(id: &str, unit: &Loaded) -> Option<&'static str> {
    let what = unit
        .value("Swap", "What")
        .map(str::to_owned)
        .or_else(|| name::to_path(id));
    let named = what.and_then(|path| name::from_path(&path, UnitType::Swap));
    if named.as_deref() != Some(id) {
        return Some("What= does not match the unit's name");
    }
    pam_kill(unit, "Swap", false)
}

fn slice(id: &str, unit: &Loaded) -> Option<&'static str> {
    let Some(parent) = name::parent_slice(id) else {
        return Some("slice name is not valid");
    };
    match (unit.value("Slice", "Slice"), parent) {
        (Some(given), Some(parent)) if given != parent => {
            Some("slice lies outside of its parent slice")
        }
        _ => None,
    }
}
