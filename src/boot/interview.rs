//! What the doctor asks a guest whose shell answers.

use super::observe::shell::{Plan, Shell};
use std::time::{Duration, Instant};

/// Proof that the protocol works.
const HELLO: &str = "echo isar-doctor is here";
const GREETING: &str = "isar-doctor is here";
/// Between two looks at a guest that is still starting.
const PAUSE: Duration = Duration::from_secs(1);

/// Begins the command of an answer that the test driver got, in a saved log: what it asked is known, and that an answer came.
pub const DRIVER: &str = "(test driver)";

/// Whether an answer proves that commands work: the doctor's own greeting came back, or the test driver got its answer.
pub fn proves_shell(command: &str, output: &str, code: i32) -> bool {
    command.starts_with(DRIVER) || (command == HELLO && code == 0 && output.trim_end() == GREETING)
}

/// Asks until the guest has settled (or `plan.settle` is over), then for its state. Every answer is an observation;
/// so is a shell that breaks, which ends the interview.
pub fn run(shell: &mut Shell<'_>, plan: &Plan) -> Option<()> {
    let hello = shell.ask(HELLO)?;
    if !proves_shell(HELLO, &hello.output, hello.code) {
        shell.broken(
            HELLO,
            format!("{:?}, exit code {}", hello.output, hello.code),
        );
        return None;
    }
    settle(shell, plan.settle)?;
    for command in questions(plan) {
        shell.ask(&command)?;
    }
    Some(())
}

/// A guest can answer while a 90-second device job is still on its way into emergency mode: wait until systemd has no
/// start job left.
fn settle(shell: &mut Shell<'_>, patience: Duration) -> Option<()> {
    let deadline = Instant::now() + patience;
    loop {
        let state = shell.ask("systemctl is-system-running || true")?;
        if !matches!(state.output.trim(), "initializing" | "starting") {
            return Some(());
        }
        if Instant::now() + PAUSE >= deadline || shell.pause(PAUSE) {
            return Some(());
        }
    }
}

/// Names come from the image: quoted for the shell.
fn questions(plan: &Plan) -> Vec<String> {
    let unit = quoted(&plan.unit);
    let device = quoted(&format!("dev-{}.device", plan.device));
    vec![
        "uname -r; cat /proc/cmdline".to_owned(),
        "systemctl --no-pager --plain --no-legend list-jobs || true".to_owned(),
        "systemctl --no-pager --plain --no-legend --failed || true".to_owned(),
        format!(
            "systemctl --no-pager show {unit} -p LoadState,ActiveState,SubState,Result,ConditionResult,\
             ConditionTimestampMonotonic,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,NRestarts,Type,TimeoutStartUSec,\
             FragmentPath,DropInPaths,Requires,Wants,BindsTo,After"
        ),
        owners(&plan.device),
        format!(
            "systemctl --no-pager show {device} -p LoadState,ActiveState,ActiveEnterTimestampMonotonic"
        ),
        "systemctl --no-pager show -p UserspaceTimestampMonotonic,FinishTimestampMonotonic"
            .to_owned(),
    ]
}

/// Begins the question who has the shell device open.
pub const OWNERS: &str = "ls -l /proc/[0-9]*/fd";

/// One line a process: its number and its name.
fn owners(device: &str) -> String {
    let path = format!("/dev/{}", device.replace(['\'', '"', '\\'], ""));
    format!(
        "{OWNERS} 2>/dev/null | awk '/^[/]proc[/]/ {{ p = $1 }} $NF == \"{path}\" {{ print p }}' | sort -u |
         while IFS=/ read -r _ _ p _; do echo \"$p $(cat /proc/$p/comm 2>/dev/null)\"; done"
    )
}

fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_image_cannot_become_commands() {
        let plan = Plan {
            magic: String::new(),
            unit: "a'; reboot; '.service".into(),
            device: "hvc0".into(),
            settle: Duration::ZERO,
        };
        let all = questions(&plan).join("\n");
        assert!(all.contains("show 'a; reboot; .service' -p"));
    }
}
