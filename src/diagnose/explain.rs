//! Which findings of `inspect` explain what a boot showed: the boot names the effect, the image holds the cause.

use super::Predicted;

/// Observed cause → rules that can be behind it, the deepest first. A rule that bears the observed cause's own name always
/// explains it; it stands in the list where another would be deeper.
const EXPLAINS: &[(&str, &[&str])] = &[
    (
        "esp-loader-missing",
        &[
            "partition-table-unreadable",
            "esp-filesystem-corrupt",
            "esp-loader-missing",
            "esp-loader-invalid",
        ],
    ),
    (
        "esp-loader-invalid",
        &["esp-filesystem-corrupt", "esp-loader-invalid"],
    ),
    ("esp-filesystem-corrupt", &["partition-table-unreadable"]),
    (
        "loader-crashed",
        &[
            "uki-sections-overlap",
            "esp-loader-invalid",
            "kernel-corrupt",
        ],
    ),
    (
        "loader-entry-kernel-missing",
        &[
            "esp-filesystem-corrupt",
            "loader-entry-kernel-missing",
            "kernel-corrupt",
        ],
    ),
    (
        "loader-entry-initrd-missing",
        &["esp-filesystem-corrupt", "loader-entry-initrd-missing"],
    ),
    (
        "kernel-corrupt",
        &[
            "esp-filesystem-corrupt",
            "loader-entry-kernel-missing",
            "kernel-corrupt",
            "uki-sections-overlap",
        ],
    ),
    (
        "loader-entries-missing",
        &[
            "esp-filesystem-corrupt",
            "loader-entries-missing",
            "loader-entry-kernel-missing",
        ],
    ),
    // systemd-boot leaves out entries whose kernel is not there; what remains is its own menu.
    (
        "loader-menu-waits",
        &[
            "esp-filesystem-corrupt",
            "loader-entries-missing",
            "loader-entry-kernel-missing",
            "loader-menu-waits",
        ],
    ),
    (
        "grub-file-missing",
        &[
            "grub-rootfs-unreadable",
            "grub-file-missing",
            "loader-entry-kernel-missing",
            "loader-entry-initrd-missing",
        ],
    ),
    (
        "grub-rootfs-unreadable",
        &["grub-rootfs-unreadable", "rootfs-corrupt"],
    ),
    (
        "initrd-corrupt",
        &["initrd-compression-unsupported", "initrd-corrupt"],
    ),
    (
        "initrd-compression-unsupported",
        &["initrd-compression-unsupported", "initrd-corrupt"],
    ),
    (
        "initrd-not-named",
        &[
            "initrd-compression-unsupported",
            "initrd-corrupt",
            "initrd-not-named",
            "loader-entry-initrd-missing",
            "uki-cmdline-missing",
            "root-not-found",
            "rootfs-corrupt",
        ],
    ),
    (
        "kernel-panic",
        &[
            "initrd-compression-unsupported",
            "initrd-corrupt",
            "initrd-not-named",
            "init-libraries-missing",
            "init-missing",
            "init-not-systemd",
        ],
    ),
    (
        "initrd-gave-up",
        &[
            "initrd-break",
            "grub-slot-empty",
            "root-not-found",
            "root-name-not-virtio",
            "root-driver-not-in-initrd",
            "root-driver-blacklisted",
            "uki-cmdline-missing",
            "initrd-corrupt",
            "rootfstype-wrong",
            "rootfs-corrupt",
            "init-missing",
        ],
    ),
    (
        "root-mount-failed",
        &[
            "grub-slot-empty",
            "rootfstype-wrong",
            "root-driver-blacklisted",
            "rootfs-corrupt",
            "rootfs-needs-fsck",
        ],
    ),
    (
        "root-not-found",
        &[
            "grub-slot-empty",
            "root-not-found",
            "root-name-not-virtio",
            "root-driver-not-in-initrd",
            "root-driver-blacklisted",
            "uki-cmdline-missing",
            "initrd-corrupt",
            "rootfs-corrupt",
        ],
    ),
    (
        "rootfs-corrupt",
        &["grub-slot-empty", "rootfs-corrupt", "rootfs-needs-fsck"],
    ),
    (
        "rootfs-needs-fsck",
        &["rootfs-needs-fsck", "rootfs-corrupt"],
    ),
    ("init-missing", &["init-missing", "init-libraries-missing"]),
    ("systemd-frozen", &["init-libraries-missing"]),
    (
        "init-killed",
        &[
            "init-libraries-missing",
            "init-missing",
            "init-not-systemd",
            "rootfs-corrupt",
        ],
    ),
    (
        "emergency-mode",
        &[
            "rootfs-needs-fsck",
            "fstab-device-missing",
            "default-target-misses-unit",
            "ordering-cycle",
        ],
    ),
    ("mount-failed", &["fstab-device-missing"]),
    (
        "fstab-device-missing",
        &["udevd-disabled", "fstab-device-missing"],
    ),
    (
        "virtio-console-missing",
        &[
            "udevd-disabled",
            "modules-version-mismatch",
            "virtio-console-blacklisted",
            "virtio-console-install-overridden",
            "module-unloadable",
            "virtio-console-missing",
            "module-index-stale",
        ],
    ),
    (
        "module-unloadable",
        &[
            "modules-version-mismatch",
            "module-unloadable",
            "virtio-console-blacklisted",
            "virtio-console-install-overridden",
        ],
    ),
    (
        "condition-never-true",
        &["condition-never-true", "condition-path-never-exists"],
    ),
    (
        "condition-path-never-exists",
        &["condition-path-never-exists", "condition-never-true"],
    ),
    (
        "unit-waits-for-missing-device",
        &[
            "udevd-disabled",
            "unit-waits-for-missing-device",
            "wait-online-before-unit",
        ],
    ),
    (
        "unit-waits-for-job",
        &[
            "udevd-disabled",
            "unit-waits-for-missing-device",
            "wait-online-before-unit",
            "fstab-device-missing",
        ],
    ),
    (
        "dependency-failed",
        &["unit-waits-for-missing-device", "fstab-device-missing"],
    ),
    (
        "backdoor-package-missing",
        &[
            "backdoor-package-missing",
            "backdoor-package-half-configured",
            "units-outside-unit-path",
        ],
    ),
    (
        "backdoor-not-enabled",
        &[
            "default-target-misses-unit",
            "backdoor-package-missing",
            "backdoor-package-half-configured",
            "backdoor-masked",
            "backdoor-unit-bad-setting",
            "backdoor-wants-link-dangling",
            "backdoor-not-enabled",
            "ordering-cycle",
            // Silence alone does not tell a unit that was skipped from one that was never enqueued.
            "condition-path-never-exists",
            "condition-never-true",
            "backdoor-device-not-pulled-in",
        ],
    ),
    (
        "script-missing",
        &[
            "script-interpreter-missing",
            "script-not-executable",
            "script-missing",
            "backdoor-package-half-configured",
        ],
    ),
    (
        "script-interpreter-missing",
        &["script-interpreter-missing", "script-missing"],
    ),
    ("script-not-executable", &["script-not-executable"]),
    (
        "start-setup-failed",
        &["unit-prerequisite-missing", "device-hidden-by-sandbox"],
    ),
    (
        "stdio-setup-failed",
        &[
            "unit-prerequisite-missing",
            "device-hidden-by-sandbox",
            "script-redirects-elsewhere",
        ],
    ),
    (
        "script-failed",
        &[
            "script-tool-missing",
            "device-hidden-by-sandbox",
            "script-redirects-elsewhere",
            "script-interpreter-missing",
        ],
    ),
    (
        "script-redirects-elsewhere",
        &["device-hidden-by-sandbox", "script-redirects-elsewhere"],
    ),
    (
        "script-silent",
        &[
            "script-waits-for-missing-device",
            "device-hidden-by-sandbox",
            "script-redirects-elsewhere",
            "magic-line-missing",
            "console-on-shell-device",
        ],
    ),
    (
        "magic-line-missing",
        &["magic-line-missing", "script-redirects-elsewhere"],
    ),
    (
        "shell-no-answer",
        &[
            "shell-not-raw",
            "shell-interactive",
            "getty-owns-shell-device",
            "console-on-shell-device",
            "log-to-shell-device",
        ],
    ),
    ("shell-not-raw", &["shell-not-raw", "shell-interactive"]),
    ("shell-interactive", &["shell-interactive", "shell-not-raw"]),
    ("unit-stopped", &["getty-owns-shell-device"]),
    (
        "console-on-shell-device",
        &["console-on-shell-device", "log-to-shell-device"],
    ),
    (
        "log-to-shell-device",
        &["log-to-shell-device", "console-on-shell-device"],
    ),
];

/// The finding that explains an observed cause best.
pub fn finding<'a>(observed: &str, predicted: &'a [Predicted]) -> Option<&'a Predicted> {
    let rules = EXPLAINS
        .iter()
        .find(|(cause, _)| *cause == observed)
        .map_or(&[][..], |(_, rules)| rules);
    let named = |rule: &str| predicted.iter().find(|p| p.rule == rule);
    rules.iter().copied().chain([observed]).find_map(named)
}

/// All findings that could explain an observed cause.
pub fn could_explain(observed: &str, rule: &str) -> bool {
    observed == rule
        || EXPLAINS
            .iter()
            .any(|(cause, rules)| *cause == observed && rules.contains(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::critical_point::CriticalPoint;
    use crate::stage::Stage;

    fn predicted(rule: &str) -> Predicted {
        Predicted {
            rule: rule.into(),
            error: true,
            standing: None,
            stage: Stage::Rootfs,
            critical_point: CriticalPoint::RootDevice,
            message: String::new(),
            location: Default::default(),
            fix: None,
        }
    }

    #[test]
    fn the_deepest_finding_explains() {
        let all = ["root-driver-not-in-initrd", "root-not-found"].map(predicted);
        let found = finding("root-not-found", &all);
        assert_eq!(found.map(|p| p.rule.as_str()), Some("root-not-found"));
        assert_eq!(
            finding("root-not-found", &all[..1]).map(|p| p.rule.as_str()),
            Some("root-driver-not-in-initrd")
        );
        assert_eq!(finding("shell-not-raw", &all), None);
    }

    #[test]
    fn every_rule_named_is_a_rule() {
        for (cause, rules) in EXPLAINS {
            for rule in *rules {
                let page = format!("{}/rules/{rule}.yaml", env!("CARGO_MANIFEST_DIR"));
                assert!(std::path::Path::new(&page).exists(), "{cause}: {rule}");
            }
        }
    }
}
