//! The driver of the shell device must get into the kernel.

use super::{Answer, Check, Context, Violation};
use crate::inspect::error::Fact;
use crate::inspect::modules::{ModuleFacts, ModuleState};
use crate::inspect::source::Location;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The module is built in or its file is there.
    Present,
    /// Nothing forbids it.
    NotBlacklisted,
    /// No `install` line runs something else in its place.
    NotOverridden,
    /// The index files know it.
    Indexed,
    /// The kernel would accept the file.
    Loadable,
    /// udev runs and loads modules.
    UdevRuns,
    /// The modules directory fits the kernel that boots.
    DirectoryFits,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleAvailable {
    /// What is judged.
    pub aspect: Aspect,
    /// Module name; the profile's when absent.
    #[serde(default)]
    pub module: Option<String>,
}

impl Check for ModuleAvailable {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        if self.aspect == Aspect::UdevRuns {
            return udev_runs(cx);
        }
        let modules = known!(cx.facts.modules);
        if self.aspect == Aspect::DirectoryFits {
            return directory_fits(modules);
        }
        let name = self
            .module
            .as_deref()
            .unwrap_or(&cx.profile.module)
            .replace('-', "_");
        let Some(state) = modules.states.get(&name) else {
            return match self.module {
                Some(_) => self.other(modules, &name),
                None => Answer::NotApplicable,
            };
        };
        if state.builtin || !modules.present {
            return if modules.present || state.builtin {
                Answer::Satisfied
            } else {
                Answer::NotApplicable
            };
        }
        match self.aspect {
            Aspect::Present => present(modules, state),
            Aspect::NotBlacklisted => not_blacklisted(cx, state),
            Aspect::NotOverridden => not_overridden(state),
            Aspect::Indexed => indexed(modules, state),
            Aspect::Loadable => loadable(cx, modules, state),
            Aspect::UdevRuns | Aspect::DirectoryFits => Answer::NotApplicable,
        }
    }
}

impl ModuleAvailable {
    /// A module that a team's rule names and the boot chain does not need: only its file is known.
    fn other(&self, modules: &ModuleFacts, name: &str) -> Answer {
        if self.aspect != Aspect::Present {
            let reason = format!(
                "of {name} only the presence is known: the profile and the root device do not need it"
            );
            return Answer::cannot_tell(reason, directory(modules));
        }
        if modules.builtin.contains(name) || modules.index.contains_key(name) {
            return Answer::Satisfied;
        }
        Answer::Violated(vec![Violation::at(
            directory(modules),
            format!("{name} is neither built into the kernel nor among its modules"),
        )])
    }
}

fn directory(modules: &ModuleFacts) -> Location {
    let release = modules.release.as_deref().unwrap_or_default();
    Location::file("rootfs", format!("/usr/lib/modules/{release}"))
}

fn present(modules: &ModuleFacts, state: &ModuleState) -> Answer {
    match &state.file {
        Fact::Known(_) => Answer::Satisfied,
        Fact::Unreadable(error) => Answer::unreadable(error),
        Fact::Absent if state.in_initrd => Answer::Satisfied,
        Fact::Absent => {
            let release = modules.release.as_deref().unwrap_or("this kernel");
            Answer::Violated(vec![Violation::at(
                directory(modules),
                format!(
                    "{}.ko is not in the image, and {release} does not have it built in: the shell device never appears",
                    state.name
                ),
            )])
        }
    }
}

fn not_blacklisted(cx: &Context<'_>, state: &ModuleState) -> Answer {
    let mut violations = Vec::new();
    for word in &state.cmdline_blacklist {
        let message = format!(
            "`{word}` on the kernel command line keeps {} from loading",
            state.name
        );
        let cmdline = cx.facts.cmdline.known();
        let place = cmdline.and_then(|c| c.written(word)?.place.as_ref());
        violations.push(match place {
            Some((origin, _)) => Violation::at_line(origin, message),
            None => Violation::at(Location::default(), message),
        });
    }
    // udev and systemd-modules-load both honour `blacklist` (KMOD_PROBE_APPLY_BLACKLIST).
    for line in &state.blacklisted {
        let message = format!(
            "`blacklist {}` keeps udev from loading it when the device is found",
            state.name
        );
        violations.push(match &line.origin {
            Some(origin) => Violation::at_line(origin, message),
            None => Violation::at(Location::default(), message),
        });
    }
    Answer::from_violations(violations)
}

fn not_overridden(state: &ModuleState) -> Answer {
    let violations = state
        .install
        .iter()
        .filter(|line| {
            !line.argument.contains("modprobe") || !line.argument.contains("--ignore-install")
        })
        .map(|line| {
            let message = format!(
                "modprobe runs `{}` in place of loading {}",
                line.argument, state.name
            );
            match &line.origin {
                Some(origin) => Violation::at_line(origin, message),
                None => Violation::at(Location::default(), message),
            }
        })
        .collect();
    Answer::from_violations(violations)
}

fn indexed(modules: &ModuleFacts, state: &ModuleState) -> Answer {
    if state.file.known().is_none() {
        return Answer::NotApplicable;
    }
    let place = || {
        modules
            .index_problems
            .first()
            .map_or_else(|| directory(modules), |e| e.location.clone())
    };
    let because: Vec<String> = modules
        .index_problems
        .iter()
        .map(ToString::to_string)
        .collect();
    let message = match (state.in_dep, state.in_alias) {
        (false, _) => format!(
            "{} is in the image but not in modules.dep: depmod did not run after it was installed, so modprobe and udev do not find it",
            state.name
        ),
        (true, false) => format!(
            "no alias of {} in modules.alias fits its device, so udev does not load it",
            state.name
        ),
        (true, true) if !state.missing_dependencies.is_empty() => format!(
            "{} depends on modules that are not in the image: {}",
            state.name,
            state.missing_dependencies.join(", ")
        ),
        (true, true) => return Answer::Satisfied,
    };
    Answer::Violated(vec![Violation::at(place(), message).because(because)])
}

fn loadable(cx: &Context<'_>, modules: &ModuleFacts, state: &ModuleState) -> Answer {
    let Fact::Known(file) = &state.file else {
        return Answer::NotApplicable;
    };
    if let Some(damage) = &state.damage {
        return Answer::Violated(vec![Violation::at(
            file.clone(),
            format!("the kernel cannot load this module: {}", damage.message),
        )]);
    }
    if let (Fact::Known(vermagic), Some(release)) = (&state.vermagic, &modules.release) {
        let built_for = vermagic.split_whitespace().next().unwrap_or_default();
        if built_for != release {
            return Answer::Violated(vec![Violation::at(
                file.clone(),
                format!(
                    "it was built for kernel {built_for}, and {release} boots: the kernel refuses it (version magic)"
                ),
            )]);
        }
    }
    let locked = cx.facts.cmdline.known().is_some_and(|c| {
        c.has("lockdown") || c.words.iter().any(|w| w.key == "module.sig_enforce")
    });
    if locked && state.signed == Some(false) {
        return Answer::Violated(vec![Violation::at(
            file.clone(),
            "the module is not signed, and the kernel accepts only signed ones (lockdown or module.sig_enforce on the command line)",
        )]);
    }
    match &state.vermagic {
        Fact::Unreadable(error) => Answer::unreadable(error),
        _ => Answer::Satisfied,
    }
}

fn directory_fits(modules: &ModuleFacts) -> Answer {
    let Some(release) = &modules.release else {
        return Answer::CannotTell {
            reason: "the kernel's release is not known".into(),
            location: Location::default(),
        };
    };
    if modules.present {
        return Answer::Satisfied;
    }
    let others = if modules.releases.is_empty() {
        "there are no modules at all".to_owned()
    } else {
        format!("the image has modules for {}", modules.releases.join(", "))
    };
    Answer::Violated(vec![Violation::at(
        Location::file("rootfs", "/usr/lib/modules"),
        format!("kernel {release} boots, and {others}: nothing can be loaded at run time"),
    )])
}

/// Units without which no `.device` unit appears and no module is loaded.
const UDEV: &[&str] = &["systemd-udevd.service", "systemd-udev-trigger.service"];

fn udev_runs(cx: &Context<'_>) -> Answer {
    use crate::inspect::systemd::LoadState;
    let systemd = known!(cx.facts.systemd);
    let mut violations = Vec::new();
    for name in UDEV {
        let unit = systemd.unit(name);
        let place = || {
            unit.and_then(|u| u.mask_location.clone().or_else(|| u.fragment.clone()))
                .unwrap_or_default()
        };
        match unit.map(|u| u.load) {
            Some(LoadState::Masked) => violations.push(Violation::at(place(), format!("{name} is masked: no device unit ever becomes active and no module is loaded for a device"))),
            None | Some(LoadState::NotFound) => violations.push(Violation::at(Location::default(), format!("{name} is not in the image: no device unit ever becomes active"))),
            _ => {}
        }
    }
    if violations.is_empty()
        && let Some(udevd) = systemd.unit(UDEV[0])
        && let Some(exec) = udevd
            .exec
            .iter()
            .find(|e| e.directive == "ExecStart" && matches!(e.target, Some(Fact::Absent)))
    {
        violations.push(Violation::at_line(
            &exec.origin,
            format!("{} is not in the image: udevd cannot start", exec.path),
        ));
    }
    Answer::from_violations(violations)
}
