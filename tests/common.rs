//! What the tests that look at real images share: where a fixture's image lies, and what the doctor must say of it.
//!
//! The images are declared and made under `fixtures/`. A missing one is built (seconds, the first of its base a minute); a test whose image can't be
//! built fails.
#![allow(
    dead_code,
    reason = "every test binary takes what it needs of this module"
)]

#[path = "common/team.rs"]
pub mod team;

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::Deserialize;

/// One declared fixture, as `fixtures/build --expect-json` prints it.
#[derive(Debug, Clone, Deserialize)]
pub struct Fixture {
    /// Name of the fixture, and of its image unless it shares another's.
    pub name: String,
    /// One sentence about what is wrong, or right, with it.
    pub title: String,
    /// Id of the fault it shows; `None` for a healthy image.
    pub fault: Option<String>,
    /// Name of the base file system.
    pub base: String,
    /// Where the image lies once it is built.
    pub image: PathBuf,
    /// Whether the image exists and is up to date.
    pub built: bool,
    /// How it is to be booted, when not in the usual way.
    pub launch: Launch,
    /// What must be said of it.
    pub expect: Expect,
}

/// What is special about starting a fixture.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Launch {
    /// Arguments of `isar-doctor boot`.
    pub args: Vec<String>,
    /// Arguments after `--`, for QEMU.
    pub qemu: Vec<String>,
    /// A start script, ready to be given to `--run-script`.
    pub run_script: Option<PathBuf>,
    /// A program to be given to `--qemu`.
    pub wrapper: Option<PathBuf>,
    /// A program that has to run beside the boot, with its arguments.
    pub beside: Vec<String>,
}

/// The expectation of a fixture.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Rules `inspect` must report, without the pedantic ones; empty for a clean image.
    pub inspect: Vec<String>,
    /// Rules that may be reported besides, because they are consequences of the fault.
    pub also: Vec<String>,
    /// Rules that the lint of the start script must report.
    pub lint: Vec<String>,
    /// Exit code of `inspect` when it isn't decided by the findings (3: the image could not be judged).
    pub inspect_exit: Option<i32>,
    /// What a boot must end with.
    pub boot: Option<Boot>,
}

/// The verdict of a boot.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Boot {
    /// Whether the shell answers a command.
    pub reached: bool,
    /// First stage that is not completed; `shell` when it was reached.
    pub stage: String,
    /// Critical point of the failure.
    pub critical_point: Option<String>,
    /// The verdict's cause id, or a phrase its cause must contain.
    pub cause: Option<String>,
    /// The boot may go either way, and must then be called racy.
    pub racy: bool,
    /// The shell answers, and yet the guest is not well (failed units, emergency mode).
    pub unhealthy: bool,
    /// Exit code when the host can't boot it at all (4).
    pub exit: Option<i32>,
    /// Who must act: `image`, `launch` or `host`; `image` unless said otherwise.
    pub blame: Option<String>,
}

/// All declared fixtures, in the order of their declaration.
pub fn fixtures() -> &'static [Fixture] {
    static ALL: OnceLock<Vec<Fixture>> = OnceLock::new();
    ALL.get_or_init(|| {
        let output = builder(&["--expect-json"]);
        serde_json::from_slice(&output)
            .expect("fixtures/build --expect-json prints what this module expects")
    })
}

/// The declaration of one fixture.
pub fn fixture(name: &str) -> &'static Fixture {
    fixtures()
        .iter()
        .find(|fixture| fixture.name == name)
        .unwrap_or_else(|| panic!("no fixture is called {name}"))
}

/// The image of a fixture, built if need be.
pub fn image(name: &str) -> PathBuf {
    let output = builder(&[name]);
    let path = String::from_utf8(output).expect("a path in UTF-8");
    let path = PathBuf::from(path.trim_end());
    assert!(
        path.is_file(),
        "fixtures/build {name} printed {}",
        path.display()
    );
    path
}

/// Held while a test boots a machine: one for every two processors, over all test programs of this checkout.
#[must_use = "the slot is free again when this is dropped"]
pub struct BootSlot(File);

/// Waits until a machine may be booted. Without it as many guests as there are tests would share the processors, and none would be in time.
pub fn boot_slot() -> BootSlot {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let slots = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
    let number = (NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize) % slots;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/target/boot-slots");
    std::fs::create_dir_all(directory).expect("target/ can be written");
    let file = File::create(format!("{directory}/{number}")).expect("target/ can be written");
    file.lock().expect("a file below target/ can be locked");
    BootSlot(file)
}

/// Runs `fixtures/build`; its progress goes to our own stderr.
fn builder(arguments: &[&str]) -> Vec<u8> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/build");
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .expect("fixtures/build can be started (python3)");
    assert!(
        output.status.success(),
        "fixtures/build {} failed: see its messages above",
        arguments.join(" ")
    );
    output.stdout
}
