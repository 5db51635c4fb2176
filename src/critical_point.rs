//! The critical points of the chain: where a boot can break.
//!
//! The texts of the table live in `rules/critical-points.yaml`; this is the closed list of ids.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! critical_points {
    ($($variant:ident => $id:literal),+ $(,)?) => {
        /// One row of the critical-points table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum CriticalPoint {
            $(
                #[doc = concat!("`", $id, "`")]
                #[serde(rename = $id)]
                $variant,
            )+
        }

        impl CriticalPoint {
            /// All critical points, in the order of the table.
            pub const ALL: &'static [CriticalPoint] = &[$(CriticalPoint::$variant),+];

            /// The id used in JSON, rules and docs.
            pub fn id(self) -> &'static str {
                match self { $(CriticalPoint::$variant => $id),+ }
            }
        }
    };
}

critical_points! {
    ConditionPathExists => "condition-path-exists",
    AfterDevice => "after-device",
    StdioRedirect => "stdio-redirect",
    VirtioConsoleModule => "virtio-console-module",
    GettyMasking => "getty-masking",
    PackageInstalled => "package-installed",
    UnitEnabled => "unit-enabled",
    ScriptRunnable => "script-runnable",
    CmdlineConsole => "cmdline-console",
    SerialLayout => "serial-layout",
    FirmwareEntry => "firmware-entry",
    LoaderEntry => "loader-entry",
    KernelInitrd => "kernel-initrd",
    RootDevice => "root-device",
    Init => "init",
    Host => "host",
}

impl CriticalPoint {
    /// The critical point with this id.
    pub fn from_id(id: &str) -> Option<CriticalPoint> {
        CriticalPoint::ALL.iter().copied().find(|c| c.id() == id)
    }
}

impl fmt::Display for CriticalPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
