//! What the image's own systemd says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

/// Units that the sandbox adds: what it mounts, the terminal it lends, and the host's disks.
pub fn artefacts() -> BTreeSet<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts
        .lines()
        .filter_map(|line| {
            line.split(" - ")
                .nth(1)?
                .split(' ')
                .nth(1)?
                .strip_prefix('/')
        })
        .map(|device| format!("{}.device", device.replace('-', "\\x2d").replace('/', "-")))
        .chain(["dev-null.mount".to_owned(), "dev-ttyS0.mount".to_owned()])
        .collect()
}

/// Kinds of edges as `systemd --test` prints them.
const KINDS: &[&str] = &[
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "Conflicts",
    "Before",
    "After",
    "OnFailure",
    "OnSuccess",
    "Triggers",
    "PropagatesStopTo",
    "InSlice",
];

/// One unit as systemd printed it.
#[derive(Debug, Default)]
pub struct Unit {
    /// Kind and other unit.
    pub edges: BTreeSet<(String, String)>,
    /// Everything printed, by key, in order.
    pub fields: Vec<(String, String)>,
}

impl Unit {
    /// The values of a key.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }
}

/// The whole answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// Units by name.
    pub units: BTreeMap<String, Unit>,
    /// Units with a start job in the first transaction.
    pub starts: BTreeSet<String>,
    /// What it logged.
    pub log: String,
}

/// A command that runs `script` on a terminal in namespaces of its own, as an ordinary user that owns the files.
fn sandbox(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-user=1000", "--map-group=1000"])
        .args(["--keep-caps", "--mount", "--propagation", "private"])
        .args(["sh", "-c", script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null());
    command
}

/// Runs `systemd --test` in a root file system.
pub fn ask(tree: &Path, cmdline: &str, devices: &[&str]) -> Answer {
    let out = tree.with_extension("answer");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/agreement_systemd/oracle.sh"
    );
    let output = sandbox("exec script -qec 'sh \"$SCRIPT\"' /dev/null")
        .env("SCRIPT", script)
        .env("TREE", tree)
        .env("OUT", &out)
        .env("SYSTEMD_PROC_CMDLINE", cmdline)
        .env("DEVICES", devices.join(" "))
        .output()
        .unwrap();
    let text = std::fs::read(&out).unwrap_or_default();
    let log = std::fs::read(out.with_extension("answer.log")).unwrap_or_default();
    let mut answer = parse(&String::from_utf8_lossy(&text));
    answer.log = String::from_utf8_lossy(&log).into_owned();
    assert!(
        !answer.units.is_empty(),
        "systemd --test printed nothing in {}: {}{}",
        tree.display(),
        String::from_utf8_lossy(&output.stdout),
        answer.log
    );
    answer
}

/// Runs the image's own `systemctl` on its files.
pub fn systemctl(tree: &Path, arguments: &[&str]) -> String {
    let output = sandbox(
        "mount -t tmpfs tmpfs \"$TREE/dev\" && touch \"$TREE/dev/null\" && mount --bind /dev/null \"$TREE/dev/null\" &&
         exec chroot \"$TREE\" systemctl --root=/ --no-pager --full \"$@\"",
    )
    .arg("sh")
    .args(arguments)
    .env("TREE", tree)
    .output()
    .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn parse(text: &str) -> Answer {
    let mut answer = Answer::default();
    let mut current = None;
    for line in text.lines() {
        let line = line.replace('→', "->");
        let field = line.trim();
        if line.starts_with("-> By jobs") {
            current = None;
        }
        if let Some(name) = field.strip_prefix("-> Unit ") {
            let name = name.trim_end_matches(':').to_owned();
            current = Some(answer.units.entry(name).or_default());
            continue;
        }
        if let Some(action) = field.strip_prefix("Action: ") {
            if let Some((unit, "start")) = action.split_once(" -> ") {
                answer.starts.insert(unit.to_owned());
            }
            continue;
        }
        let (Some(unit), Some((key, value))) = (&mut current, field.split_once(": ")) else {
            continue;
        };
        if KINDS.contains(&key)
            && let Some((other, _)) = value.split_once(" (")
        {
            unit.edges.insert((key.to_owned(), other.to_owned()));
        }
        unit.fields.push((key.to_owned(), value.to_owned()));
    }
    answer
}
