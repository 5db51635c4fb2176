//! The device, the unit, its program and its shell.

use super::*;

const SKIPPED: &str = "nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver was skipped because of an unmet condition check (ConditionPathExists=/dev/hvc0).";
const RACE: &str = "backdoor-device-not-pulled-in";

fn race(boot: Boot) -> Boot {
    boot.foreseen(RACE, Stage::Unit, Cp::ConditionPathExists)
}

#[test]
fn the_users_own_failure() {
    let boot = Boot::new()
        .systemd()
        .kernel(7.755, &format!("systemd[1]: {SKIPPED}"))
        .bound(14.0);
    let verdict = is(race(boot), Stage::Unit, Cp::ConditionPathExists, RACE);
    assert_eq!(verdict.confidence, Confidence::Observed);
    assert_eq!(verdict.foreseen_by, [RACE]);
    assert!(!verdict.racy, "six seconds are never made good");
    assert!(
        verdict
            .margin_ms
            .is_some_and(|ms| (ms + 6245.0).abs() < 1.0),
        "{:?}",
        verdict.margin_ms
    );
    let close = Boot::new().systemd().said(12.05, SKIPPED).bound(13.38);
    assert!(race(close).verdict().racy);
}

#[test]
fn a_watch_that_ended_before_the_device_came_is_still_the_race() {
    let boot = || Boot::new().systemd().said(7.755, SKIPPED);
    is(race(boot()), Stage::Unit, Cp::ConditionPathExists, RACE);
    let unknown = is(
        boot(),
        Stage::Device,
        Cp::VirtioConsoleModule,
        "virtio-console-missing",
    );
    assert_eq!(unknown.confidence, Confidence::Inferred);
}

#[test]
fn old_words_without_the_condition() {
    let boot = Boot::new()
        .systemd()
        .said(7.7, "Condition check resulted in Root shell on hvc0 for the NixOS test driver being skipped.")
        .bound(9.0);
    is(boot, Stage::Unit, Cp::ConditionPathExists, RACE);
}

#[test]
fn other_conditions() {
    let skipped = |condition: &str| {
        Boot::new().systemd().said(
            7.7,
            &format!("nixos-test-backdoor.service - X was skipped because of an unmet condition check ({condition})."),
        )
    };
    is(
        skipped("ConditionPathExists=/dev/hvc1").bound(6.5),
        Stage::Unit,
        Cp::ConditionPathExists,
        "condition-path-never-exists",
    );
    is(
        skipped("ConditionVirtualization=container").bound(6.5),
        Stage::Unit,
        Cp::ConditionPathExists,
        "condition-never-true",
    );
    is(
        skipped("ConditionPathExists=!/dev/hvc0").bound(6.5),
        Stage::Unit,
        Cp::ConditionPathExists,
        "condition-never-true",
    );
}

#[test]
fn the_device_never_comes() {
    let timed_out = |boot: Boot| {
        boot.journal(
            95.0,
            "dev-hvc0.device",
            "systemd",
            "Timed out waiting for device dev-hvc0.device - /dev/hvc0.",
        )
    };
    let wanted = || timed_out(Boot::new().systemd()).said(95.1, SKIPPED);
    is(
        wanted(),
        Stage::Device,
        Cp::VirtioConsoleModule,
        "virtio-console-missing",
    );
    let required = timed_out(Boot::new().systemd()).said(
        95.1,
        "Dependency failed for nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.",
    );
    is(
        required,
        Stage::Device,
        Cp::VirtioConsoleModule,
        "virtio-console-missing",
    );
    for (rule, point) in [
        ("virtio-console-blacklisted", Cp::VirtioConsoleModule),
        ("module-index-stale", Cp::VirtioConsoleModule),
        ("udevd-disabled", Cp::VirtioConsoleModule),
        ("modules-version-mismatch", Cp::KernelInitrd),
    ] {
        let boot = wanted().foreseen(rule, Stage::Device, point);
        is(boot, Stage::Device, point, rule);
    }
    let refused = wanted().kernel(9.0, "virtio_console: version magic '6.0.0-56-cloud-amd64 SMP' should be '6.1.0-56-cloud-amd64 SMP'");
    is(
        refused,
        Stage::Device,
        Cp::VirtioConsoleModule,
        "module-unloadable",
    );
}

#[test]
fn a_device_job_that_still_runs_at_the_end() {
    let boot = Boot::new()
        .systemd()
        .kernel(
            6.5,
            "systemd[1]: Expecting device dev-hvc0.device - /dev/hvc0...",
        )
        .journal(9.0, "a.service", "systemd", "Starting a.service - A...");
    is(
        boot,
        Stage::Device,
        Cp::VirtioConsoleModule,
        "virtio-console-missing",
    );
    let other = Boot::new().systemd().bound(6.4).kernel(
        6.5,
        "systemd[1]: Expecting device dev-ttyS5.device - /dev/ttyS5...",
    );
    is(
        other,
        Stage::Unit,
        Cp::AfterDevice,
        "unit-waits-for-missing-device",
    );
}

#[test]
fn no_console_in_the_arguments() {
    let mut boot = Boot::new().systemd().said(7.7, SKIPPED);
    boot.command = ["qemu-system-x86_64", "-m", "1024"]
        .map(str::to_owned)
        .to_vec();
    let verdict = is(boot, Stage::Device, Cp::Host, "console-not-given");
    assert_eq!(verdict.blame, Blame::Launch);
}

#[test]
fn another_device_that_is_required() {
    let boot = Boot::new()
        .systemd()
        .bound(8.0)
        .journal(95.0, "dev-ttyS5.device", "systemd", "Timed out waiting for device dev-ttyS5.device - /dev/ttyS5.")
        .said(95.1, "Dependency failed for nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.");
    let verdict = is(
        boot,
        Stage::Unit,
        Cp::AfterDevice,
        "unit-waits-for-missing-device",
    );
    assert!(
        verdict
            .cause
            .is_some_and(|c| c.contains("dev-ttyS5.device"))
    );
}

#[test]
fn never_enqueued() {
    let boot = || Boot::new().systemd().bound(8.0).done();
    let bare = is(boot(), Stage::Unit, Cp::UnitEnabled, "backdoor-not-enabled");
    assert_eq!(bare.confidence, Confidence::Inferred);
    // Of several findings the deepest is the cause.
    let half = boot()
        .foreseen("backdoor-not-enabled", Stage::Unit, Cp::UnitEnabled)
        .foreseen(
            "backdoor-package-half-configured",
            Stage::Unit,
            Cp::PackageInstalled,
        );
    let verdict = is(
        half,
        Stage::Unit,
        Cp::PackageInstalled,
        "backdoor-package-half-configured",
    );
    assert_eq!(verdict.alternatives.len(), 1);
    for (rule, point) in [
        ("backdoor-masked", Cp::UnitEnabled),
        ("backdoor-package-missing", Cp::PackageInstalled),
        ("backdoor-wants-link-dangling", Cp::UnitEnabled),
    ] {
        is(
            boot().foreseen(rule, Stage::Unit, point),
            Stage::Unit,
            point,
            rule,
        );
    }
}

#[test]
fn a_refused_unit_file() {
    let boot = Boot::new().systemd().kernel(
        5.9,
        "systemd[1]: nixos-test-backdoor.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.",
    );
    is(
        boot,
        Stage::Unit,
        Cp::ScriptRunnable,
        "backdoor-unit-bad-setting",
    );
}

#[test]
fn the_program_is_not_executed() {
    let exec = |reason: &str| {
        Boot::new()
            .systemd()
            .bound(8.0)
            .said(9.0, "Started nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.")
            .journal(9.1, UNIT, "(kdoor.sh)", &format!("nixos-test-backdoor.service: Failed to execute /usr/lib/nixos-test/backdoor.sh: {reason}"))
            .said(9.2, "nixos-test-backdoor.service: Main process exited, code=exited, status=203/EXEC")
    };
    for (reason, cause) in [
        ("No such file or directory", "script-missing"),
        ("Permission denied", "script-not-executable"),
        ("Exec format error", "script-interpreter-missing"),
    ] {
        is(exec(reason), Stage::Script, Cp::ScriptRunnable, cause);
    }
    let crlf = exec("No such file or directory").foreseen(
        "script-interpreter-missing",
        Stage::Script,
        Cp::ScriptRunnable,
    );
    is(
        crlf,
        Stage::Script,
        Cp::ScriptRunnable,
        "script-interpreter-missing",
    );
}

#[test]
fn the_script_fails() {
    let failed = |status: &str, words: &str| {
        Boot::new()
            .systemd()
            .bound(8.0)
            .said(9.0, "Started nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.")
            .journal(9.1, UNIT, "backdoor.sh", words)
            .said(9.2, &format!("nixos-test-backdoor.service: Main process exited, code=exited, status={status}"))
    };
    is(
        failed(
            "1/FAILURE",
            "/usr/lib/nixos-test/backdoor.sh: line 9: /dev/hvc1: No such file or directory",
        ),
        Stage::Script,
        Cp::StdioRedirect,
        "script-redirects-elsewhere",
    );
    is(
        failed(
            "127/n/a",
            "/usr/lib/nixos-test/backdoor.sh: line 3: fuser: command not found",
        ),
        Stage::Script,
        Cp::ScriptRunnable,
        "script-tool-missing",
    );
    let hidden = failed("1/FAILURE", "line 9: /dev/hvc0: No such file or directory").foreseen(
        "device-hidden-by-sandbox",
        Stage::Script,
        Cp::StdioRedirect,
    );
    is(
        hidden,
        Stage::Script,
        Cp::StdioRedirect,
        "device-hidden-by-sandbox",
    );
}

#[test]
fn the_script_is_silent_or_says_the_wrong_thing() {
    let started = || {
        Boot::new().systemd().bound(8.0).said(
            9.0,
            "Started nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.",
        )
    };
    is(started(), Stage::Shell, Cp::StdioRedirect, "script-silent");
    is(
        started().foreseen(
            "script-waits-for-missing-device",
            Stage::Shell,
            Cp::ScriptRunnable,
        ),
        Stage::Shell,
        Cp::ScriptRunnable,
        "script-waits-for-missing-device",
    );
    is(
        started().shell(19.5, "Spawning root shell..."),
        Stage::Shell,
        Cp::StdioRedirect,
        "magic-line-missing",
    );
    is(
        started().journal(9.5, UNIT, "backdoor.sh", "Spawning backdoor root shell..."),
        Stage::Shell,
        Cp::StdioRedirect,
        "script-redirects-elsewhere",
    );
}

#[test]
fn others_on_the_shell_device() {
    let boot = || Boot::new().systemd().bound(8.0);
    is(
        boot().shell(25.0, "isar login: "),
        Stage::Shell,
        Cp::GettyMasking,
        "getty-owns-shell-device",
    );
    is(
        boot().shell(25.0, "[   12.345678] random: crng init done"),
        Stage::Shell,
        Cp::CmdlineConsole,
        "console-on-shell-device",
    );
}

#[test]
fn a_unit_that_it_requires_failed() {
    let boot = Boot::new()
        .systemd()
        .bound(8.0)
        .said(9.0, "prepare-board.service: Failed with result 'exit-code'.")
        .said(9.1, "Failed to start prepare-board.service - Prepare the board.")
        .said(9.2, "Dependency failed for nixos-test-backdoor.service - Root shell on hvc0 for the NixOS test driver.");
    let verdict = is(boot, Stage::Unit, Cp::AfterDevice, "dependency-failed");
    assert!(
        verdict
            .cause
            .is_some_and(|c| c.contains("prepare-board.service"))
    );
}

#[test]
fn what_keeps_systemd_from_starting_the_program() {
    let boot = |text: &str| {
        Boot::new().systemd().bound(8.0).said(9.0, text).said(
            9.5,
            "nixos-test-backdoor.service: Start request repeated too quickly.",
        )
    };
    for text in [
        "nixos-test-backdoor.service: Failed to load environment files: No such file or directory",
        "nixos-test-backdoor.service: Main process exited, code=exited, status=217/USER",
    ] {
        is(
            boot(text),
            Stage::Script,
            Cp::ScriptRunnable,
            "start-setup-failed",
        );
    }
    let late = "nixos-test-backdoor.service: start operation timed out. Terminating.";
    is(
        boot(late),
        Stage::Script,
        Cp::ScriptRunnable,
        "unit-start-timeout",
    );
}
