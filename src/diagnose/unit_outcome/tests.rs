use super::*;
use crate::boot::timeline::Source;

fn names() -> UnitNames {
    UnitNames {
        name: "lab-shell.service".into(),
        description: Some("Lab test shell".into()),
    }
}

fn of(lines: &[&str]) -> Outcome {
    let timeline: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(i, text)| Observation {
            t: i as f64,
            source: Source::KernelLog,
            event: Event::KernelLog {
                guest: i as f64,
                level: 6,
                text: (*text).into(),
            },
        })
        .collect();
    outcome(&timeline, &names()).outcome
}

#[test]
fn skipped_in_old_and_new_words() {
    let condition = "ConditionPathExists=/dev/hvc0".to_owned();
    assert_eq!(
        of(&[
            "systemd[1]: lab-shell.service - Lab test shell was skipped because of an unmet condition check (ConditionPathExists=/dev/hvc0)."
        ]),
        Outcome::Skipped {
            condition: condition.clone()
        }
    );
    // systemd 257
    assert_eq!(
        of(&[
            "systemd[1]: lab-shell.service - Lab test shell skipped, unmet condition check ConditionPathExists=/dev/hvc0"
        ]),
        Outcome::Skipped { condition }
    );
    assert_eq!(
        of(&["lab-shell.service - Lab test shell skipped, no trigger condition checks were met."]),
        Outcome::Skipped {
            condition: String::new()
        }
    );
    assert_eq!(
        of(&["systemd[1]: Condition check resulted in Lab test shell being skipped."]),
        Outcome::Skipped {
            condition: String::new()
        }
    );
}

#[test]
fn other_units_are_not_ours() {
    assert_eq!(
        of(&[
            "systemd[1]: my-lab-shell.service - Other was skipped because of an unmet condition check (ConditionPathExists=/x)."
        ]),
        Outcome::NeverMentioned
    );
}

#[test]
fn a_dependency_names_the_device_that_timed_out() {
    assert_eq!(
        of(&[
            "systemd[1]: dev-ttyS5.device: Job dev-ttyS5.device/start timed out.",
            "systemd[1]: Timed out waiting for device dev-ttyS5.device - /dev/ttyS5.",
            "systemd[1]: Dependency failed for lab-shell.service - Lab test shell.",
        ]),
        Outcome::DependencyFailed {
            dependency: Some("dev-ttyS5.device".into())
        }
    );
}

#[test]
fn a_failed_exec_keeps_its_reason_through_the_start_limit() {
    assert_eq!(
        of(&[
            "systemd[1]: Started lab-shell.service - Lab test shell.",
            "lab-shell.service: Failed to execute /usr/lib/lab/shell: No such file or directory",
            "lab-shell.service: Main process exited, code=exited, status=203/EXEC",
            "lab-shell.service: Start request repeated too quickly.",
        ]),
        Outcome::ExecFailed {
            reason: "No such file or directory".into()
        }
    );
}

#[test]
fn exit_codes_of_systemd_and_of_the_program_are_told_apart() {
    assert_eq!(
        of(&["lab-shell.service: Main process exited, code=exited, status=208/STDIN"]),
        Outcome::SetupFailed {
            status: "208/STDIN".into()
        }
    );
    assert_eq!(
        of(&[
            "lab-shell.service: Main process exited, code=exited, status=1/FAILURE",
            "Stopped lab-shell.service - Lab test shell."
        ]),
        Outcome::Failed {
            status: "1/FAILURE".into(),
            start_limit: false
        }
    );
}

#[test]
fn the_rest() {
    assert_eq!(
        of(&["Started lab-shell.service - Lab test shell."]),
        Outcome::Started
    );
    assert_eq!(
        of(&["systemd[1]: Unit lab-shell.service is masked, ignoring."]),
        Outcome::Masked
    );
    assert_eq!(
        of(&[
            "Job lab-shell.service/start deleted to break ordering cycle starting with basic.target/start"
        ]),
        Outcome::DeletedFromCycle
    );
    assert_eq!(of(&[]), Outcome::NeverMentioned);
}

#[test]
fn giving_up_keeps_the_status_and_a_signal_is_named() {
    assert_eq!(
        of(&[
            "lab-shell.service: Main process exited, code=exited, status=1/FAILURE",
            "lab-shell.service: Start request repeated too quickly.",
            "lab-shell.service: Failed with result 'exit-code'.",
        ]),
        Outcome::Failed {
            status: "1/FAILURE".into(),
            start_limit: true
        }
    );
    assert_eq!(
        of(&["lab-shell.service: Main process exited, code=killed, status=9/KILL"]),
        Outcome::Failed {
            status: "SIGKILL".into(),
            start_limit: false
        }
    );
}

#[test]
fn refused_and_missing() {
    assert!(matches!(
        of(&[
            "lab-shell.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."
        ]),
        Outcome::BadSetting { .. }
    ));
    assert_eq!(
        of(&["Unit lab-shell.service not found."]),
        Outcome::NotFound
    );
    assert_eq!(
        of(&["lab-shell.service: Starting requested but asserts failed."]),
        Outcome::AssertFailed {
            assertion: String::new()
        }
    );
}

#[test]
fn the_line_with_the_guests_time_is_kept() {
    let line = "lab-shell.service - Lab test shell was skipped because of an unmet condition check (ConditionPathExists=/dev/hvc0).";
    let console = Observation {
        t: 9.0,
        source: Source::Serial,
        event: Event::SerialLine {
            port: 0,
            text: format!("systemd[1]: {line}"),
            partial: false,
        },
    };
    let journal = Observation {
        t: 8.0,
        source: Source::Journal,
        event: Event::Journal {
            guest: Some(4.5),
            priority: None,
            unit: Some("lab-shell.service".into()),
            identifier: Some("systemd".into()),
            text: line.into(),
        },
    };
    let found = outcome(&[journal, console], &names());
    assert_eq!((found.index, found.guest), (Some(0), Some(4.5)));
}
