//! Generators of a few lines: offline updates, `rc.local`, `systemd.run=`.

use super::{EARLY, NORMAL, Run, word_origin, word_text};
use crate::inspect::cmdline::{Word, same_key};
use crate::inspect::systemd::tree::Maker;

/// `systemd-system-update-generator`: a link `/system-update` or `/etc/system-update` redirects `default.target`.
pub fn system_update(run: &mut Run) {
    let link = ["/system-update", "/etc/system-update"]
        .into_iter()
        .find(|path| run.tree.fs().symlink_metadata(path).is_ok());
    if let Some(link) = link {
        let maker = Maker {
            name: "system-update-generator",
            why: format!("{link} exists"),
            origin: None,
        };
        let target = run.shipped("system-update.target");
        run.overlay
            .link(&format!("{EARLY}/default.target"), &target, maker);
    }
}

/// `systemd-rc-local-generator`: an executable `/etc/rc.local` is started.
pub fn rc_local(run: &mut Run) {
    let executable = run
        .tree
        .fs()
        .metadata("/etc/rc.local")
        .is_ok_and(|m| m.mode & 0o111 != 0);
    if executable {
        let maker = Maker {
            name: "rc-local-generator",
            why: "/etc/rc.local is executable".into(),
            origin: None,
        };
        let service = run.shipped("rc-local.service");
        run.pull_in(NORMAL, "multi-user.target", "wants", &service, &maker);
    }
}

/// `systemd-run-generator`: `systemd.run=` runs a command in the place of the default target.
pub fn run_command(run: &mut Run) {
    let words: Vec<Word> = run.words().cloned().collect();
    let value = |key: &str| {
        words
            .iter()
            .rfind(|w| same_key(&w.key, key))
            .and_then(|w| w.value.clone())
    };
    let commands: Vec<&Word> = words
        .iter()
        .filter(|w| w.key == "systemd.run" && w.value.is_some())
        .collect();
    let success = value("systemd.run_success_action");
    let Some(word) = commands.first().copied().or_else(|| {
        words
            .iter()
            .find(|w| same_key(&w.key, "systemd.run_success_action"))
    }) else {
        return;
    };
    let maker = Maker {
        name: "run-generator",
        why: format!("{} on the kernel command line", word_text(word)),
        origin: word_origin(word),
    };
    let mut text = String::from(
        "[Unit]\nDescription=Command from Kernel Command Line\nSourcePath=/proc/cmdline\n",
    );
    for (key, action) in [
        ("SuccessAction", success),
        ("FailureAction", value("systemd.run_failure_action")),
    ] {
        let action = action.unwrap_or_else(|| "exit".into());
        if action != "none" {
            text.push_str(&format!("{key}={action}\n"));
        }
    }
    text.push_str("\n[Service]\nType=oneshot\nStandardOutput=journal+console\n");
    for command in commands.iter().filter_map(|w| w.value.as_deref()) {
        text.push_str(&format!("ExecStart={}\n", command.replace('%', "%%")));
    }
    run.file(
        &format!("{NORMAL}/kernel-command-line.service"),
        text,
        &maker,
    );
    let target = "[Unit]\nDescription=Command from Kernel Command Line\nSourcePath=/proc/cmdline\n\
                  Requires=kernel-command-line.service\nAfter=kernel-command-line.service\n";
    run.file(
        &format!("{NORMAL}/kernel-command-line.target"),
        target.into(),
        &maker,
    );
    run.overlay.link(
        &format!("{NORMAL}/default.target"),
        "kernel-command-line.target",
        maker,
    );
}
