//! `systemd-sysv-generator`: services for init scripts that have no unit of their own.

use super::{LATE, Run};
use crate::inspect::filesystem::{CONFIG_CAP, FileKind};
use crate::inspect::systemd::load_path::is_backup;
use crate::inspect::systemd::name::{self, UnitType};
use crate::inspect::systemd::tree::Maker;
use std::collections::BTreeMap;

/// Runlevel directories whose `S` links make targets want a script.
const RUNLEVELS: &[(&str, &str)] = &[
    ("rc2.d", "multi-user.target"),
    ("rc3.d", "multi-user.target"),
    ("rc4.d", "multi-user.target"),
    ("rc5.d", "graphical.target"),
];

#[derive(Default)]
struct Script {
    path: String,
    lsb: bool,
    /// `S` number of its runlevel link.
    priority: Option<u32>,
    before: Vec<String>,
    after: Vec<String>,
    wants: Vec<String>,
    wanted_by: Vec<&'static str>,
    aliases: Vec<String>,
}

/// Unit of a script's name (`hwclock.sh` → `hwclock.service`).
fn unit_name(script: &str) -> Option<String> {
    name::mangle(
        script.strip_suffix(".sh").unwrap_or(script),
        UnitType::Service,
    )
}

pub fn generate(run: &mut Run) {
    let mut scripts = enumerate(run);
    if scripts.is_empty() {
        return;
    }
    for (dir, target) in RUNLEVELS {
        for entry in run
            .tree
            .list(&format!("/etc/{dir}"))
            .iter()
            .flat_map(|l| l.iter())
        {
            let number = entry
                .name
                .strip_prefix('S')
                .and_then(|rest| rest.get(..2))
                .and_then(|n| n.parse::<u32>().ok());
            let unit = entry
                .name
                .get(3..)
                .filter(|rest| !rest.is_empty())
                .and_then(unit_name);
            if let (Some(number), Some(script)) =
                (number, unit.and_then(|unit| scripts.get_mut(&unit)))
            {
                script.priority = script.priority.max(Some(number));
                if !script.wanted_by.contains(target) {
                    script.before.push((*target).to_owned());
                    script.wanted_by.push(target);
                }
            }
        }
    }
    for script in scripts.values_mut() {
        let text = run
            .tree
            .fs()
            .read(&script.path, CONFIG_CAP)
            .unwrap_or_default();
        headers(script, &String::from_utf8_lossy(&text));
    }
    for (unit, script) in &scripts {
        write(run, unit, script, &scripts);
    }
}

/// Executable scripts without a native unit.
fn enumerate(run: &Run) -> BTreeMap<String, Script> {
    let mut scripts = BTreeMap::new();
    for entry in run.tree.list("/etc/init.d").iter().flat_map(|l| l.iter()) {
        let path = format!("/etc/init.d/{}", entry.name);
        if is_backup(&entry.name) {
            continue;
        }
        let runs = run
            .tree
            .fs()
            .metadata(&path)
            .is_ok_and(|m| m.kind == FileKind::Regular && m.mode & 0o100 != 0);
        let Some(unit) = unit_name(&entry.name).filter(|_| runs) else {
            continue;
        };
        // A mask or an alias counts as a unit too.
        if run.native_unit(&unit).is_some() {
            continue;
        }
        scripts.entry(unit).or_insert(Script {
            path,
            ..Script::default()
        });
    }
    scripts
}

/// Reads the LSB header of a script.
fn headers(script: &mut Script, text: &str) {
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        match line {
            "### BEGIN INIT INFO" => {
                inside = true;
                script.lsb = true;
            }
            "### END INIT INFO" => inside = false,
            _ if inside => {
                let line = line.trim_start_matches('#').trim_start();
                if let Some((key, value)) = line.split_once(':') {
                    header(script, &key.to_ascii_lowercase(), value);
                }
            }
            _ => {}
        }
    }
}

fn header(script: &mut Script, key: &str, value: &str) {
    for facility in value.split_whitespace() {
        let Some(unit) = translate(&script.path, facility) else {
            continue;
        };
        let target = name::unit_type(&unit) == Some(UnitType::Target);
        match key {
            "provides" if target => {
                script.before.push(unit.clone());
                if unit == "network-online.target" {
                    script.before.push("network.target".into());
                    script.wants.push("network.target".into());
                }
                script.wants.push(unit);
            }
            "provides" => script.aliases.push(unit),
            "required-start" | "should-start" | "x-start-after" => {
                if unit == "network-online.target" {
                    script.wants.push(unit.clone());
                }
                script.after.push(unit);
            }
            "x-start-before" => script.before.push(unit),
            _ => {}
        }
    }
}

/// Unit of an LSB facility; `None` for one that systemd grants anyway.
fn translate(path: &str, facility: &str) -> Option<String> {
    let bare = facility.strip_prefix('$').unwrap_or(facility);
    let known = match bare {
        "local_fs" | "syslog" => return None,
        "network" => "network-online.target",
        "named" => "nss-lookup.target",
        "portmap" => "rpcbind.target",
        "remote_fs" => "remote-fs.target",
        "time" => "time-sync.target",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.to_owned());
    }
    if facility.starts_with('$') {
        let target = format!("{bare}.target");
        return name::kind(&target).map(|_| target);
    }
    let (_, file) = crate::inspect::systemd::tree::split(path);
    if bare == file.strip_suffix(".sh").unwrap_or(file) {
        return None;
    }
    unit_name(bare)
}

fn write(run: &mut Run, unit: &str, script: &Script, all: &BTreeMap<String, Script>) {
    let maker = Maker {
        name: "sysv-generator",
        why: format!("init script {}", script.path),
        origin: None,
    };
    let mut text = format!("[Unit]\nSourcePath={}\n", script.path);
    for (key, units) in [
        ("Before", &script.before),
        ("After", &script.after),
        ("Wants", &script.wants),
    ] {
        for unit in units {
            text.push_str(&format!("{key}={unit}\n"));
        }
    }
    // Scripts without LSB headers follow the numbers of their links.
    for (other_unit, other) in all {
        let (Some(own), Some(number)) = (script.priority, other.priority) else {
            continue;
        };
        if other_unit != unit && !(script.lsb && other.lsb) && own != number {
            let key = if number < own { "After" } else { "Before" };
            text.push_str(&format!("{key}={other_unit}\n"));
        }
    }
    let path = script.path.replace('%', "%%");
    text.push_str(&format!(
        "\n[Service]\nType=forking\nRestart=no\nTimeoutSec=5min\nIgnoreSIGPIPE=no\nKillMode=process\nGuessMainPID=no\nRemainAfterExit=yes\n\
         ExecStart={path} start\nExecStop={path} stop\n"
    ));
    run.file(&format!("{LATE}/{unit}"), text, &maker);
    for target in &script.wanted_by {
        run.pull_in(LATE, target, "wants", unit, &maker);
    }
    for alias in &script.aliases {
        run.overlay
            .link(&format!("{LATE}/{alias}"), unit, maker.clone());
    }
}
