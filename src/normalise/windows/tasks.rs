//! Events of what runs by itself or is deployed: scheduled tasks, WMI, packages, print drivers, troubleshooting, IIS and Exchange
//! administration.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, by_reporter, family, kinds};

const TASK: &[Map] = &[
    ("UserContext", How::Account, field::USER_NAME),
    ("UserName", How::Account, field::USER_NAME),
    ("Path", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ActionName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessID", How::Number, field::PROCESS_PID),
    ("EnginePID", How::Number, field::PROCESS_PID),
];
const WMI: &[Map] = &[
    ("User", How::Account, field::USER_NAME),
    ("ClientMachine", How::Copy, field::SOURCE_DOMAIN),
    ("ClientProcessId", How::Number, field::PROCESS_PID),
    ("Processid", How::Number, field::PROCESS_PID),
    ("processid", How::Number, field::PROCESS_PID),
    ("ProcessID", How::Number, field::PROCESS_PID),
    ("HostProcess", How::Copy, field::PROCESS_NAME),
    ("ProviderPath", How::Program(field::DLL_NAME), field::DLL_PATH),
    ("ResultCode", How::Copy, field::ERROR_CODE),
];
const PACKAGE: &[Map] = &[
    ("PackageFullName", How::Copy, field::PACKAGE_NAME),
    ("PackageName", How::Copy, field::PACKAGE_NAME),
    ("PackageFamilyName", How::Copy, field::PACKAGE_NAME),
    ("PackageSourceUri", How::Copy, field::URL_ORIGINAL),
    ("CallingProcess", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ErrorCode", How::Copy, field::ERROR_CODE),
];
const DRIVER: &[Map] = &[
    ("PluginDllName", How::Program(field::DLL_NAME), field::DLL_PATH),
    ("ErrorCode", How::Copy, field::ERROR_CODE),
];
const CMDLET: &[Map] = &[
    ("#0", How::Copy, field::POWERSHELL_COMMAND_NAME),
    ("#1", How::Copy, field::POWERSHELL_COMMAND_VALUE),
    ("#2", How::Member, field::USER_NAME),
    ("#3", How::Copy, field::USER_ID),
];

/// The providers of what runs by itself.
pub const FAMILIES: &[Family] = &[
    by_reporter(&["microsoft-windows-taskscheduler"], TASKS),
    by_reporter(&["microsoft-windows-wmi-activity"], WMI_LOG),
    by_reporter(
        &["microsoft-windows-appxdeployment-server", "microsoft-windows-appxdeployment"],
        PACKAGES,
    ),
    by_reporter(
        &["microsoft-windows-appxpackagingom", "microsoft-windows-appxpackaging-om"],
        PACKAGING,
    ),
    by_reporter(&["microsoft-windows-appmodel-runtime"], APPLICATIONS),
    by_reporter(&["microsoft-windows-printservice"], PRINTING),
    by_reporter(&["microsoft-windows-diagnosis-scripted"], TROUBLESHOOTING),
    by_reporter(&["microsoft-windows-shell-core"], SHELL),
    by_reporter(&["microsoft-windows-iis-configuration"], WEB_SERVER),
    family(&["msexchange cmdletlogs"], EXCHANGE),
    by_reporter(&["microsoft-windows-vhdmp"], DISKS),
    family(&["microsoft-servicebus-client"], SERVICE_BUS),
    family(&["microsoft-windows-liveid"], ACCOUNTS),
];

const TASKS: &[Spec] = kinds! {
    [106] TaskSchedule ["configuration"] ["creation"] "scheduled-task-created" AUDIT [TASK];
    [140, 142] TaskSchedule ["configuration"] ["change"] "scheduled-task-changed" AUDIT [TASK];
    [141] TaskSchedule ["configuration"] ["deletion"] "scheduled-task-deleted" AUDIT [TASK];
    [100, 107, 108, 110, 117, 118, 119, 129, 200, 319, 324] TaskSchedule ["process"] ["start"] "scheduled-task-run" AUDIT [TASK];
    [102, 201] TaskSchedule ["process"] ["end"] "scheduled-task-finished" AUDIT [TASK];
    [101, 103, 104, 202, 203, 204, 311] TaskSchedule ["process"] ["error"] "scheduled-task-failed" FAILURE [TASK];
    [111, 145, 153, 322, 323, 325, 329, 330, 332] TaskSchedule ["process"] ["info"] "scheduled-task-reported" AUDIT [TASK];
};

const WMI_LOG: &[Spec] = kinds! {
    [5857] Other ["library", "process"] ["start"] "wmi-provider-loaded" AUDIT [WMI];
    [5858] Other ["process"] ["error"] "wmi-operation-failed" FAILURE [WMI];
    [5859, 5860, 5861] Other ["configuration"] ["creation"] "wmi-subscription" AUDIT [WMI];
};

const PACKAGES: &[Spec] = kinds! {
    [400] Other ["package"] ["installation"] "package-deployed" SUCCESS [PACKAGE];
    [401, 404, 412, 441, 442, 453, 454] Other ["package"] ["error"] "package-deployment-failed" FAILURE [PACKAGE];
    [325, 603, 607, 613, 854, 855] Other ["package"] ["info"] "package-deployment-step" AUDIT [PACKAGE];
};

const PACKAGING: &[Spec] = kinds! {
    [150, 151, 153, 154, 155, 156, 157, 170, 171, 216] Other ["package"] ["info"] "package-read" AUDIT [PACKAGE];
};

const APPLICATIONS: &[Spec] = kinds! {
    [201] Other ["process"] ["start"] "package-process-created" AUDIT [PACKAGE];
    [65, 202, 203, 208, 209, 210, 211, 212, 213, 214, 216, 217, 218, 219, 220, 221] Other ["process"] ["info"] "package-process-reported" AUDIT [PACKAGE];
};

const PRINTING: &[Spec] = kinds! {
    [316] Other ["driver"] ["installation"] "print-driver-installed" AUDIT [DRIVER];
    [808] Other ["driver"] ["error"] "print-plug-in-failed" FAILURE [DRIVER];
    [300, 301, 306, 307, 321, 372, 823, 842, 848, 849, 354] Other ["file"] ["info"] "print-reported" AUDIT [DRIVER];
};

const TROUBLESHOOTING: &[Spec] = kinds! {
    [101, 102, 103, 104, 105] Other ["process"] ["start"] "troubleshooting-package-run" AUDIT [];
};

const SHELL: &[Spec] = kinds! {
    [9705, 9706, 9707, 9708] Other ["process"] ["start"] "start-up-command-run" AUDIT [];
    [28115, 28117] Other ["file"] ["creation"] "shortcut-added" AUDIT [];
};

const WEB_SERVER: &[Spec] = kinds! {
    [29, 50, 51] Other ["configuration", "web"] ["change"] "web-server-configuration-changed" AUDIT [];
};

const EXCHANGE: &[Spec] = kinds! {
    [1] Other ["configuration", "email"] ["change"] "mail-server-command-run" SUCCESS [CMDLET];
    [6, 8] Other ["configuration", "email"] ["error"] "mail-server-command-failed" FAILURE [CMDLET];
};

const DISKS: &[Spec] = kinds! {
    [1, 12, 22, 23, 25, 26] Other ["file", "host"] ["creation"] "disk-image-mounted" AUDIT [];
    [2, 13, 24, 27, 28] Other ["file", "host"] ["end"] "disk-image-dismounted" AUDIT [];
};

const SERVICE_BUS: &[Spec] = kinds! {
    [40300, 40301, 40302] Other ["network"] ["connection"] "relay-connection-reported" AUDIT [];
};

const ACCOUNTS: &[Spec] = kinds! {
    [2024, 2028, 6113, 6114, 6115, 6116, 6117] Other ["authentication"] ["info"] "cloud-account-reported" AUDIT [];
};
