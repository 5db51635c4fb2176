//! Lint of a start script's QEMU arguments: what would keep the test driver from seeing the guest, or the guest from booting.

mod accel;
mod console;
mod disk;
mod firmware;
mod network;

use super::arguments::{Disk, Opt, disks, parse};
use super::outcome::LaunchFinding;
use crate::critical_point::CriticalPoint;
use std::path::{Path, PathBuf};

/// What the rules look at.
#[derive(Debug)]
pub struct Case {
    /// Machine name.
    pub name: String,
    /// Options of the whole vector, the driver's own included.
    pub options: Vec<Opt>,
    /// Disks and flash images.
    pub disks: Vec<Disk>,
    /// Test networks and their sockets.
    pub vlans: Vec<(u32, PathBuf)>,
    /// Consoles of the image's kernel command line, in order (`ttyS0`); none when it is not known.
    pub consoles: Option<Vec<String>>,
    /// Why KVM cannot be used on this host; none when it can be opened.
    pub kvm_trouble: Option<String>,
    /// Directory for relative paths.
    pub cwd: PathBuf,
}

impl Case {
    /// A case from an argument vector.
    pub fn new(name: &str, argv: &[String], vlans: &[(u32, PathBuf)], cwd: &Path) -> Case {
        let options = parse(argv);
        Case {
            name: name.to_owned(),
            disks: disks(&options),
            options,
            vlans: vlans.to_vec(),
            consoles: None,
            kvm_trouble: None,
            cwd: cwd.to_owned(),
        }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Opt> {
        self.options.iter().filter(move |o| o.name == name)
    }
}

/// All findings, in the order of the rules.
pub fn lint(case: &Case) -> Vec<LaunchFinding> {
    let mut found = Vec::new();
    console::check(case, &mut found);
    accel::check(case, &mut found);
    firmware::check(case, &mut found);
    disk::check(case, &mut found);
    network::check(case, &mut found);
    found
}

/// Where on the chain a rule's fault bites.
fn critical_point(rule: &str) -> CriticalPoint {
    match rule {
        "serial-null-first" => CriticalPoint::SerialLayout,
        "launch-console-without-port" => CriticalPoint::CmdlineConsole,
        "launch-shell-not-first-console" => CriticalPoint::StdioRedirect,
        "launch-disk-not-virtio" => CriticalPoint::RootDevice,
        _ => CriticalPoint::Host,
    }
}

fn finding(
    rule: &str,
    severity: &str,
    message: impl Into<String>,
    argument: impl Into<String>,
    fix: impl Into<String>,
) -> LaunchFinding {
    LaunchFinding {
        rule: rule.to_owned(),
        severity: severity.to_owned(),
        critical_point: critical_point(rule),
        message: message.into(),
        argument: argument.into(),
        fix: fix.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(line: &str) -> Case {
        let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let vlans = [(1, PathBuf::from("/v/vde1.ctl"))];
        Case::new("server_1", &argv, &vlans, Path::new("/"))
    }

    fn rules(case: &Case) -> Vec<String> {
        lint(case).into_iter().map(|f| f.rule).collect()
    }

    const GOOD: &str = "q -machine q35 -m 2048 -drive file=/i.wic,if=virtio,snapshot=on,format=raw \
        -drive if=pflash,unit=0,format=raw,readonly=on,file=/proc/self/exe -drive if=pflash,unit=1,format=raw,file=/dev/null \
        -netdev vde,id=n1,sock=/v/vde1.ctl -device virtio-net-pci,netdev=n1,mac=52:54:00:a9:d3:01 \
        -device virtio-serial -device virtconsole,chardev=shell -serial stdio";

    #[test]
    fn a_good_script_has_no_findings() {
        assert_eq!(rules(&case(GOOD)), [""; 0]);
    }

    #[test]
    fn each_rule_sees_its_fault() {
        let with = |from: &str, to: &str| rules(&case(&GOOD.replace(from, to)));
        assert_eq!(
            with("-serial stdio", "-serial null -serial stdio"),
            ["serial-null-first"]
        );
        assert_eq!(with(",snapshot=on", ""), ["launch-image-writable"]);
        assert_eq!(
            with("snapshot=on,format=raw", "snapshot=on"),
            ["launch-image-format-missing"]
        );
        assert_eq!(with("if=virtio", "if=ide"), ["launch-disk-not-virtio"]);
        assert_eq!(with("a9:d3:01", "00:00:01"), ["launch-mac-mismatch"]);
        assert_eq!(with("-m 2048", ""), ["launch-memory-too-small"]);
        assert_eq!(
            with("-drive if=pflash,unit=1,format=raw,file=/dev/null", ""),
            ["launch-firmware-unpaired"]
        );
        assert_eq!(
            with(
                "-device virtio-serial",
                "-device virtio-serial -device virtconsole,chardev=x"
            ),
            ["launch-shell-not-first-console"]
        );
    }

    #[test]
    fn kvm_is_blamed_only_where_it_is_asked_for() {
        let mut case = case(GOOD);
        case.kvm_trouble = Some("no /dev/kvm".into());
        assert_eq!(rules(&case), [""; 0]);
        case.options
            .extend(parse(&["q".into(), "-enable-kvm".into()]));
        assert_eq!(rules(&case), ["launch-kvm-unavailable"]);
    }

    #[test]
    fn the_image_says_where_its_console_is() {
        let mut one = case(&GOOD.replace("-serial stdio", "-serial null -serial stdio"));
        one.consoles = Some(vec!["ttyS1".into()]);
        assert_eq!(rules(&one), [""; 0], "ttyS1 is stdio");
        let mut two = case(GOOD);
        two.consoles = Some(vec!["tty0".into(), "ttyS1".into()]);
        assert_eq!(rules(&two), ["launch-console-without-port"]);
    }
}
