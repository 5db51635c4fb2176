//! The units and packages of the healthy image.

use super::{SCRIPT, UNIT, systemd as make};
use crate::inspect::dpkg::PackageFacts;
use crate::inspect::systemd::{SystemdFacts, Transaction};
use std::collections::BTreeMap;

/// The whole contract of the test driver.
pub const CONTRACT: &str = "[Unit]
Requires=dev-hvc0.device dev-ttyS0.device
After=dev-hvc0.device dev-ttyS0.device

[Service]
ExecStart=/usr/lib/nixos-test/backdoor.sh
KillSignal=SIGHUP

[Install]
WantedBy=multi-user.target
";

/// The unit of the race.
pub const RACE: &str = "[Unit]
DefaultDependencies=no
After=systemd-journald.socket dev-hvc0.device dev-ttyS0.device
Before=multi-user.target
Conflicts=serial-getty@hvc0.service
ConditionPathExists=/dev/hvc0

[Service]
ExecStart=/usr/lib/nixos-test/backdoor.sh
Restart=on-failure

[Install]
WantedBy=multi-user.target
";

/// The script of the contract.
pub const BACKDOOR: &str = "#!/bin/bash
export HOME=/root
while [ ! -e /dev/ttyS0 ]; do sleep 0.1; done
exec 3>/dev/ttyS0
exec 2>&3
exec < /dev/hvc0 > /dev/hvc0
stty raw -echo
echo \"Spawning backdoor root shell...\"
PS1= exec bash --norc /dev/hvc0
";

const OTHERS: &[(&str, &str)] = &[
    (
        "multi-user.target",
        "[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=nixos-test-backdoor.service\n",
    ),
    (
        "basic.target",
        "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n",
    ),
    (
        "sysinit.target",
        "[Unit]\nDefaultDependencies=no\nWants=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service\nAfter=systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service\n",
    ),
    (
        "systemd-udevd.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/lib/systemd/systemd-udevd\n",
    ),
    (
        "systemd-udev-trigger.service",
        "[Unit]\nDefaultDependencies=no\nAfter=systemd-udevd.service\n[Service]\nExecStart=udevadm trigger --type=all --action=add\n",
    ),
    (
        "systemd-modules-load.service",
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/lib/systemd/systemd-modules-load\n",
    ),
];

pub fn systemd() -> SystemdFacts {
    let mut units: BTreeMap<_, _> = OTHERS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), make::unit(name, text)))
        .collect();
    units.insert(UNIT.to_owned(), make::unit(UNIT, CONTRACT));
    SystemdFacts {
        version: Some("252.39".into()),
        load_path: vec![
            "/etc/systemd/system".into(),
            "/usr/lib/systemd/system".into(),
        ],
        units,
        aliases: BTreeMap::new(),
        unit_files: BTreeMap::new(),
        transaction: Transaction {
            anchor: "multi-user.target".into(),
            anchor_reason: "default.target".into(),
            ..Transaction::default()
        },
        gettys: Vec::new(),
        stray: Vec::new(),
        generators: Vec::new(),
        first_boot: false,
        firstboot_questions: Vec::new(),
        manager: make::settings(
            "/etc/systemd/system.conf",
            "[Manager]\nShowStatus=no\nDefaultTimeoutStartSec=300\nDefaultDeviceTimeoutSec=300\n",
        ),
        journald: make::settings(
            "/etc/systemd/journald.conf",
            "[Journal]\nForwardToConsole=yes\nTTYPath=/dev/ttyS0\n",
        ),
        problems: Vec::new(),
    }
}

pub fn packages() -> PackageFacts {
    use crate::inspect::dpkg::{FileState, Package, PackageDetail, PackageFile};
    use crate::inspect::error::Fact;
    use crate::inspect::source::{Location, Origin};
    let status = super::file(
        "p2",
        "/var/lib/dpkg/status",
        "Package: nixos-test-backdoor\nStatus: install ok installed\nVersion: 1\n",
    );
    let package = Package {
        version: "1".into(),
        architecture: "all".into(),
        status: "install ok installed".into(),
    };
    PackageFacts {
        packages: BTreeMap::from([("nixos-test-backdoor".to_owned(), package.clone())]),
        count: 1,
        problems: Vec::new(),
        details: vec![PackageDetail {
            name: "nixos-test-backdoor".into(),
            package,
            origin: Some(Origin::line(&status, 1)),
            files: vec![PackageFile {
                path: SCRIPT.into(),
                state: FileState::Intact,
                location: Location::file("p2", SCRIPT),
            }],
        }],
        status_file: Fact::Known(status.location()),
    }
}
