//! Levers: changes that need no change to the image, each of which takes one cause away.

use crate::inspect::facts::Facts;
use crate::inspect::systemd::LoadState;
use std::collections::BTreeSet;

/// One thing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Words added to the kernel command line.
    Add(Vec<String>),
    /// The word with this key is replaced.
    Replace {
        /// Key, e.g. `root`.
        key: String,
        /// New value.
        value: String,
    },
    /// Words that begin so are left out.
    Remove(String),
    /// Kernel, initrd and options of the image's own entry, started by QEMU without the loader.
    SkipLoader,
    /// Guest memory in MiB.
    Memory(u64),
    /// A drop-in for a unit, handed over as a credential (systemd.system-credentials(7), `systemd.unit-dropin.*`).
    DropIn {
        /// The unit.
        unit: String,
        /// Content of the drop-in.
        text: String,
    },
}

/// A lever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lever {
    /// As reports name it.
    pub name: String,
    /// What it changes.
    pub change: Change,
    /// It leaves the race open and only makes it likelier to be won.
    pub only_helps: bool,
}

impl Lever {
    fn add(word: impl Into<String>) -> Lever {
        let word = word.into();
        Lever {
            name: word.clone(),
            change: Change::Add(vec![word]),
            only_helps: false,
        }
    }
    fn remove(prefix: &str) -> Lever {
        Lever {
            name: format!("without {prefix}…"),
            change: Change::Remove(prefix.to_owned()),
            only_helps: false,
        }
    }
    fn replace(key: &str, value: &str) -> Lever {
        Lever {
            name: format!("{key}={value}"),
            change: Change::Replace {
                key: key.to_owned(),
                value: value.to_owned(),
            },
            only_helps: false,
        }
    }
    fn drop_in(name: &str, unit: &str, text: impl Into<String>) -> Lever {
        Lever {
            name: name.to_owned(),
            change: Change::DropIn {
                unit: unit.to_owned(),
                text: text.into(),
            },
            only_helps: false,
        }
    }
    fn helping(mut self) -> Lever {
        self.only_helps = true;
        self
    }
}

/// Most experiments for one verdict.
pub const MOST: usize = 4;

/// The levers that could prove or disprove a cause, the most telling first.
pub fn for_cause(cause: &str, facts: &Facts) -> Vec<Lever> {
    let profile = &facts.profile;
    let unit = facts.backdoor.as_deref().unwrap_or(&profile.unit);
    let device = format!("dev-{}.device", profile.device);
    let cmdline_has = |prefix: &str| {
        facts
            .cmdline
            .known()
            .is_some_and(|c| c.words.iter().any(|w| w.key.starts_with(prefix)))
    };
    let without = |keys: &[&str]| -> Vec<Lever> {
        let words = facts.cmdline.known().into_iter().flat_map(|c| &c.words);
        let named: BTreeSet<String> = words
            .filter(|w| keys.contains(&w.key.as_str()))
            .map(|w| match w.value {
                Some(_) => format!("{}=", w.key),
                None => w.key.clone(),
            })
            .collect();
        named.iter().map(|word| Lever::remove(word)).collect()
    };
    let mut levers = match cause {
        "backdoor-device-not-pulled-in" => vec![
            Lever::add(format!("systemd.wants={device}")),
            Lever::add(format!("modules_load={}", profile.module)).helping(),
        ],
        "virtio-console-blacklisted" | "root-driver-blacklisted" => {
            without(&["module_blacklist", "modprobe.blacklist"])
        }
        "initrd-break" => without(&["break", "rd.break"]),
        "rootfstype-wrong" => without(&["rootfstype"]),
        "init-not-systemd" if cmdline_has("init") => without(&["init"]),
        "getty-owns-shell-device" => gettys(facts)
            .into_iter()
            .map(|g| Lever::add(format!("systemd.mask={g}")))
            .collect(),
        "backdoor-not-enabled" | "backdoor-wants-link-dangling" => {
            vec![Lever::add(format!("systemd.wants={unit}"))]
        }
        "backdoor-masked" if cmdline_has("systemd.mask") => vec![Lever::remove("systemd.mask=")],
        "default-target-misses-unit" => target(facts),
        "fstab-device-missing" => vec![Lever::add("fstab=no")],
        "firstboot-prompts" => vec![Lever::add("systemd.firstboot=no")],
        "console-on-shell-device" => vec![Lever::remove(&format!("console={}", profile.device))],
        "log-to-shell-device" => vec![Lever::add("systemd.journald.forward_to_console=0")],
        "root-not-found" | "root-name-not-virtio" => root(facts),
        "init-missing" | "init-not-systemd" => init(facts),
        "loader-entries-missing"
        | "loader-menu-waits"
        | "esp-loader-missing"
        | "esp-loader-invalid"
        | "loader-unsigned"
        | "loader-crashed" => {
            vec![Lever {
                name: "kernel and initrd started without the loader".into(),
                change: Change::SkipLoader,
                only_helps: false,
            }]
        }
        "memory-too-small" => vec![Lever {
            name: "2048 MiB of memory".into(),
            change: Change::Memory(2048),
            only_helps: false,
        }],
        "condition-never-true" | "condition-path-never-exists" => {
            let mut levers = condition(facts, unit);
            if takes_drop_ins(facts) {
                let text = "[Unit]\nConditionPathExists=\nAssertPathExists=\n";
                levers.push(Lever::drop_in("drop-in without the conditions", unit, text));
            }
            levers
        }
        "script-not-executable" | "script-interpreter-missing" if takes_drop_ins(facts) => {
            by_shell(facts, unit)
        }
        _ => Vec::new(),
    };
    levers.truncate(MOST);
    levers
}

/// Gettys that would start on the shell device.
fn gettys(facts: &Facts) -> Vec<String> {
    let Some(systemd) = facts.systemd.known() else {
        return Vec::new();
    };
    systemd
        .gettys
        .iter()
        .filter(|g| g.tty == facts.profile.device && g.masked.is_none())
        .map(|g| g.unit.clone())
        .collect()
}

/// The target the boot goes to, put right; a word of the command line is taken away rather than outvoted.
fn target(facts: &Facts) -> Vec<Lever> {
    let words = ["systemd.unit", "single", "rescue", "emergency"];
    let word = facts
        .cmdline
        .known()
        .and_then(|c| c.words.iter().find(|w| words.contains(&w.key.as_str())));
    match word {
        Some(word) => vec![Lever::remove(&word.key)],
        None => vec![Lever::add("systemd.unit=multi-user.target")],
    }
}

/// `root=` put right with the partition that holds the system.
fn root(facts: &Facts) -> Vec<Lever> {
    let disk = facts.disk.known();
    let partition = facts
        .rootfs
        .known()
        .and_then(|r| disk?.partitions.iter().find(|p| p.id == r.partition));
    partition
        .filter(|p| !p.partuuid.is_empty())
        .map(|p| Lever::replace("root", &format!("PARTUUID={}", p.partuuid)))
        .into_iter()
        .collect()
}

/// Another program for PID 1, when the image has one.
fn init(facts: &Facts) -> Vec<Lever> {
    let has_systemd = facts
        .systemd
        .known()
        .is_some_and(|s| s.units.contains_key("multi-user.target"));
    if has_systemd {
        vec![Lever::replace("init", "/usr/lib/systemd/systemd")]
    } else {
        Vec::new()
    }
}

/// A condition on the command line, made true.
fn condition(facts: &Facts, unit: &str) -> Vec<Lever> {
    let Some(unit) = facts
        .systemd
        .known()
        .and_then(|s| s.unit(unit))
        .filter(|u| u.load == LoadState::Loaded)
    else {
        return Vec::new();
    };
    unit.values("Unit", "ConditionKernelCommandLine")
        .filter(|s| !s.value.starts_with(['!', '|']))
        .map(|s| Lever::add(s.value.clone()))
        .collect()
}

/// Unit drop-ins are taken from credentials since systemd 256.
fn takes_drop_ins(facts: &Facts) -> bool {
    let systemd = facts.systemd.known();
    let version = systemd.and_then(|s| s.version.as_deref()).unwrap_or("0");
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u32>().is_ok_and(|major| major >= 256)
}

/// The script, handed to bash instead of executed.
fn by_shell(facts: &Facts, unit: &str) -> Vec<Lever> {
    let Some(script) = facts.script.known().and_then(|s| s.location.path.clone()) else {
        return Vec::new();
    };
    let text = format!("[Service]\nExecStart=\nExecStart=/bin/bash {script}\n");
    vec![Lever::drop_in(
        &format!("drop-in ExecStart=/bin/bash {script}"),
        unit,
        text,
    )]
}

/// The command line with a change made.
pub fn changed_options(options: &str, change: &Change) -> String {
    let words = options.split_whitespace();
    match change {
        Change::Add(add) => words
            .map(str::to_owned)
            .chain(add.iter().cloned())
            .collect::<Vec<_>>()
            .join(" "),
        Change::Remove(prefix) => words
            .filter(|w| !w.starts_with(prefix.as_str()))
            .collect::<Vec<_>>()
            .join(" "),
        Change::Replace { key, value } => {
            let others = words
                .filter(|w| w.split('=').next() != Some(key.as_str()))
                .map(str::to_owned);
            others
                .chain([format!("{key}={value}")])
                .collect::<Vec<_>>()
                .join(" ")
        }
        Change::SkipLoader | Change::Memory(_) | Change::DropIn { .. } => options.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_changed_in_one_place() {
        let options = "root=PARTUUID=dead rootwait console=ttyS0 console=hvc0";
        assert_eq!(
            changed_options(options, &Change::Add(vec!["fstab=no".into()])),
            format!("{options} fstab=no")
        );
        assert_eq!(
            changed_options(options, &Change::Remove("console=hvc0".into())),
            "root=PARTUUID=dead rootwait console=ttyS0"
        );
        let root = Change::Replace {
            key: "root".into(),
            value: "/dev/vda2".into(),
        };
        assert_eq!(
            changed_options(options, &root),
            "rootwait console=ttyS0 console=hvc0 root=/dev/vda2"
        );
    }
}
