//! From a start script's arguments to a machine that can be watched: what is changed, and only that, is told.

use super::expand::Expanded;
use crate::boot::accel::Accel;
use crate::boot::arguments::{Disk, Opt, boot_disk, disks, memory, parse};
use crate::boot::keeper::Process;
use crate::boot::launch::{Launch, PORT_ID, QmpEnd, SerialEnd};
use crate::boot::trouble::{BootError, HostTrouble, Kind};
use std::path::Path;

/// How the arguments are taken.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// QEMU to run.
    pub qemu: &'a Path,
    /// Accelerator.
    pub accel: Accel,
    /// Nothing added.
    pub exact: bool,
    /// `vde_switch`, when this host has it.
    pub switch: Option<&'a Path>,
    /// Private directory.
    pub dir: &'a Path,
}

/// Whether the arguments ask for KVM. `-cpu host` without it is refused by QEMU on every host: that is not KVM's fault.
pub fn asks_for_kvm(options: &[Opt]) -> bool {
    options.iter().any(|o| match o.name.as_str() {
        "enable-kvm" => true,
        "accel" => o
            .keys("accel")
            .get("accel")
            .is_some_and(|a| a.contains("kvm")),
        "machine" | "M" => o
            .keys("type")
            .get("accel")
            .is_some_and(|a| a.contains("kvm")),
        _ => false,
    })
}

/// The machine of a start script.
pub fn adapt(expanded: &Expanded, wishes: &Wishes<'_>) -> Result<Launch, BootError> {
    let mut argv = expanded.argv.clone();
    let mut added = Vec::new();
    if let Some(program) = argv.first_mut() {
        *program = wishes.qemu.display().to_string();
    }
    if wishes.accel == Accel::Tcg && asks_for_kvm(&parse(&argv)) {
        argv = without_kvm(&argv);
        added.push("emulation (TCG) in place of KVM: -accel tcg, -cpu max".to_owned());
    }
    let all = disks(&parse(&argv));
    let disk = boot_disk(&all).ok_or_else(|| {
        BootError::Usage("the start script gives QEMU no disk to boot from".to_owned())
    })?;
    let image = disk.file.clone();
    // What the script does wrong is said before what the host lacks.
    protect(disk, expanded, wishes, &mut argv, &mut added)?;
    if wishes.switch.is_none() {
        replace_networks(&mut argv, expanded, wishes.exact, &mut added)?;
    }
    let options = parse(&argv);
    let serial = serial_ends(&options, wishes, &mut argv, &mut added);
    if !wishes.exact {
        name_the_port(&mut argv, &mut added);
    }
    let options = parse(&argv);
    let size = memory(&options);
    let mut launch = Launch {
        argv: argv.into_iter().map(Into::into).collect(),
        serial,
        idle_sockets: vec![expanded.sockets.monitor.clone()],
        shell: expanded.sockets.shell.clone(),
        qmp: QmpEnd::QemuListens(expanded.sockets.qmp.clone()),
        trace: None,
        memory: size.unwrap_or(0),
        memfd: false,
        added,
        cwd: expanded.cwd.clone(),
        image,
        helpers: switches(expanded, wishes),
    };
    if !wishes.exact {
        let backed = options.iter().any(|o| {
            matches!(o.name.as_str(), "mem-path" | "numa") || o.text().contains("memory-backend")
        });
        if size.is_some() && !backed {
            launch.observe_memory();
        }
        launch.observe_trace(wishes.dir);
    }
    Ok(launch)
}

/// The test driver starts a hub per network (`VLan.__init__`).
fn switches(expanded: &Expanded, wishes: &Wishes<'_>) -> Vec<Process> {
    let Some(switch) = wishes.switch else {
        return Vec::new();
    };
    expanded
        .vlans
        .iter()
        .map(|(_, socket)| Process {
            argv: [
                switch.as_os_str(),
                "--sock".as_ref(),
                socket.as_os_str(),
                "--dirmode".as_ref(),
                "0700".as_ref(),
                "--hub".as_ref(),
            ]
            .map(Into::into)
            .into(),
            cwd: wishes.dir.to_owned(),
            env: Vec::new(),
            ready: Some(socket.join("ctl")),
        })
        .collect()
}

/// The same machine without KVM. `-cpu host` exists only with it.
fn without_kvm(argv: &[String]) -> Vec<String> {
    let mut out = vec![argv.first().cloned().unwrap_or_default()];
    for opt in parse(argv) {
        let dashed = format!("-{}", opt.name);
        match (opt.name.as_str(), &opt.value) {
            ("enable-kvm" | "accel", _) => {}
            ("cpu", Some(value)) if value.split(',').next() == Some("host") => {
                out.extend([dashed, value.replacen("host", "max", 1)]);
            }
            ("machine" | "M", Some(value)) => {
                let kept: Vec<&str> = value
                    .split(',')
                    .filter(|item| {
                        !item.starts_with("accel=") && !item.starts_with("kernel_irqchip=")
                    })
                    .collect();
                if !kept.is_empty() {
                    out.extend([dashed, kept.join(",")]);
                }
            }
            ("", Some(value)) => out.push(value.clone()),
            (_, Some(value)) => out.extend([dashed, value.clone()]),
            (_, None) => out.push(dashed),
        }
    }
    out.extend(["-accel".to_owned(), Accel::Tcg.argument().to_owned()]);
    out
}

/// Without a virtual switch the test networks become isolated ones.
fn replace_networks(
    argv: &mut [String],
    expanded: &Expanded,
    exact: bool,
    added: &mut Vec<String>,
) -> Result<(), BootError> {
    for opt in parse(argv) {
        let keys = opt.keys("type");
        // A socket that the script names by itself is the script's own affair.
        let ours = |socket: &str| {
            expanded
                .vlans
                .iter()
                .any(|(_, vlan)| vlan == Path::new(socket))
        };
        if !matches!(opt.name.as_str(), "netdev" | "nic")
            || keys.get("type") != Some("vde")
            || !keys.get("sock").is_some_and(ours)
        {
            continue;
        }
        if exact {
            return Err(BootError::Host(HostTrouble::new(
                Kind::VdeMissing,
                "the start script wants a VDE network, and there is no vde_switch on this host",
                "install vde2, or boot without --exact: the network is then replaced by an isolated one",
            )));
        }
        let mut value = "user,restrict=on".to_owned();
        for (key, given) in &keys.0 {
            if !matches!(key.as_str(), "type" | "sock" | "port" | "group" | "mode") {
                value.push_str(&format!(",{key}={given}"));
            }
        }
        if let Some(place) = argv.get_mut(opt.index + 1) {
            added.push(format!(
                "isolated network in place of -{} {place}",
                opt.name
            ));
            *place = value;
        }
    }
    Ok(())
}

/// An image that the script would let the guest write is protected, unless it is the script's own copy.
fn protect(
    disk: &Disk,
    expanded: &Expanded,
    wishes: &Wishes<'_>,
    argv: &mut Vec<String>,
    added: &mut Vec<String>,
) -> Result<(), BootError> {
    let own_copy = Path::new(&disk.file).starts_with(&expanded.cwd);
    if disk.snapshot || disk.readonly || own_copy {
        return Ok(());
    }
    if wishes.exact {
        return Err(BootError::Usage(format!(
            "the start script would let the guest write to {} (no snapshot=on), and --exact adds no protection; boot without --exact",
            disk.file
        )));
    }
    argv.push("-snapshot".to_owned());
    added.push("-snapshot: the image is never written".to_owned());
    Ok(())
}

/// Where each `-serial` goes. A port that the script sends to `null` is listened to: the guest cannot tell.
fn serial_ends(
    options: &[Opt],
    wishes: &Wishes<'_>,
    argv: &mut [String],
    added: &mut Vec<String>,
) -> Vec<SerialEnd> {
    let mut ends = Vec::new();
    for opt in options.iter().filter(|o| o.name == "serial") {
        let value = opt.value.as_deref().unwrap_or_default();
        let port = ends.len();
        ends.push(match value {
            "none" => continue,
            "stdio" | "mon:stdio" => SerialEnd::Stdout,
            "null" if !wishes.exact && !wishes.dir.to_string_lossy().contains(',') => {
                let path = wishes.dir.join(format!("serial{port}"));
                if let Some(place) = argv.get_mut(opt.index + 1) {
                    *place = format!("unix:{}", path.display());
                }
                added.push(format!(
                    "serial port {port} (-serial null in the script) is listened to; the guest sees the same port"
                ));
                SerialEnd::Socket(path)
            }
            other => SerialEnd::Blind(format!("-serial {other}")),
        });
    }
    ends
}

/// An id on the console makes QEMU announce when the guest's driver opens it.
fn name_the_port(argv: &mut [String], added: &mut Vec<String>) {
    let found = parse(argv).into_iter().find(|o| {
        let keys = o.keys("driver");
        o.name == "device" && keys.get("chardev") == Some("shell") && keys.get("id").is_none()
    });
    if let Some(place) = found.and_then(|o| argv.get_mut(o.index + 1)) {
        place.push_str(&format!(",id={PORT_ID}"));
        added.push(format!("id={PORT_ID} on the virtconsole"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::run_script::expand::Sockets;

    fn expanded(line: &str) -> Expanded {
        let socket = |name: &str| Path::new("/s").join(name);
        Expanded {
            name: "server_1".into(),
            argv: line.split_whitespace().map(str::to_owned).collect(),
            qemu: None,
            vlans: vec![(1, "/v/vde1.ctl".into())],
            cwd: "/s".into(),
            sockets: Sockets {
                qmp: socket("qmp"),
                monitor: socket("monitor"),
                shell: socket("shell"),
            },
        }
    }

    const LINE: &str = "q -machine q35,accel=kvm -cpu host,+x -enable-kvm -m 1G -drive file=/i/a.wic,if=virtio \
        -netdev vde,id=vlan1,sock=/v/vde1.ctl -serial null -device virtconsole,chardev=shell -serial stdio";

    fn adapted(exact: bool, accel: Accel) -> Result<Launch, BootError> {
        let wishes = Wishes {
            qemu: Path::new("/usr/bin/qemu-system-x86_64"),
            accel,
            exact,
            switch: exact.then_some(Path::new("/usr/bin/vde_switch")),
            dir: Path::new("/p"),
        };
        adapt(&expanded(LINE), &wishes)
    }

    #[test]
    fn what_is_changed_is_told() {
        let launch = adapted(false, Accel::Tcg).unwrap();
        let line: Vec<_> = launch.argv.iter().map(|a| a.to_str().unwrap()).collect();
        let line = line.join(" ");
        assert!(line.contains("-machine q35 -cpu max,+x -m 1G"), "{line}");
        assert!(line.contains("-netdev user,restrict=on,id=vlan1"), "{line}");
        assert!(line.contains("-serial unix:/p/serial0"), "{line}");
        assert!(line.contains("chardev=shell,id=isar-doctor-shell -serial stdio"));
        assert!(line.contains("-snapshot") && line.contains("size=1073741824,share=on"));
        assert_eq!(
            launch.serial,
            [SerialEnd::Socket("/p/serial0".into()), SerialEnd::Stdout]
        );
        assert_eq!(launch.added.len(), 7, "{:?}", launch.added);
    }

    #[test]
    fn exact_adds_nothing_and_writes_nothing() {
        let refused = adapted(true, Accel::Kvm).unwrap_err().to_string();
        assert!(refused.contains("no snapshot=on"), "{refused}");
        let wishes = Wishes {
            qemu: Path::new("q"),
            accel: Accel::Kvm,
            exact: true,
            switch: Some(Path::new("/usr/bin/vde_switch")),
            dir: Path::new("/p"),
        };
        let line = LINE.replace("if=virtio", "if=virtio,snapshot=on");
        let launch = adapt(&expanded(&line), &wishes).unwrap();
        assert_eq!(launch.argv.len(), line.split_whitespace().count());
        assert!(launch.added.is_empty() && launch.trace.is_none() && !launch.memfd);
        assert_eq!(launch.serial[0], SerialEnd::Blind("-serial null".into()));
    }
}
