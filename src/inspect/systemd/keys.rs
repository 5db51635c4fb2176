//! Which keys a section has, and how assignments of a key add up (systemd.directives(7); the union of systemd 252 and 257).

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// How several assignments of a key make its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Names of units or paths to depend on: they add up, and an empty assignment does nothing.
    Deps,
    /// A list: assignments add up, an empty one clears the list.
    List,
    /// A boolean: the last valid assignment counts.
    Flag,
    /// A text: the last assignment counts, an empty one unsets it.
    Text,
    /// Anything else: the last valid assignment counts.
    Value,
}
use KeyKind::*;

type Group = &'static [(KeyKind, &'static str)];

/// Keys that systemd 252 does not know.
const NEW: &str = "BindLogSockets CoredumpReceive DefaultStartupMemoryLow DeferReactivation \
     DelegateSubgroup ExtensionImagePolicy FileDescriptorStorePreserve ImportCredential \
     LogFilterPatterns ManagedOOMMemoryPressureDurationSec MemoryKSM \
     MemoryPressureThresholdSec MemoryPressureWatch MemoryZSwapMax MemoryZSwapWriteback \
     MountImagePolicy NFTSet OpenFile PassFileDescriptorsToExec PollLimitBurst \
     PollLimitIntervalSec PrivatePIDs ReloadSignal RestartMaxDelaySec RestartMode \
     RestartSteps RootEphemeral RootImagePolicy SetLoginEnvironment StartupMemoryHigh \
     StartupMemoryLow StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax \
     SurviveFinalKillSignal UpheldBy WantsMountsFor";

/// Kind of a key of a section; `None` for one that this version of systemd does not know.
pub fn kind(section: &str, key: &str, version: u32) -> Option<KeyKind> {
    let found = kind_now(section, key)?;
    (version > 252 || !is_new(key)).then_some(found)
}

fn is_new(key: &str) -> bool {
    static TABLE: OnceLock<HashSet<&str>> = OnceLock::new();
    TABLE.get_or_init(|| NEW.split(' ').collect()).contains(key)
}

fn kind_now(section: &str, key: &str) -> Option<KeyKind> {
    static TABLE: OnceLock<HashMap<&str, HashMap<&str, KeyKind>>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            SECTIONS
                .iter()
                .map(|(section, groups)| (*section, table(groups)))
                .collect()
        })
        .get(section)?
        .get(key)
        .copied()
}

fn table(groups: &[Group]) -> HashMap<&'static str, KeyKind> {
    groups
        .iter()
        .flat_map(|group| group.iter())
        .flat_map(|(kind, names)| names.split(' ').map(|name| (name, *kind)))
        .collect()
}

/// Keys that share one list, so that an empty assignment of any of them clears it. For all others the key itself.
pub fn list_name<'a>(section: &str, key: &'a str) -> &'a str {
    match section {
        "Unit" if key.starts_with("Condition") => "Condition",
        "Unit" if key.starts_with("Assert") => "Assert",
        "Socket" if key.starts_with("Listen") => "Listen",
        "Timer" if key == "OnCalendar" || (key.starts_with("On") && key.ends_with("Sec")) => "On",
        "Path" if key.starts_with("Path") || key == "DirectoryNotEmpty" => "Path",
        _ => key,
    }
}

/// A boolean as systemd reads it (`parse_boolean`).
pub fn parse_bool(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

const SECTIONS: &[(&str, &[Group])] = &[
    ("Unit", &[UNIT]),
    ("Install", &[INSTALL]),
    ("Service", &[SERVICE, EXEC, CGROUP, KILL]),
    ("Socket", &[SOCKET, EXEC, CGROUP, KILL]),
    ("Mount", &[MOUNT, EXEC, CGROUP, KILL]),
    ("Swap", &[SWAP, EXEC, CGROUP, KILL]),
    ("Automount", &[AUTOMOUNT]),
    ("Timer", &[TIMER]),
    ("Path", &[PATH]),
    ("Slice", &[CGROUP]),
    ("Scope", &[SCOPE, CGROUP, KILL]),
];

const UNIT: Group = &[
    (
        Deps,
        "After Before BindTo BindsTo Conflicts JoinsNamespaceOf OnFailure OnSuccess PartOf \
         PropagateReloadFrom PropagateReloadTo PropagatesReloadTo PropagatesStopTo ReloadPropagatedFrom \
         Requires RequiresMountsFor RequiresOverridable Requisite RequisiteOverridable StopPropagatedFrom \
         Upholds Wants WantsMountsFor",
    ),
    (
        List,
        "AssertACPower AssertArchitecture AssertCPUFeature AssertCPUPressure AssertCPUs AssertCapability \
         AssertControlGroupController AssertCredential AssertDirectoryNotEmpty AssertEnvironment \
         AssertFileIsExecutable AssertFileNotEmpty AssertFirstBoot AssertGroup AssertHost AssertIOPressure \
         AssertKernelCommandLine AssertKernelVersion AssertMemory AssertMemoryPressure AssertNeedsUpdate \
         AssertOSRelease AssertPathExists AssertPathExistsGlob AssertPathIsDirectory AssertPathIsEncrypted \
         AssertPathIsMountPoint AssertPathIsReadWrite AssertPathIsSymbolicLink AssertSecurity AssertUser \
         AssertVirtualization ConditionACPower ConditionArchitecture ConditionCPUFeature ConditionCPUPressure \
         ConditionCPUs ConditionCapability ConditionControlGroupController ConditionCredential \
         ConditionDirectoryNotEmpty ConditionEnvironment ConditionFileIsExecutable ConditionFileNotEmpty \
         ConditionFirmware ConditionFirstBoot ConditionGroup ConditionHost ConditionIOPressure \
         ConditionKernelCommandLine ConditionKernelVersion ConditionMemory ConditionMemoryPressure \
         ConditionNeedsUpdate ConditionOSRelease ConditionPathExists ConditionPathExistsGlob \
         ConditionPathIsDirectory ConditionPathIsEncrypted ConditionPathIsMountPoint ConditionPathIsReadWrite \
         ConditionPathIsSymbolicLink ConditionSecurity ConditionUser ConditionVirtualization Documentation",
    ),
    (
        Flag,
        "AllowIsolate DefaultDependencies IgnoreOnIsolate RefuseManualStart RefuseManualStop StopWhenUnneeded \
         SurviveFinalKillSignal",
    ),
    (
        Text,
        "Description JobTimeoutRebootArgument RebootArgument SourcePath",
    ),
    (
        Value,
        "CollectMode FailureAction FailureActionExitStatus IgnoreOnSnapshot JobRunningTimeoutSec \
         JobTimeoutAction JobTimeoutSec OnFailureIsolate OnFailureJobMode OnSuccessJobMode StartLimitAction \
         StartLimitBurst StartLimitInterval StartLimitIntervalSec SuccessAction SuccessActionExitStatus",
    ),
];
const EXEC: Group = &[
    (
        List,
        "AmbientCapabilities BindPaths BindReadOnlyPaths CPUAffinity CacheDirectory CapabilityBoundingSet \
         ConfigurationDirectory Environment EnvironmentFile ExecPaths ExecSearchPath ExtensionDirectories \
         ExtensionImages ImportCredential InaccessibleDirectories InaccessiblePaths LoadCredential \
         LoadCredentialEncrypted LogExtraFields LogFilterPatterns LogsDirectory MountImages NoExecPaths \
         PassEnvironment ReadOnlyDirectories ReadOnlyPaths ReadWriteDirectories ReadWritePaths \
         RestrictAddressFamilies RestrictFileSystems RootImageOptions RuntimeDirectory SecureBits \
         SetCredential SetCredentialEncrypted StandardInputData StandardInputText StateDirectory \
         SupplementaryGroups SystemCallArchitectures SystemCallFilter SystemCallLog TemporaryFileSystem \
         UnsetEnvironment",
    ),
    (
        Flag,
        "CPUSchedulingResetOnFork DynamicUser IgnoreSIGPIPE LockPersonality MemoryDenyWriteExecute \
         NoNewPrivileges PrivateDevices PrivateIPC PrivateMounts PrivateNetwork ProtectClock \
         ProtectHostname ProtectKernelLogs ProtectKernelModules \
         ProtectKernelTunables RemoveIPC RestrictRealtime RestrictSUIDSGID RootEphemeral SyslogLevelPrefix \
         TTYReset TTYVHangup TTYVTDisallocate",
    ),
    (
        Text,
        "AppArmorProfile Group IPCNamespacePath LogNamespace NetworkNamespacePath Nice OOMScoreAdjust PAMName \
         RootDirectory RootHash RootHashSignature RootImage RootVerity SELinuxContext SmackProcessLabel \
         SyslogIdentifier TTYPath User UtmpIdentifier WorkingDirectory",
    ),
    (
        Value,
        "BindLogSockets CPUSchedulingPolicy CPUSchedulingPriority CacheDirectoryMode Capabilities \
         ConfigurationDirectoryMode CoredumpFilter ExtensionImagePolicy IOSchedulingClass \
         IOSchedulingPriority KeyringMode LimitAS LimitCORE LimitCPU LimitDATA LimitFSIZE LimitLOCKS \
         LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO LimitRTTIME \
         LimitSIGPENDING LimitSTACK LogLevelMax LogRateLimitBurst LogRateLimitIntervalSec LogsDirectoryMode \
         MemoryKSM MountAPIVFS MountFlags MountImagePolicy NUMAMask NUMAPolicy Personality PrivatePIDs \
         PrivateTmp PrivateUsers ProcSubset ProtectControlGroups ProtectHome ProtectProc ProtectSystem RestrictNamespaces RootImagePolicy \
         RuntimeDirectoryMode RuntimeDirectoryPreserve SetLoginEnvironment StandardError StandardInput \
         StandardOutput StateDirectoryMode SyslogFacility SyslogLevel SystemCallErrorNumber TTYColumns \
         TTYRows TimeoutCleanSec TimerSlackNSec UMask UtmpMode",
    ),
];
const CGROUP: Group = &[
    (
        List,
        "BPFProgram BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth DeviceAllow \
         DisableControllers IODeviceLatencyTargetSec IODeviceWeight IOReadBandwidthMax IOReadIOPSMax \
         IOWriteBandwidthMax IOWriteIOPSMax IPAddressAllow IPAddressDeny IPEgressFilterPath \
         IPIngressFilterPath NFTSet RestrictNetworkInterfaces SocketBindAllow SocketBindDeny",
    ),
    (
        Flag,
        "BlockIOAccounting CPUAccounting CoredumpReceive IOAccounting IPAccounting MemoryAccounting \
         MemoryZSwapWriteback TasksAccounting",
    ),
    (
        Value,
        "AllowedCPUs AllowedMemoryNodes BlockIOWeight CPUQuota CPUQuotaPeriodSec CPUShares CPUWeight \
         DefaultMemoryLow DefaultMemoryMin DefaultStartupMemoryLow Delegate DelegateSubgroup DevicePolicy \
         IOWeight ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit \
         ManagedOOMPreference ManagedOOMSwap MemoryHigh MemoryLimit MemoryLow MemoryMax MemoryMin \
         MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax NetClass Slice \
         StartupAllowedCPUs StartupAllowedMemoryNodes StartupBlockIOWeight StartupCPUShares StartupCPUWeight \
         StartupIOWeight StartupMemoryHigh StartupMemoryLow StartupMemoryMax StartupMemorySwapMax \
         StartupMemoryZSwapMax TasksMax",
    ),
];
const KILL: Group = &[
    (Flag, "SendSIGHUP SendSIGKILL"),
    (Text, "KillMode"),
    (
        Value,
        "FinalKillSignal KillSignal RestartKillSignal WatchdogSignal",
    ),
];
const SERVICE: Group = &[
    (Deps, "Sockets"),
    (
        List,
        "ExecCondition ExecReload ExecStart ExecStartPost ExecStartPre ExecStop ExecStopPost OpenFile \
         RestartForceExitStatus RestartPreventExitStatus SuccessExitStatus",
    ),
    (
        Flag,
        "GuessMainPID NonBlocking PermissionsStartOnly RemainAfterExit RootDirectoryStartOnly",
    ),
    (
        Text,
        "BusName PIDFile RebootArgument USBFunctionDescriptors USBFunctionStrings",
    ),
    (
        Value,
        "BusPolicy ExitType FailureAction FileDescriptorStoreMax FileDescriptorStorePreserve NotifyAccess \
         OOMPolicy ReloadSignal Restart RestartMaxDelaySec RestartMode RestartSec RestartSteps RuntimeMaxSec \
         RuntimeRandomizedExtraSec StartLimitAction StartLimitBurst StartLimitInterval SysVStartPriority \
         TimeoutAbortSec TimeoutSec TimeoutStartFailureMode TimeoutStartSec TimeoutStopFailureMode \
         TimeoutStopSec Type WatchdogSec",
    ),
];
const SOCKET: Group = &[
    (
        List,
        "ExecStartPost ExecStartPre ExecStopPost ExecStopPre ListenDatagram ListenFIFO ListenMessageQueue \
         ListenNetlink ListenSequentialPacket ListenSpecial ListenStream ListenUSBFunction Symlinks",
    ),
    (
        Flag,
        "Accept Broadcast FlushPending FreeBind KeepAlive NoDelay PassCredentials PassFileDescriptorsToExec \
         PassPacketInfo PassSecurity RemoveOnStop ReusePort SELinuxContextFromNet Transparent Writable",
    ),
    (
        Text,
        "BindToDevice FileDescriptorName SmackLabel SmackLabelIPIn SmackLabelIPOut SocketGroup SocketUser \
         TCPCongestion",
    ),
    (
        Value,
        "Backlog BindIPv6Only DeferAcceptSec DirectoryMode IPTOS IPTTL KeepAliveIntervalSec KeepAliveProbes \
         KeepAliveTimeSec Mark MaxConnections MaxConnectionsPerSource MessageQueueMaxMessages \
         MessageQueueMessageSize PipeSize PollLimitBurst PollLimitIntervalSec Priority ReceiveBuffer \
         SendBuffer Service SocketMode SocketProtocol TimeoutSec Timestamping TriggerLimitBurst \
         TriggerLimitIntervalSec",
    ),
];
const MOUNT: Group = &[
    (Flag, "ForceUnmount LazyUnmount ReadWriteOnly SloppyOptions"),
    (Text, "Options Type What Where"),
    (Value, "DirectoryMode TimeoutSec"),
];
const AUTOMOUNT: Group = &[
    (Text, "ExtraOptions Where"),
    (Value, "DirectoryMode TimeoutIdleSec"),
];
const SWAP: Group = &[(Text, "Options What"), (Value, "Priority TimeoutSec")];
const TIMER: Group = &[
    (
        List,
        "OnActiveSec OnBootSec OnCalendar OnStartupSec OnUnitActiveSec OnUnitInactiveSec",
    ),
    (
        Flag,
        "DeferReactivation FixedRandomDelay OnClockChange OnTimezoneChange Persistent RemainAfterElapse \
         WakeSystem",
    ),
    (Value, "AccuracySec RandomizedDelaySec Unit"),
];
const PATH: Group = &[
    (
        List,
        "DirectoryNotEmpty PathChanged PathExists PathExistsGlob PathModified",
    ),
    (Flag, "MakeDirectory"),
    (
        Value,
        "DirectoryMode TriggerLimitBurst TriggerLimitIntervalSec Unit",
    ),
];
const SCOPE: Group = &[(
    Value,
    "OOMPolicy RuntimeMaxSec RuntimeRandomizedExtraSec TimeoutStopSec",
)];
const INSTALL: Group = &[(
    List,
    "Alias Also DefaultInstance RequiredBy UpheldBy WantedBy",
)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(kind("Unit", "After", 252), Some(Deps));
        assert_eq!(kind("Unit", "ConditionPathExists", 252), Some(List));
        assert_eq!(kind("Service", "ExecStart", 252), Some(List));
        assert_eq!(kind("Service", "Type", 252), Some(Value));
        assert_eq!(kind("Service", "TTYPath", 252), Some(Text));
        assert_eq!(kind("Service", "PrivateDevices", 252), Some(Flag));
        assert_eq!(kind("Service", "ConditionPathExists", 252), None);
        assert_eq!(kind("Slice", "ExecStart", 252), None);
        assert_eq!(kind("Install", "WantedBy", 252), Some(List));
        assert_eq!(kind("Install", "UpheldBy", 252), None);
        assert_eq!(kind("Unit", "WantsMountsFor", 257), Some(Deps));
    }

    #[test]
    fn booleans() {
        assert_eq!(parse_bool("Yes"), Some(true));
        assert_eq!(parse_bool("off"), Some(false));
        assert_eq!(parse_bool(""), None);
        assert_eq!(parse_bool("2"), None);
    }
}
