//! Gettys: what `systemd-getty-generator` adds, and which terminals get a login prompt.

use super::generators::{NORMAL, Run};
use super::model::{GettyFact, LoadState, Reason, SystemdFacts, Unit};
use super::name;
use super::tree::Maker;
use crate::inspect::cmdline::Word;
use crate::inspect::source::Location;

/// Consoles of virtualizers for which a getty is always added when the device exists.
const VIRTUALIZER_CONSOLES: &[&str] = &[
    "hvc0",
    "xvc0",
    "hvsi0",
    "sclp_line0",
    "ttysclp0",
    "3270/tty1",
];

/// A virtual terminal (`tty_is_vc`); those have gettys of their own.
fn is_virtual_terminal(tty: &str) -> bool {
    tty.strip_prefix("tty")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `console=` words whose console has a driver, in order.
fn consoles(words: &[Word]) -> impl Iterator<Item = (&str, &Word)> {
    words
        .iter()
        .filter(|w| w.key == "console")
        .filter_map(|word| {
            let tty = word.value.as_deref()?.split(',').next()?;
            Some((tty, word))
        })
}

/// `systemd-getty-generator`.
pub(super) fn generate(run: &mut Run) {
    if run.switch(&["systemd.getty_auto"]) == Some(false) {
        return;
    }
    let words: Vec<Word> = run.words().cloned().collect();
    let exists = |run: &Run, tty: &str| run.inputs.early_devices.contains(&tty);
    for (tty, word) in consoles(&words) {
        if !is_virtual_terminal(tty) && exists(run, tty) {
            let maker = Maker {
                name: "getty-generator",
                why: format!("kernel console {tty}"),
                origin: super::generators::word_origin(word),
            };
            add(run, tty, maker);
        }
    }
    for tty in VIRTUALIZER_CONSOLES {
        if exists(run, tty) {
            let maker = Maker {
                name: "getty-generator",
                why: format!("virtualizer console {tty}"),
                origin: None,
            };
            add(run, tty, maker);
        }
    }
}

fn add(run: &mut Run, tty: &str, maker: Maker) {
    let Some(instance) = name::escape_path(tty) else {
        return;
    };
    let target = run.shipped("serial-getty@.service");
    let link = format!("{NORMAL}/getty.target.wants/serial-getty@{instance}.service");
    run.overlay.link(&link, &target, maker);
}

/// Programs that ask for a login.
const LOGIN_PROGRAMS: &[&str] = &[
    "agetty", "getty", "mingetty", "fgetty", "ngetty", "login", "sulogin",
];

/// Every getty that something in the boot pulls in, also those that are masked.
pub(super) fn facts(systemd: &SystemdFacts) -> Vec<GettyFact> {
    let mut gettys: Vec<GettyFact> = Vec::new();
    let udev = systemd
        .units
        .values()
        .filter(|u| u.name.ends_with(".device"));
    let started = systemd
        .transaction
        .jobs
        .keys()
        .filter_map(|name| systemd.units.get(name));
    for puller in started.chain(udev) {
        for dependency in puller.dependencies.iter().filter(|d| d.kind.pulls_in()) {
            if puller.name.ends_with(".device") && !matches!(dependency.reason, Reason::Udev(_)) {
                continue;
            }
            let Some(unit) = systemd.unit(&dependency.other) else {
                continue;
            };
            let masked = unit.load == LoadState::Masked;
            let starts = systemd.transaction.jobs.contains_key(&unit.name)
                || matches!(dependency.reason, Reason::Udev(_));
            let Some(tty) = terminal(unit).filter(|_| masked || starts) else {
                continue;
            };
            let (by, location) = by(&dependency.reason);
            let fact = GettyFact {
                tty,
                unit: unit.name.clone(),
                by,
                location,
                masked: masked.then(|| unit.masked_by.clone().unwrap_or_default()),
            };
            if !gettys
                .iter()
                .any(|g| g.unit == fact.unit && g.by == fact.by)
            {
                gettys.push(fact);
            }
        }
    }
    gettys
}

/// Who starts it, in words and as a place.
fn by(reason: &Reason) -> (String, Option<Location>) {
    match reason {
        Reason::Line(origin) => ("a unit file".into(), Some(origin.location())),
        Reason::Link(location) => ("a link".into(), Some(location.clone())),
        Reason::Generator(text) => (text.clone(), None),
        Reason::Udev(origin) => ("a udev rule".into(), Some(origin.location())),
        Reason::Preset(origin) => ("a first-boot preset".into(), Some(origin.location())),
        Reason::Implicit | Reason::Default => ("systemd itself".into(), None),
    }
}

/// Terminal of a unit that asks for a login there, by its name or by what it runs.
pub fn terminal(unit: &Unit) -> Option<String> {
    let stem = name::stem(&unit.name);
    let by_name = match stem.split_once('@') {
        Some(("getty" | "serial-getty" | "autovt", instance)) => Some(
            name::unescape_path(instance)?
                .trim_start_matches('/')
                .to_owned(),
        ),
        Some(("container-getty", instance)) => Some(format!("pts/{instance}")),
        None if stem == "console-getty" => Some("console".into()),
        _ => None,
    };
    if by_name.is_some() {
        return by_name;
    }
    let login = unit
        .exec
        .iter()
        .filter(|e| e.directive == "ExecStart")
        .find(|e| {
            let (_, program) = super::tree::split(&e.path);
            LOGIN_PROGRAMS.contains(&program)
        })?;
    let path = unit.value("Service", "TTYPath").map(|s| s.value.as_str());
    let argument = login.arguments.iter().map(String::as_str).find(|a| {
        let bare = a.strip_prefix("/dev/").unwrap_or(a);
        ["tty", "hvc", "pts/", "console", "xvc", "sclp"]
            .iter()
            .any(|p| bare.starts_with(p))
    });
    let tty = argument.or(path)?;
    Some(tty.strip_prefix("/dev/").unwrap_or(tty).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_terminals() {
        assert!(is_virtual_terminal("tty1"));
        assert!(!is_virtual_terminal("ttyS0"));
        assert!(!is_virtual_terminal("tty"));
    }

    #[test]
    fn terminals() {
        let tty = |name: &str| terminal(&Unit::device(name));
        assert_eq!(tty("serial-getty@hvc0.service").as_deref(), Some("hvc0"));
        assert_eq!(tty("getty@tty1.service").as_deref(), Some("tty1"));
        assert_eq!(tty("container-getty@1.service").as_deref(), Some("pts/1"));
        assert_eq!(tty("console-getty.service").as_deref(), Some("console"));
        assert_eq!(tty("ssh.service"), None);
    }
}
