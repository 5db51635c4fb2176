//! Boots told in the words of real ones, and what must be made of them.

use super::*;
use crate::boot::names::Names;
use crate::boot::stages::machine::StageMachine;
use crate::boot::timeline::{Event, Observation, Source};
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::verdict::Confidence;
use crate::profile::Profile;

const UNIT: &str = "nixos-test-backdoor.service";

/// A boot in the making. The guest's clock starts 10 s after the host's.
struct Boot {
    timeline: Vec<Observation>,
    names: Names,
    predicted: Vec<Predicted>,
    ended: Option<Ended>,
    command: Vec<String>,
}

impl Boot {
    fn new() -> Boot {
        let mut names = Names::from_profile(&Profile::default());
        names.root = Some("p2".into());
        let mut boot = Boot {
            timeline: Vec::new(),
            names,
            predicted: Vec::new(),
            ended: Some(Ended::Quiet { seconds: 8.0 }),
            command: Vec::new(),
        };
        boot.see(
            0.0,
            Source::Doctor,
            Event::Started {
                qemu: "7.2".into(),
                accel: "tcg".into(),
            },
        );
        boot
    }

    fn see(&mut self, t: f64, source: Source, event: Event) {
        self.timeline.push(Observation { t, source, event });
    }

    fn serial(mut self, t: f64, text: &str) -> Boot {
        let event = Event::SerialLine {
            port: 0,
            text: text.into(),
            partial: text.ends_with(' '),
        };
        self.see(t, Source::Serial, event);
        self
    }

    fn shell(mut self, t: f64, text: &str) -> Boot {
        let event = Event::ShellLine {
            text: text.into(),
            partial: true,
        };
        self.see(t, Source::Shell, event);
        self
    }

    fn kernel(mut self, guest: f64, text: &str) -> Boot {
        let event = Event::KernelLog {
            guest,
            level: 6,
            text: text.into(),
        };
        self.see(guest + 10.0, Source::KernelLog, event);
        self
    }

    fn journal(mut self, guest: f64, unit: &str, identifier: &str, text: &str) -> Boot {
        let event = Event::Journal {
            guest: Some(guest),
            priority: Some(6),
            unit: Some(unit.into()),
            identifier: Some(identifier.into()),
            text: text.into(),
        };
        self.see(guest + 10.0, Source::Journal, event);
        self
    }

    /// systemd about the backdoor, in the journal.
    fn said(self, guest: f64, text: &str) -> Boot {
        self.journal(guest, UNIT, "systemd", text)
    }

    fn virtio(mut self, t: f64, device: &str, status: u8) -> Boot {
        let event = Event::VirtioStatus {
            device: device.into(),
            status,
        };
        self.see(t, Source::Virtio, event);
        self
    }

    /// virtio_console is bound at this guest time.
    fn bound(self, guest: f64) -> Boot {
        self.virtio(guest + 10.0, "virtio-serial", 15)
    }

    fn firmware(self) -> Boot {
        self.virtio(1.0, "virtio-blk", 7).serial(
            2.0,
            r#"BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x4,0x0)"#,
        )
    }

    fn loader(self) -> Boot {
        self.firmware().serial(
            2.1,
            r#"BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x4,0x0)"#,
        )
    }

    fn linux(self) -> Boot {
        self.loader()
            .kernel(0.0, "Linux version 6.1.0-56-cloud-amd64")
    }

    fn initrd(self) -> Boot {
        self.linux()
            .virtio(10.8, "virtio-serial", 1)
            .kernel(1.5, "Run /init as init process")
    }

    fn rootfs(self) -> Boot {
        self.initrd().kernel(
            3.0,
            "EXT4-fs (vda2): mounted filesystem with ordered data mode. Quota mode: none.",
        )
    }

    fn systemd(self) -> Boot {
        self.rootfs()
            .kernel(
                5.0,
                "systemd[1]: systemd 252.39-1~deb12u1 running in system mode (+PAM",
            )
            .kernel(5.1, "systemd[1]: Hostname set to <isar>.")
            .kernel(
                6.0,
                "systemd[1]: Queued start job for default target graphical.target.",
            )
    }

    fn done(self) -> Boot {
        self.journal(
            20.0,
            "multi-user.target",
            "systemd",
            "Reached target multi-user.target - Multi-User System.",
        )
    }

    fn foreseen(mut self, rule: &str, stage: Stage, critical_point: Cp) -> Boot {
        self.predicted.push(Predicted {
            rule: rule.into(),
            error: true,
            standing: None,
            stage,
            critical_point,
            message: format!("inspect says {rule}"),
            location: Default::default(),
            fix: Some(format!("undo {rule}")),
        });
        self
    }

    fn ended(mut self, ended: Option<Ended>) -> Boot {
        self.ended = ended;
        self
    }

    fn verdict(mut self) -> Verdict {
        self.timeline.sort_by(|a, b| a.t.total_cmp(&b.t));
        let mut machine = StageMachine::new(self.names.clone());
        for seen in &self.timeline {
            machine.take(seen);
        }
        verdict(&Case {
            timeline: &self.timeline,
            stages: machine.stages(),
            names: &self.names,
            description: Some("Root shell on hvc0 for the NixOS test driver"),
            predicted: &self.predicted,
            blind: &[],
            ended: self.ended.as_ref(),
            command: &self.command,
        })
    }
}

fn is(boot: Boot, stage: Stage, critical_point: impl Into<Option<Cp>>, cause: &str) -> Verdict {
    let verdict = boot.verdict();
    assert_eq!(
        (
            verdict.stage,
            verdict.critical_point,
            verdict.cause_id.as_deref()
        ),
        (Some(stage), critical_point.into(), Some(cause)),
        "{verdict:#?}"
    );
    verdict
}

mod early;
mod system;
mod unit;
