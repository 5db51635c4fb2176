//! The generic checks by name, and how their parameters are read from a rule.

use super::*;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

type Build = fn(Value) -> Result<Box<dyn Check>, String>;

/// One generic check.
pub struct Entry {
    /// Name in `check:`.
    pub name: &'static str,
    build: Build,
}

fn build<T: Check + DeserializeOwned + 'static>(
    parameters: Value,
) -> Result<Box<dyn Check>, String> {
    let parameters = if parameters.is_null() {
        Value::Mapping(Default::default())
    } else {
        parameters
    };
    serde_yaml::from_value::<T>(parameters)
        .map(|check| Box::new(check) as Box<dyn Check>)
        .map_err(|e| e.to_string())
}

/// All generic checks, by name.
pub const CHECKS: &[Entry] = &[
    Entry {
        name: "cmdline-console",
        build: build::<cmdline_console::CmdlineConsole>,
    },
    Entry {
        name: "cmdline-lacks",
        build: build::<cmdline_console::CmdlineLacks>,
    },
    Entry {
        name: "device-race",
        build: build::<device_race::DeviceRace>,
    },
    Entry {
        name: "esp",
        build: build::<esp::Esp>,
    },
    Entry {
        name: "file-runnable",
        build: build::<file_runnable::FileRunnable>,
    },
    Entry {
        name: "fstab-devices",
        build: build::<fstab_devices::FstabDevices>,
    },
    Entry {
        name: "getty",
        build: build::<getty::Getty>,
    },
    Entry {
        name: "init",
        build: build::<init::Init>,
    },
    Entry {
        name: "initrd-image",
        build: build::<initrd_image::InitrdImage>,
    },
    Entry {
        name: "kernel-image",
        build: build::<kernel_image::KernelImage>,
    },
    Entry {
        name: "loader-entry-resolves",
        build: build::<loader_entry::LoaderEntryResolves>,
    },
    Entry {
        name: "module-available",
        build: build::<module_available::ModuleAvailable>,
    },
    Entry {
        name: "package-intact",
        build: build::<package_intact::PackageIntact>,
    },
    Entry {
        name: "package-state",
        build: build::<package_state::PackageState>,
    },
    Entry {
        name: "partition-table",
        build: build::<partition_table::PartitionTable>,
    },
    Entry {
        name: "production",
        build: build::<production::Production>,
    },
    Entry {
        name: "root-resolves",
        build: build::<root_resolves::RootResolves>,
    },
    Entry {
        name: "script-text",
        build: build::<script_text::ScriptText>,
    },
    Entry {
        name: "transaction",
        build: build::<transaction::TransactionCheck>,
    },
    Entry {
        name: "unit-conditions",
        build: build::<condition::UnitConditions>,
    },
    Entry {
        name: "unit-directive",
        build: build::<unit_directive::UnitDirective>,
    },
    Entry {
        name: "unit-enabled",
        build: build::<unit_enabled::UnitEnabled>,
    },
    Entry {
        name: "unit-prerequisites",
        build: build::<unit_prerequisites::UnitPrerequisites>,
    },
    Entry {
        name: "unit-sandbox",
        build: build::<unit_sandbox::UnitSandbox>,
    },
    Entry {
        name: "unit-state",
        build: build::<unit_state::UnitState>,
    },
    Entry {
        name: "unit-waits",
        build: build::<unit_waits::UnitWaits>,
    },
];

/// Makes the check of this name with these parameters.
pub fn make(name: &str, parameters: Value) -> Result<Box<dyn Check>, String> {
    let entry = CHECKS.iter().find(|e| e.name == name).ok_or_else(|| {
        let names: Vec<_> = CHECKS.iter().map(|e| e.name).collect();
        let near = crate::rules::nearest(name, &names)
            .map(|n| format!(", did you mean `{n}`?"))
            .unwrap_or_default();
        format!("there is no check `{name}`{near}")
    })?;
    (entry.build)(parameters)
}
