use super::super::testing::{self, RELEASE, UNIT, backdoor, put, settle, unit};
use super::*;
use crate::inspect::facts::Facts;
use crate::inspect::modules::ModuleLine;
use crate::inspect::source::Origin;
use crate::inspect::systemd::Dependency;
use crate::inspect::udev::SystemdWants;

fn judge(facts: &Facts) -> Answer {
    DeviceRace {}.judge(&Context::new(facts))
}
fn violations(facts: &Facts) -> Vec<Violation> {
    match judge(facts) {
        Answer::Violated(v) => v,
        other => panic!("{other:?}"),
    }
}
/// The unit of the race with other lines in its `[Unit]` section.
fn race_with(lines: &str) -> Facts {
    let mut facts = testing::race();
    let text = facts.systemd.known().unwrap().units[UNIT]
        .source
        .as_ref()
        .unwrap()
        .text
        .replace("Before=multi-user.target\n", lines);
    backdoor(&mut facts, &text);
    facts
}

#[test]
fn the_race_is_found_with_its_reasons() {
    let found = &violations(&testing::race())[0];
    assert_eq!(found.location.line, Some(6));
    assert_eq!(found.confidence, Confidence::Likely);
    assert_eq!(found.severity, None);
    let reasons: Vec<&str> = found.evidence.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "virtio_console is a module of 6.1.0-38-cloud-amd64, not built in",
            "the initrd does not hold it, so /dev/hvc0 appears only when udev's coldplug in the root file system loads it",
            "nothing pulls dev-hvc0.device in: of the 7 jobs of multi-user.target, none wants, requires or binds to it, nor does a udev rule, a generator or a systemd.wants= word",
            "After=dev-hvc0.device only orders jobs that exist; it pulls nothing in",
            "the unit does not wait for sysinit.target, so it starts before udev's coldplug, which loads the driver",
        ]
    );
    assert_eq!(found.evidence[3].location.as_ref().unwrap().line, Some(3));
}

#[test]
fn whatever_pulls_the_device_in_ends_the_race() {
    assert_eq!(
        judge(&race_with("Wants=dev-hvc0.device\n")),
        Answer::Satisfied
    );
    assert_eq!(
        judge(&race_with("BindsTo=dev-hvc0.device\n")),
        Answer::Satisfied
    );
    let mut facts = testing::race();
    put(
        &mut facts,
        unit(
            "basic.target",
            "[Unit]\nRequires=sysinit.target\nWants=dev-hvc0.device\n",
        ),
    );
    settle(&mut facts);
    assert_eq!(judge(&facts), Answer::Satisfied);
}

#[test]
fn pulled_in_without_the_order_is_still_a_race() {
    let mut facts = testing::race();
    backdoor(
        &mut facts,
        "[Unit]\nDefaultDependencies=no\nWants=dev-hvc0.device\nConditionPathExists=/dev/hvc0\n[Service]\nExecStart=/x\n",
    );
    let found = &violations(&facts)[0];
    assert!(found.evidence[2].text.contains("is pulled in, but"));
}

#[test]
fn a_device_that_is_there_before_systemd_is_no_race() {
    let mut facts = testing::race();
    testing::driver(&mut facts).builtin = true;
    assert_eq!(judge(&facts), Answer::Satisfied);
    let mut facts = testing::race();
    testing::driver(&mut facts).loaded_in_initrd = true;
    assert_eq!(judge(&facts), Answer::Satisfied);
    // Held by the initrd is not loaded by it.
    let mut facts = testing::race();
    testing::driver(&mut facts).in_initrd = true;
    assert!(
        violations(&facts)[0].evidence[1]
            .text
            .contains("does not load it")
    );
    // Built in, on a bus whose driver comes late.
    let mut facts = testing::race();
    testing::driver(&mut facts).builtin = true;
    let bus = testing::modules(&mut facts)
        .states
        .get_mut("virtio_pci")
        .unwrap();
    (bus.in_initrd, bus.loaded_in_initrd) = (false, false);
    violations(&facts);
}

#[test]
fn default_dependencies_alone_leave_the_race_open() {
    let mut facts = testing::race();
    backdoor(
        &mut facts,
        "[Unit]\nAfter=dev-hvc0.device\nConditionPathExists=/dev/hvc0\n[Service]\nExecStart=/x\n",
    );
    let reasons = &violations(&facts)[0].evidence;
    assert!(
        reasons
            .last()
            .unwrap()
            .text
            .contains("not until it was worked off")
    );
}

fn load_by_name(facts: &mut Facts) {
    let conf = testing::file("p2", "/etc/modules-load.d/x.conf", "virtio_console\n");
    testing::driver(facts).loads.push(ModuleLine {
        module: "virtio_console".into(),
        argument: String::new(),
        origin: Some(Origin::line(&conf, 1)),
    });
}

#[test]
fn loading_by_name_helps_only_a_unit_that_waits_for_it() {
    let mut facts = testing::race();
    load_by_name(&mut facts);
    let reasons = &violations(&facts)[0].evidence;
    assert!(reasons[2].text.contains("likelier"), "{reasons:?}");
    let mut facts = race_with("After=systemd-modules-load.service\n");
    load_by_name(&mut facts);
    assert_eq!(judge(&facts), Answer::Satisfied);
    // By its default dependencies.
    let mut facts = testing::race();
    backdoor(
        &mut facts,
        "[Unit]\nConditionPathExists=/dev/hvc0\n[Service]\nExecStart=/x\n",
    );
    load_by_name(&mut facts);
    assert_eq!(judge(&facts), Answer::Satisfied);
}

#[test]
fn a_modprobe_unit_that_it_waits_for_ends_the_race() {
    let lines = "Wants=modprobe@virtio_console.service\nAfter=modprobe@virtio_console.service\n";
    let mut facts = race_with(lines);
    for (kind, ends) in [("oneshot", true), ("simple", false)] {
        put(
            &mut facts,
            unit(
                "modprobe@virtio_console.service",
                &format!(
                    "[Unit]\nDefaultDependencies=no\n[Service]\nType={kind}\nExecStart=-/sbin/modprobe -abq virtio_console\n"
                ),
            ),
        );
        settle(&mut facts);
        assert_eq!(judge(&facts) == Answer::Satisfied, ends, "{kind}");
    }
}

#[test]
fn settling_udev_ends_the_race_only_after_coldplug() {
    let lines = "Wants=systemd-udev-settle.service\nAfter=systemd-udev-settle.service\n";
    for (after, ends) in [("After=systemd-udev-trigger.service\n", true), ("", false)] {
        let mut facts = race_with(lines);
        put(
            &mut facts,
            unit(
                "systemd-udev-settle.service",
                &format!(
                    "[Unit]\nDefaultDependencies=no\n{after}[Service]\nType=oneshot\nExecStart=udevadm settle\n"
                ),
            ),
        );
        settle(&mut facts);
        assert_eq!(judge(&facts) == Answer::Satisfied, ends, "{after}");
    }
    // Ordered after it, and nobody starts it.
    violations(&race_with("After=systemd-udev-settle.service\n"));
}

#[test]
fn a_unit_that_the_device_starts_has_no_race() {
    let mut facts = testing::race();
    let rule = testing::file("p2", "/etc/udev/rules.d/x.rules", "x\n");
    testing::known(&mut facts.udev).wants.push(SystemdWants {
        units: vec![UNIT.into()],
        kernel: Some("hvc[0-9]*".into()),
        subsystem: Some("tty".into()),
        origin: Origin::line(&rule, 1),
    });
    assert_eq!(judge(&facts), Answer::Satisfied);
    let mut facts = testing::race();
    put(
        &mut facts,
        unit("dev-hvc0.device", &format!("[Unit]\nWants={UNIT}\n")),
    );
    assert_eq!(judge(&facts), Answer::Satisfied);
}

#[test]
fn a_timer_is_another_chance_and_no_certainty() {
    let mut facts = testing::race();
    let mut timer = unit("again.timer", "[Unit]\nDefaultDependencies=no\n");
    timer.dependencies.push(Dependency {
        kind: DependencyKind::Triggers,
        other: UNIT.into(),
        reason: Reason::Implicit,
    });
    put(&mut facts, timer);
    put(
        &mut facts,
        unit(
            "basic.target",
            "[Unit]\nRequires=sysinit.target\nWants=again.timer\n",
        ),
    );
    settle(&mut facts);
    assert_eq!(violations(&facts)[0].severity, Some(Severity::Warning));
}

#[test]
fn conditions_that_do_not_need_the_device_do_not_race() {
    let condition = |value: &str| {
        let mut facts = testing::race();
        backdoor(
            &mut facts,
            &format!("[Unit]\nDefaultDependencies=no\n{value}\n[Service]\nExecStart=/x\n"),
        );
        judge(&facts)
    };
    assert_eq!(
        condition("ConditionPathExists=!/dev/hvc0"),
        Answer::NotApplicable
    );
    assert_eq!(
        condition("ConditionPathExists=/dev/ttyS0"),
        Answer::NotApplicable
    );
    assert_eq!(
        condition("ConditionPathExists=|/dev/hvc0\nConditionPathExists=|/dev/ttyS0"),
        Answer::NotApplicable
    );
    for value in [
        "ConditionPathExistsGlob=/dev/hvc*",
        "AssertPathExists=/dev/hvc0",
        "ConditionPathExists=|/dev/hvc0",
        "[Service]\nStandardInput=tty\nTTYPath=/dev/hvc0",
        "[Service]\nStandardOutput=file:/dev/hvc0",
    ] {
        assert!(matches!(condition(value), Answer::Violated(_)), "{value}");
    }
}

#[test]
fn what_was_not_read_is_not_guessed() {
    let mut facts = testing::race();
    testing::known(&mut facts.initrd).skipped = true;
    assert!(matches!(judge(&facts), Answer::CannotTell { .. }));
    let mut facts = testing::race();
    let error = crate::inspect::error::Error::corrupt(
        testing::file("p2", &format!("/usr/lib/modules/{RELEASE}"), "").location(),
        "x",
    );
    facts.modules = crate::inspect::error::Fact::Unreadable(error);
    assert!(matches!(judge(&facts), Answer::CannotTell { .. }));
}
