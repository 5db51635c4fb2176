use super::super::testing::{self, backdoor};
use super::*;
use crate::inspect::facts::Facts;
use crate::inspect::filesystem::FileKind;

fn judge(facts: &Facts, which: Which) -> Answer {
    let check = UnitConditions {
        which,
        devices: Vec::new(),
    };
    check.judge(&Context::new(facts))
}

fn with(lines: &str, which: Which) -> Answer {
    let mut facts = testing::healthy();
    facts
        .condition_paths
        .insert("/etc/there".into(), Some(FileKind::Regular));
    facts.condition_paths.insert("/etc/gone".into(), None);
    backdoor(
        &mut facts,
        &format!("[Unit]\n{lines}\n[Service]\nExecStart=/x\n"),
    );
    judge(&facts, which)
}

fn violated(answer: &Answer) -> bool {
    matches!(answer, Answer::Violated(_))
}

#[test]
fn device_paths() {
    for line in [
        "ConditionPathExists=/dev/hvc9",
        "AssertPathExists=/dev/vport0p1",
        "ConditionPathExists=!/dev/ttyS0",
        "ConditionPathExists=|/dev/hvc9\nConditionPathExists=|/etc/gone",
    ] {
        assert!(violated(&with(line, Which::DevicePaths)), "{line}");
    }
    for line in [
        "ConditionPathExists=/dev/hvc0",
        "ConditionPathExists=/dev/ttyS0",
        "ConditionPathExistsGlob=/dev/hvc*",
        "ConditionPathExists=|/dev/hvc9\nConditionPathExists=|/dev/hvc0",
    ] {
        assert_eq!(with(line, Which::DevicePaths), Answer::Satisfied, "{line}");
        assert_eq!(with(line, Which::Others), Answer::NotApplicable, "{line}");
    }
    let open = with("ConditionPathExists=/dev/rtc9", Which::DevicePaths);
    assert!(matches!(open, Answer::CannotTell { .. }));
}

#[test]
fn other_paths() {
    for line in [
        "ConditionPathExists=/etc/gone",
        "ConditionPathIsDirectory=/etc/there",
    ] {
        assert!(violated(&with(line, Which::Others)), "{line}");
        assert_eq!(
            with(line, Which::DevicePaths),
            Answer::NotApplicable,
            "{line}"
        );
    }
    for line in [
        "ConditionPathExists=/etc/there",
        "ConditionPathExists=!/etc/gone",
    ] {
        assert_eq!(with(line, Which::Others), Answer::Satisfied, "{line}");
    }
    let open = with("ConditionPathExists=/run/x", Which::Others);
    assert!(matches!(open, Answer::CannotTell { .. }));
}

#[test]
fn a_trigger_of_the_other_kind_saves_a_path() {
    let lines = "ConditionPathExists=|/dev/hvc9\nConditionVirtualization=|vm";
    assert_eq!(with(lines, Which::DevicePaths), Answer::Satisfied);
}

#[test]
fn conditions_on_the_system() {
    for line in [
        "ConditionVirtualization=container",
        "ConditionVirtualization=!vm",
        "ConditionKernelCommandLine=nixos-test",
        "ConditionKernelCommandLine=!quiet",
        "ConditionFirstBoot=yes",
        "ConditionArchitecture=arm64",
        "AssertUser=1000",
        "ConditionOSRelease=VERSION_ID=13",
        "ConditionFirmware=device-tree",
        "ConditionKernelVersion=<5.0",
        "ConditionKernelVersion=>=6.0 <6.1",
        "ConditionKernelVersion=!6.1.*",
        "AssertKernelVersion=< 4",
    ] {
        assert!(violated(&with(line, Which::Others)), "{line}");
    }
    for line in [
        "ConditionVirtualization=vm",
        "ConditionKernelCommandLine=quiet",
        "ConditionKernelCommandLine=root",
        "ConditionKernelCommandLine=loglevel=1",
        "ConditionFirstBoot=no",
        "ConditionArchitecture=x86-64",
        "ConditionOSRelease=VERSION_ID=12",
        "ConditionACPower=yes",
        "ConditionKernelVersion=>=6.1",
        "ConditionKernelVersion=>5.10 <7",
        "ConditionKernelVersion=6.1.*",
    ] {
        assert_eq!(with(line, Which::Others), Answer::Satisfied, "{line}");
    }
    for line in [
        "ConditionVirtualization=kvm",
        "ConditionHost=x",
        "ConditionMemory=>1G",
    ] {
        assert!(
            matches!(with(line, Which::Others), Answer::CannotTell { .. }),
            "{line}"
        );
    }
}
