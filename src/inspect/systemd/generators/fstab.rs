//! `systemd-fstab-generator`: mount, automount and swap units for the lines of fstab.

use super::{LATE, NORMAL, Run, word_origin};
use crate::inspect::fstab::FstabEntry;
use crate::inspect::systemd::keys::parse_bool;
use crate::inspect::systemd::mount_options as options;
use crate::inspect::systemd::name::{self, UnitType};
use crate::inspect::systemd::tree::Maker;
use crate::inspect::systemd::unit::verify::is_api_mount;

pub fn generate(run: &mut Run) {
    volatile_var(run);
    if run.switch(&["fstab"]) == Some(false) {
        return;
    }
    let swap = run.switch(&["systemd.swap"]) != Some(false);
    for entry in run.inputs.fstab {
        let maker = Maker {
            name: "fstab-generator",
            why: format!("{} in /etc/fstab", entry.mount_point),
            origin: Some(entry.origin.clone()),
        };
        let line = Line::new(run, entry);
        if entry.fs_type == "swap" {
            if swap {
                add_swap(run, &line, &maker);
            }
        } else {
            add_mount(run, line, &maker);
        }
    }
    let maker = Maker {
        name: "fstab-generator",
        why: "remounts the root file system".into(),
        origin: None,
    };
    let remount = run.shipped("systemd-remount-fs.service");
    run.pull_in(NORMAL, "local-fs.target", "wants", &remount, &maker);
}

/// A line of fstab with what the generator makes of it.
struct Line {
    what: String,
    at: String,
    fs_type: String,
    options: String,
    pass: u32,
    no_auto: bool,
    no_fail: bool,
    automount: bool,
}

impl Line {
    fn new(run: &Run, entry: &FstabEntry) -> Line {
        let list = entry.options.join(",");
        Line {
            what: options::device_node(&entry.spec),
            at: canonical(run, &entry.mount_point),
            fs_type: entry.fs_type.clone(),
            pass: entry.pass,
            no_auto: options::yes_no(&list, "noauto", "auto"),
            no_fail: options::yes_no(&list, "nofail", "fail"),
            automount: options::has(&list, &["x-systemd.automount"])
                || options::last(&list, &["comment"]) == Some(Some("systemd.automount".into())),
            options: list,
        }
    }
}

/// The mount point with links of the image followed, as far as it exists.
fn canonical(run: &Run, path: &str) -> String {
    let path = name::simplify_path(path);
    let mut existing = path.as_str();
    while !existing.is_empty() {
        if let Ok(real) = run.tree.fs().canonicalize(existing) {
            return name::simplify_path(&format!("{real}{}", &path[existing.len()..]));
        }
        existing = existing.rsplit_once('/').map_or("", |(dir, _)| dir);
    }
    path
}

fn escape(text: &str) -> String {
    text.replace('%', "%%")
}

fn block_device(text: &mut String, what: &str) {
    if what.starts_with("/dev/")
        && let Some(escaped) = name::escape_path(what)
    {
        text.push_str(&format!("After=blockdev@{escaped}.target\n"));
    }
}

/// `x-systemd.device-timeout=` and `_netdev` become drop-ins of the device unit.
fn device_drop_ins(run: &mut Run, line: &Line, maker: &Maker) {
    if !name::is_device_path(&line.what) {
        return;
    }
    let Some(device) = name::from_path(&line.what, UnitType::Device) else {
        return;
    };
    let timeout = options::last(&line.options, &["x-systemd.device-timeout"]).flatten();
    if let Some(timeout) = timeout {
        let text = format!("[Unit]\nJobRunningTimeoutSec={timeout}\n");
        run.file(
            &format!("{NORMAL}/{device}.d/50-device-timeout.conf"),
            text,
            maker,
        );
    }
    let is_swap = line.fs_type == "swap";
    if !is_swap
        && options::has(&line.options, &["_netdev"])
        && !options::is_extrinsic(&line.at, &line.options, run.version)
    {
        let text =
            "[Unit]\nAfter=network-online.target network.target\nWants=network-online.target\n";
        run.file(
            &format!("{NORMAL}/{device}.d/50-netdev-dependencies.conf"),
            text.into(),
            maker,
        );
    }
}

fn add_swap(run: &mut Run, line: &Line, maker: &Maker) {
    let Some(unit) = name::from_path(&line.what, UnitType::Swap) else {
        return;
    };
    let mut text = String::from("[Unit]\nSourcePath=/etc/fstab\n");
    block_device(&mut text, &line.what);
    text.push_str(&format!("\n[Swap]\nWhat={}\n", escape(&line.what)));
    push_options(&mut text, &line.options);
    run.file(&format!("{NORMAL}/{unit}"), text, maker);
    device_drop_ins(run, line, maker);
    if !line.no_auto {
        run.pull_in(
            NORMAL,
            "swap.target",
            if line.no_fail { "wants" } else { "requires" },
            &unit,
            maker,
        );
    }
}

fn push_options(text: &mut String, list: &str) {
    if !list.is_empty() && list != "defaults" {
        text.push_str(&format!("Options={}\n", escape(list)));
    }
}

/// Dependencies that options of the line ask for (systemd.mount(5), "fstab").
fn extra_dependencies(text: &mut String, list: &str, version: u32) {
    let mut add = |option: &str, keys: &[&str]| {
        let units: Vec<String> = options::values(list, option)
            .iter()
            .filter_map(|value| name::mangle(value, UnitType::Mount))
            .collect();
        if !units.is_empty() {
            for key in keys {
                text.push_str(&format!("{key}={}\n", units.join(" ")));
            }
        }
    };
    add("x-systemd.after", &["After"]);
    add("x-systemd.requires", &["Requires", "After"]);
    if version >= 254 {
        add("x-systemd.wants", &["Wants", "After"]);
    }
    add("x-systemd.before", &["Before"]);
    for (option, key) in [
        ("x-systemd.requires-mounts-for", "RequiresMountsFor"),
        ("x-systemd.wants-mounts-for", "WantsMountsFor"),
    ] {
        let paths: Vec<String> = options::values(list, option)
            .iter()
            .map(|p| escape(p))
            .collect();
        if !paths.is_empty() && (version >= 256 || key == "RequiresMountsFor") {
            text.push_str(&format!("{key}={}\n", paths.join(" ")));
        }
    }
}

/// Whether a file system checker for the type is installed (`fsck_exists_for_fstype`).
fn fsck_exists(run: &Run, fs_type: &str) -> bool {
    let found = |program: &str| {
        [
            "/usr/local/sbin",
            "/usr/local/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        ]
        .iter()
        .any(|dir| {
            let path = format!("{dir}/{program}");
            // A link to `true` stands for a checker that does nothing.
            let real = run.tree.fs().canonicalize(&path);
            real.is_ok_and(|real| {
                !matches!(real.as_str(), "/bin/true" | "/usr/bin/true" | "/dev/null")
            })
        })
    };
    found("fsck") && (fs_type.is_empty() || fs_type == "auto" || found(&format!("fsck.{fs_type}")))
}

fn add_mount(run: &mut Run, mut line: Line, maker: &Maker) {
    if line.fs_type == "autofs" || !line.at.starts_with('/') || is_api_mount(&line.at, run.version)
    {
        return;
    }
    let Some(unit) = name::from_path(&line.at, UnitType::Mount) else {
        return;
    };
    let mut wanted_by = options::values(&line.options, "x-systemd.wanted-by");
    let mut required_by = options::values(&line.options, "x-systemd.required-by");
    let mandatory = line.at == "/" || (run.version >= 255 && line.at == "/usr");
    if mandatory {
        (line.no_auto, line.no_fail, line.automount) = (false, false, false);
        wanted_by.clear();
        required_by.clear();
        if run.version >= 255 {
            line.options =
                options::without(&line.options, &["noauto", "nofail", "x-systemd.automount"]);
        }
    }
    let own_pull = !wanted_by.is_empty() || !required_by.is_empty();
    let target = if options::is_network(&line.fs_type, &line.options) {
        "remote-fs.target"
    } else {
        "local-fs.target"
    };
    let detached = own_pull && run.version >= 255;
    let mut text = String::from("[Unit]\nSourcePath=/etc/fstab\n");
    if matches!(line.fs_type.as_str(), "nfs" | "nfs4")
        && !line.automount
        && options::yes_no(&line.options, "bg", "fg")
    {
        line.options = format!(
            "x-systemd.mount-timeout=infinity,retry=10000,nofail,{},fg",
            line.options
        );
        line.no_fail = true;
    }
    if detached {
        text.push_str("DefaultDependencies=no\nConflicts=umount.target\nBefore=umount.target\n");
    }
    extra_dependencies(&mut text, &line.options, run.version);
    if !detached && !line.no_fail {
        text.push_str(&format!("Before={target}\n"));
    }
    if line.pass != 0 && name::is_device_path(&line.what) && fsck_exists(run, &line.fs_type) {
        if line.at == "/" {
            let root = run.shipped("systemd-fsck-root.service");
            run.pull_in(NORMAL, "local-fs.target", "wants", &root, maker);
        } else if let Some(device) = name::escape_path(&line.what) {
            let kind = if line.at == "/usr" {
                "Wants"
            } else {
                "Requires"
            };
            text.push_str(&format!(
                "{kind}=systemd-fsck@{device}.service\nAfter=systemd-fsck@{device}.service\n"
            ));
        }
    }
    block_device(&mut text, &line.what);
    text.push_str(&format!(
        "\n[Mount]\nWhat={}\nWhere={}\n",
        escape(&line.what),
        escape(&line.at)
    ));
    if !line.fs_type.is_empty() && line.fs_type != "auto" {
        text.push_str(&format!("Type={}\n", escape(&line.fs_type)));
    }
    push_options(
        &mut text,
        &options::without(&line.options, &["x-systemd.device-timeout"]),
    );
    run.file(&format!("{NORMAL}/{unit}"), text, maker);
    device_drop_ins(run, &line, maker);
    hook_up(run, &line, &unit, target, maker);
    quota(run, &line, &unit, target, maker);
    let automount = if line.automount {
        name::with_type(&unit, UnitType::Automount)
    } else {
        None
    };
    if let Some(automount) = &automount {
        let text = format!(
            "[Unit]\nSourcePath=/etc/fstab\n\n[Automount]\nWhere={}\n",
            escape(&line.at)
        );
        run.file(&format!("{NORMAL}/{automount}"), text, maker);
    }
    let pulled = automount.as_deref().unwrap_or(&unit);
    // Older versions ignore the options for automounts and still pull those in by the target.
    let by_target = if run.version >= 255 {
        !own_pull && (!line.no_auto || automount.is_some())
    } else {
        automount.is_some() || (!line.no_auto && !own_pull)
    };
    if by_target {
        run.pull_in(
            NORMAL,
            target,
            if line.no_fail { "wants" } else { "requires" },
            pulled,
            maker,
        );
    } else if own_pull {
        for by in &wanted_by {
            run.pull_in(NORMAL, by, "wants", pulled, maker);
        }
        for by in &required_by {
            run.pull_in(NORMAL, by, "requires", pulled, maker);
        }
    }
}

/// `x-systemd.makefs` and `x-systemd.growfs`.
fn hook_up(run: &mut Run, line: &Line, unit: &str, target: &str, maker: &Maker) {
    if options::has(&line.options, &["x-systemd.makefs"])
        && name::is_device_path(&line.what)
        && let Some(device) = name::escape_path(&line.what)
    {
        let service = format!("systemd-makefs@{device}.service");
        let text = format!(
            "[Unit]\nDefaultDependencies=no\nBindsTo=%i.device\nConflicts=shutdown.target\nAfter=%i.device\n\
             Before=shutdown.target systemd-fsck@%i.service {unit}\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/usr/lib/systemd/systemd-makefs {} {}\nTimeoutSec=0\n",
            line.fs_type,
            escape(&line.what)
        );
        run.file(&format!("{NORMAL}/{service}"), text, maker);
        run.pull_in(NORMAL, unit, "requires", &service, maker);
    }
    if options::has(&line.options, &["x-systemd.growfs"])
        && let Some(point) = name::escape_path(&line.at)
    {
        let modern = run.version >= 254;
        if modern && line.at == "/" {
            let root = run.shipped("systemd-growfs-root.service");
            run.pull_in(NORMAL, unit, "wants", &root, maker);
            return;
        }
        if modern {
            instance(run, "systemd-growfs", &point, unit, target, maker);
            return;
        }
        let service = format!("systemd-growfs@{point}.service");
        let root = if line.at == "/" {
            "After=systemd-remount-fs.service\n"
        } else {
            ""
        };
        let text = format!(
            "[Unit]\nDefaultDependencies=no\nBindsTo=%i.mount\nConflicts=shutdown.target\nAfter=systemd-repart.service %i.mount\n\
             Before=shutdown.target {target}\n{root}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart=/usr/lib/systemd/systemd-growfs {}\nTimeoutSec=0\n",
            escape(&line.at)
        );
        run.file(&format!("{NORMAL}/{service}"), text, maker);
        run.pull_in(NORMAL, unit, "wants", &service, maker);
    }
}

/// Quota options (systemd ≥ 254; before, the mount unit itself asked for the services).
fn quota(run: &mut Run, line: &Line, unit: &str, target: &str, maker: &Maker) {
    let names = [
        "usrquota",
        "grpquota",
        "quota",
        "usrjquota",
        "grpjquota",
        "prjquota",
    ];
    if run.version < 254
        || !options::has(&line.options, &names)
        || !options::needs_quota(&line.fs_type)
    {
        return;
    }
    let Some(point) = name::escape_path(&line.at) else {
        return;
    };
    for service in ["systemd-quotacheck", "quotaon"] {
        if line.at == "/" {
            let root = run.shipped(&format!("{service}-root.service"));
            run.pull_in(NORMAL, "local-fs.target", "wants", &root, maker);
            continue;
        }
        instance(run, service, &point, unit, target, maker);
    }
}

/// An instance of a shipped template that the mount wants and the target waits for (systemd ≥ 254).
fn instance(run: &mut Run, service: &str, point: &str, unit: &str, target: &str, maker: &Maker) {
    let instance = format!("{service}@{point}.service");
    let template = run.shipped(&format!("{service}@.service"));
    let order = format!("[Unit]\nAfter={instance}\n");
    run.file(
        &format!("{NORMAL}/{target}.d/50-order-{instance}.conf"),
        order,
        maker,
    );
    let link = format!("{NORMAL}/{unit}.wants/{instance}");
    run.overlay.link(&link, &template, maker.clone());
}

/// `systemd.volatile=state` mounts an empty `/var`.
fn volatile_var(run: &mut Run) {
    let word = run
        .words()
        .filter(|w| w.key == "systemd.volatile")
        .last()
        .cloned();
    let Some(word) = word.filter(|w| {
        w.value
            .as_deref()
            .is_some_and(|v| v == "state" && parse_bool(v).is_none())
    }) else {
        return;
    };
    let maker = Maker {
        name: "fstab-generator",
        why: "systemd.volatile=state on the kernel command line".into(),
        origin: word_origin(&word),
    };
    let text = "[Unit]\nSourcePath=/proc/cmdline\nBefore=local-fs.target\n\n[Mount]\nWhat=tmpfs\nWhere=/var\nType=tmpfs\nOptions=mode=0755\n";
    run.file(&format!("{LATE}/var.mount"), text.into(), &maker);
    run.pull_in(LATE, "local-fs.target", "requires", "var.mount", &maker);
}
