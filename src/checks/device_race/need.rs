//! Why the unit needs the device at the moment it starts.

use crate::checks::Context;
use crate::checks::script_text::streams::Target;
use crate::checks::script_text::{self, Script};
use crate::inspect::fnmatch;
use crate::inspect::source::Origin;
use crate::inspect::systemd::{Setting, Unit};

/// The line that needs the device.
#[derive(Debug, Clone)]
pub enum Need<'a> {
    /// A condition or assertion: evaluated once, when the unit's job runs (systemd.unit(5), "Conditions and Asserts").
    Condition(&'a Setting),
    /// systemd opens it for the service: 208/STDIN or 209/STDOUT when it is not there.
    Stdio(&'a Setting),
    /// The script opens it.
    Script(Origin),
}

/// Conditions that are false while a device node does not exist.
const CONDITIONS: &[&str] = &[
    "PathExists",
    "PathExistsGlob",
    "PathIsReadWrite",
    "FileNotEmpty",
];

impl<'a> Need<'a> {
    /// What the unit file itself needs the device for.
    pub fn of(unit: &'a Unit, cx: &Context<'_>) -> Option<Need<'a>> {
        let path = cx.device_path();
        let condition = unit.settings.iter().find(|s| condition_on(unit, s, &path));
        condition
            .map(Need::Condition)
            .or_else(|| stdio(unit, &path).map(Need::Stdio))
    }
}

fn condition_on(unit: &Unit, setting: &Setting, path: &str) -> bool {
    let Some((prefix, kind)) = kind(setting) else {
        return false;
    };
    if setting.section != "Unit" || !CONDITIONS.contains(&kind) || setting.value.contains('!') {
        return false;
    }
    // Of several triggering conditions one is enough, and another one may hold.
    let triggers = |s: &&Setting| {
        s.section == "Unit"
            && s.value.starts_with('|')
            && self::kind(s).is_some_and(|(p, _)| p == prefix)
    };
    if setting.value.starts_with('|') && unit.settings.iter().filter(triggers).count() > 1 {
        return false;
    }
    let value = setting.value.trim_start_matches('|').trim();
    value == path || kind == "PathExistsGlob" && fnmatch::matches(value, path)
}

/// `ConditionPathExists` → `Condition`, `PathExists`.
fn kind(setting: &Setting) -> Option<(&'static str, &str)> {
    ["Condition", "Assert"]
        .into_iter()
        .find_map(|prefix| Some((prefix, setting.key.strip_prefix(prefix)?)))
}

/// The setting by which systemd connects the service to the device (systemd.exec(5), StandardInput=).
fn stdio<'a>(unit: &'a Unit, path: &str) -> Option<&'a Setting> {
    let streams = ["StandardInput", "StandardOutput"]
        .into_iter()
        .filter_map(|key| unit.value("Service", key));
    let mut tty = false;
    for setting in streams {
        let value = setting.value.as_str();
        if let Some((_, file)) = value.split_once(':')
            && file == path
        {
            return Some(setting);
        }
        tty |= value.starts_with("tty");
    }
    unit.value("Service", "TTYPath")
        .filter(|s| tty && s.value == path)
}

/// The script opens the device at once, and is not given another chance.
pub fn streams_need(script: &Script<'_>, cx: &Context<'_>) -> Option<Need<'static>> {
    let path = cx.device_path();
    let opens = script_text::streams::walk(script)
        .steps
        .iter()
        .flat_map(|s| s.streams.values())
        .find(|s| s.line.is_some() && s.target == Target::Path(path.clone()))?
        .line?;
    let waits = script_text::waits_for(script, &path) || prepared(script.unit, cx);
    (!waits && !retried(script.unit)).then(|| Need::Script(script.at(opens)))
}

/// An `ExecStartPre=` waits for the device or loads its driver.
fn prepared(unit: &Unit, cx: &Context<'_>) -> bool {
    unit.exec
        .iter()
        .filter(|e| e.directive == "ExecStartPre")
        .any(|e| {
            let text = format!("{} {}", e.path, e.arguments.join(" "));
            text.contains("udevadm settle")
                || text.contains("udevadm wait")
                || text.contains(&cx.profile.device) && text.contains("sleep")
                || text.contains("modprobe") && text.contains(&cx.profile.module)
        })
}

/// `Restart=` starts it again until the device is there: never more than `StartLimitBurst=` times within
/// `StartLimitIntervalSec=` (systemd.unit(5)), so the pauses must be long enough, or the limit off.
fn retried(unit: &Unit) -> bool {
    let restarts = unit.value("Service", "Restart").is_some_and(|s| {
        matches!(
            s.value.as_str(),
            "always" | "on-failure" | "on-abnormal" | "on-abort"
        )
    });
    let seconds = |section: &str, keys: &[&str], default: f64| {
        keys.iter()
            .find_map(|key| unit.value(section, key))
            .and_then(|s| crate::checks::unit_directive::seconds(&s.value))
            .unwrap_or(default)
    };
    let pause = seconds("Service", &["RestartSec"], 0.1);
    let interval = seconds(
        "Unit",
        &["StartLimitIntervalSec", "StartLimitInterval"],
        10.0,
    );
    let burst = unit
        .value("Unit", "StartLimitBurst")
        .and_then(|s| s.value.parse::<f64>().ok())
        .unwrap_or(5.0);
    restarts && (interval == 0.0 || burst == 0.0 || pause * burst > interval)
}
