use super::super::testing::{self, backdoor};
use super::*;
use crate::checks::Violation;
use crate::inspect::facts::Facts;
use crate::rules::Severity;

const HEAD: &str = "#!/bin/bash\n";
const GOOD: &str = "exec < /dev/hvc0 > /dev/hvc0\nstty raw -echo\necho 'Spawning backdoor root shell...'\nPS1= exec bash --norc /dev/hvc0\n";

fn judge(facts: &Facts, aspect: Aspect) -> Answer {
    let check = ScriptText {
        aspect,
        devices: Vec::new(),
    };
    check.judge(&Context::new(facts))
}
fn with(text: &str, aspect: Aspect) -> Answer {
    let mut facts = testing::healthy();
    testing::script(&mut facts, &format!("{HEAD}{text}"));
    judge(&facts, aspect)
}
fn violation(answer: Answer) -> Violation {
    match answer {
        Answer::Violated(mut v) => v.remove(0),
        other => panic!("{other:?}"),
    }
}
fn line(answer: Answer) -> u32 {
    violation(answer).location.line.unwrap()
}

#[test]
fn the_contract_script_is_right_in_every_aspect() {
    for aspect in [
        Aspect::Redirects,
        Aspect::PrintsMagic,
        Aspect::SetsRaw,
        Aspect::NotInteractive,
        Aspect::WaitsForExisting,
        Aspect::ToolsPresent,
    ] {
        assert_eq!(
            judge(&testing::healthy(), aspect),
            Answer::Satisfied,
            "{aspect:?}"
        );
    }
}

#[test]
fn streams_that_do_not_reach_the_device() {
    let redirects = |text: &str| with(text, Aspect::Redirects);
    assert_eq!(
        line(redirects("exec </dev/hvc1 >/dev/hvc1\nexec bash\n")),
        2
    );
    assert_eq!(
        line(redirects("D=hvc1\nexec <>/dev/$D 1>&0\nexec bash\n")),
        3
    );
    assert_eq!(
        line(redirects("exec >/dev/vport1p1 </dev/null\nexec sh\n")),
        2
    );
    assert_eq!(
        line(redirects(
            "exec </dev/hvc0 >/dev/hvc0\nexec bash >/dev/ttyS1\n"
        )),
        3
    );
    let half = violation(redirects(
        "exec </dev/hvc0
bash
",
    ));
    assert!(half.message.contains("output"), "{}", half.message);
    assert_eq!(half.location.line, None);
    for right in [
        "exec <>/dev/hvc0 >&0\nexec bash /dev/hvc0\n",
        "D=/dev/hvc0\nexec <\"$D\" >\"${D}\"\nbash\n",
        "exec setsid bash --norc </dev/hvc0 >/dev/hvc0 2>&1\n",
        "exec 3>/dev/ttyS0\nexec 2>&3\nexec </dev/hvc0 >/dev/hvc0\n/bin/sh\n",
    ] {
        assert_eq!(redirects(right), Answer::Satisfied, "{right}");
    }
}

#[test]
fn what_only_a_running_shell_knows_cannot_be_told() {
    let unknown = |text: &str, aspect| matches!(with(text, aspect), Answer::CannotTell { .. });
    assert!(unknown(
        "exec <$(find_dev) >$(find_dev)\nbash\n",
        Aspect::Redirects
    ));
    assert!(unknown("exec socat - /dev/hvc0,rawer\n", Aspect::Redirects));
    assert!(unknown(
        "if [ -e /dev/hvc0 ]; then exec </dev/hvc0 >/dev/hvc0\nelse exec </dev/ttyS1 >/dev/ttyS1; fi\nbash\n",
        Aspect::Redirects
    ));
    assert!(unknown(
        "exec </dev/hvc0 >/dev/hvc0\necho \"$(cat /etc/magic)\"\nbash\n",
        Aspect::PrintsMagic
    ));
    let mut facts = testing::healthy();
    testing::script(&mut facts, "#!/usr/bin/python3\nprint()\n");
    assert!(matches!(
        judge(&facts, Aspect::Redirects),
        Answer::CannotTell { .. }
    ));
}

#[test]
fn systemd_may_connect_the_streams() {
    let unit = |tty: &str| {
        let mut facts = testing::healthy();
        testing::script(&mut facts, "#!/bin/bash\nexec bash\n");
        backdoor(
            &mut facts,
            &format!(
                "[Unit]\nRequires=dev-hvc0.device\nAfter=dev-hvc0.device\n[Service]\nStandardInput=tty\nStandardOutput=inherit\nTTYPath={tty}\nExecStart={}\n",
                testing::SCRIPT
            ),
        );
        judge(&facts, Aspect::Redirects)
    };
    assert_eq!(unit("/dev/hvc0"), Answer::Satisfied);
    let wrong = violation(unit("/dev/hvc1"));
    assert!(wrong.message.contains("is /dev/hvc1"), "{}", wrong.message);
}

#[test]
fn an_inline_script_is_read_too() {
    let mut facts = testing::healthy();
    let mut unit = testing::unit(testing::UNIT, "[Service]\nExecStart=/bin/sh x\n");
    unit.exec[0].arguments = vec!["-c".into(), "exec </dev/hvc1 >/dev/hvc1; exec bash".into()];
    testing::put(&mut facts, unit);
    testing::settle(&mut facts);
    let found = violation(judge(&facts, Aspect::Redirects));
    assert_eq!(
        found.location.path.as_deref(),
        Some("/usr/lib/systemd/system/nixos-test-backdoor.service")
    );
}

#[test]
fn opening_the_device_too_early_is_a_defect_unless_it_is_tried_again() {
    let early = |unit: &str| {
        let mut facts = testing::healthy();
        testing::script(&mut facts, &format!("{HEAD}{GOOD}"));
        backdoor(
            &mut facts,
            &format!("[Unit]\nDefaultDependencies=no\n{unit}\nExecStart=/x\n"),
        );
        judge(&facts, Aspect::Redirects)
    };
    assert_eq!(line(early("[Service]")), 2);
    assert_eq!(line(early("[Service]\nRestart=on-failure")), 2);
    for retried in [
        "[Service]\nRestart=always\nRestartSec=5",
        "StartLimitIntervalSec=0\n[Service]\nRestart=on-failure",
        "After=dev-hvc0.device\nWants=dev-hvc0.device\n[Service]",
        "[Service]\nExecStartPre=/bin/udevadm wait /dev/hvc0",
        // The other rule's.
        "ConditionPathExists=/dev/hvc0\n[Service]",
    ] {
        assert_eq!(early(retried), Answer::Satisfied, "{retried}");
    }
    let waits = format!("until [ -c /dev/hvc0 ]; do sleep 1; done\n{GOOD}");
    let mut facts = testing::healthy();
    testing::script(&mut facts, &format!("{HEAD}{waits}"));
    backdoor(
        &mut facts,
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/x\n",
    );
    assert_eq!(judge(&facts, Aspect::Redirects), Answer::Satisfied);
}

#[test]
fn the_magic_line_must_be_printed_on_the_device() {
    let magic = |text: &str| with(text, Aspect::PrintsMagic);
    let open = "exec </dev/hvc0 >/dev/hvc0\n";
    assert_eq!(
        line(magic(&format!("{open}echo Spawning root shell...\n"))),
        3
    );
    assert_eq!(
        violation(magic(&format!("{open}bash\n"))).location.line,
        None
    );
    assert_eq!(
        line(magic(&format!(
            "{open}echo 'Spawning backdoor root shell...' >&2\n"
        ))),
        3
    );
    assert_eq!(
        line(magic(&format!(
            "echo 'Spawning backdoor root shell...'\n{open}"
        ))),
        2
    );
    for right in [
        "M=backdoor\necho Spawning $M root shell...\n",
        "printf '%s\\n' \"Spawning backdoor root shell...\"\n",
        "cat <<EOF\nSpawning backdoor root shell...\nEOF\n",
        "awk 'BEGIN { print \"Spawning backdoor root shell...\" }'\n",
    ] {
        assert_eq!(
            magic(&format!("{open}{right}")),
            Answer::Satisfied,
            "{right}"
        );
    }
}

#[test]
fn terminal_mode_and_interactive_shells() {
    let open = "exec </dev/hvc0 >/dev/hvc0\n";
    assert_eq!(line(with(open, Aspect::SetsRaw)), 2);
    assert!(
        violation(with(&format!("{open}stty raw\n"), Aspect::SetsRaw))
            .message
            .contains("still echoes")
    );
    assert_eq!(
        with(
            &format!("{open}stty -F /dev/hvc0 raw -echo\n"),
            Aspect::SetsRaw
        ),
        Answer::Satisfied
    );
    let shell = |text: &str| with(&format!("{open}{text}"), Aspect::NotInteractive);
    assert_eq!(line(shell("exec bash --norc -i\n")), 3);
    assert_eq!(line(shell("exec bash --norc 2>&1\n")), 3);
    assert_eq!(line(shell("exec 2>&1\nsh -s x\n")), 4);
    assert_eq!(
        violation(shell("exec bash --norc 2>/dev/ttyS0\n")).severity,
        Some(Severity::Pedantic)
    );
    // The error stream is the journal.
    assert_eq!(shell("exec bash --norc\n"), Answer::Satisfied);
    assert_eq!(
        shell("exec env bash --norc /dev/hvc0 2>&1\n"),
        Answer::Satisfied
    );
}

#[test]
fn waiting_for_what_never_comes() {
    let waits = |text: &str| with(text, Aspect::WaitsForExisting);
    assert_eq!(
        line(waits("while [ ! -e /dev/ttyS7 ]; do sleep 1; done\n")),
        2
    );
    assert_eq!(
        line(waits("D=/dev/hvc9\nuntil test -c $D\ndo sleep 1\ndone\n")),
        3
    );
    assert_eq!(
        line(waits("while ! exec 2>/dev/ttyUSB0; do sleep 1; done\n")),
        2
    );
    assert_eq!(
        waits("while [ ! -e /dev/ttyS0 ]; do sleep 1; done\n"),
        Answer::Satisfied
    );
    assert_eq!(
        waits("[ -e /dev/ttyS7 ] && echo x\n"),
        Answer::NotApplicable
    );
}

#[test]
fn tools_that_are_missing() {
    let tools = |text: &str| {
        let mut facts = testing::healthy();
        testing::script(&mut facts, &format!("{HEAD}{text}"));
        facts.missing_commands = ["fuser", "stty", "bash"].map(str::to_owned).into();
        judge(&facts, Aspect::ToolsPresent)
    };
    let severity = |text| violation(tools(text)).severity;
    assert_eq!(severity("set -e\nfuser -k x\n"), Some(Severity::Error));
    assert_eq!(
        severity("set -o errexit\nfuser -k x\n"),
        Some(Severity::Error)
    );
    assert_eq!(
        severity("set -e\nset +e\nfuser -k x\n"),
        Some(Severity::Warning)
    );
    assert_eq!(severity("stty raw\n"), Some(Severity::Error));
    assert_eq!(severity("exec env bash\n"), Some(Severity::Error));
    for guarded in [
        "set -e\nfuser x || true\n",
        "set -e\nif fuser x; then :; fi\n",
        "set -e\n# fuser\necho fuser\n",
    ] {
        assert_eq!(tools(guarded), Answer::Satisfied, "{guarded}");
    }
}
