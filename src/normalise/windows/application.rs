//! What the Application log holds: installers, crashes, databases, licences and the like. Most of it is classic: values without
//! names, known by their place.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, by_reporter, family, kinds};

const PRODUCT: &[Map] =
    &[("#0", How::Copy, field::PACKAGE_NAME), ("#1", How::Copy, field::PACKAGE_VERSION)];
const PRODUCT_ONLY: &[Map] = &[("#0", How::Copy, field::PACKAGE_NAME)];
/// The same values, once without names and in newer Windows with them.
const CRASH: &[Map] = &[
    ("AppName", How::Copy, field::PROCESS_NAME),
    ("AppPath", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ModuleName", How::Copy, field::DLL_NAME),
    ("ModulePath", How::Program(field::DLL_NAME), field::DLL_PATH),
    ("ProcessId", How::Number, field::PROCESS_PID),
    ("ExceptionCode", How::Copy, field::ERROR_CODE),
    ("#0", How::Named("AppName"), field::PROCESS_NAME),
    ("#1", How::Named("AppVersion"), field::PROCESS_NAME),
    ("#3", How::Named("ModuleName"), field::DLL_NAME),
    ("#4", How::Named("ModuleVersion"), field::DLL_NAME),
    ("#6", How::Named("ExceptionCode"), field::ERROR_CODE),
    ("#10", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("#11", How::Program(field::DLL_NAME), field::DLL_PATH),
];
const HANG: &[Map] = &[
    ("#0", How::Named("AppName"), field::PROCESS_NAME),
    ("#5", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
];
const LOGIN: &[Map] = &[
    ("#0", How::Account, field::USER_NAME),
    ("#1", How::Copy, field::EVENT_REASON),
    ("#2", How::Between("[CLIENT: ", "]"), field::SOURCE_IP),
];
const LOGIN_WITHOUT_REASON: &[Map] = &[
    ("#0", How::Account, field::USER_NAME),
    ("#1", How::Between("[CLIENT: ", "]"), field::SOURCE_IP),
];
const USER: &[Map] = &[("FullPath", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE)];
const STORE: &[Map] =
    &[("#0", How::Copy, field::PROCESS_NAME), ("#1", How::Number, field::PROCESS_PID)];

/// The providers of the Application log.
pub const FAMILIES: &[Family] = &[
    by_reporter(&["msiinstaller"], INSTALLER),
    family(&["application error"], CRASHES),
    family(&["application hang"], HANGS),
    family(&["windows error reporting"], REPORTS),
    family(&[".net runtime"], RUNTIME),
    family(
        &[
            ".net runtime optimization service",
            "microsoft-windows-loadperf",
            "microsoft-windows-wmi",
        ],
        UPKEEP,
    ),
    family(&["mssqlserver", "mssqlserver$audit"], DATABASE),
    family(&["esent"], STORES),
    family(&["vss", "system restore"], SHADOWS),
    family(&["microsoft-windows-backup"], BACKUPS),
    by_reporter(&["microsoft-windows-restartmanager"], RESTARTS),
    by_reporter(&["microsoft-windows-user profiles service"], PROFILES),
    family(
        &["microsoft-windows-security-spp", "office software protection platform service"],
        LICENCES,
    ),
    family(&["screenconnect"], REMOTE_SUPPORT),
    family(&["windows server update services"], UPDATE_SERVER),
    family(&["msexchange control panel"], MAIL_PANEL),
    family(&["msmq"], QUEUES),
    family(
        &[
            "desktop window manager",
            "microsoft-windows-search",
            "microsoft-windows-eventsystem",
            "microsoft-windows-complus",
            "microsoft-windows-msdtc",
            "microsoft-windows-msdtc 2",
            "wlms",
            "asp.net 4.0.30319.0",
            "windows activation technologies",
            "sidebyside",
        ],
        REPORTED,
    ),
];

const INSTALLER: &[Spec] = kinds! {
    [1033, 11707] Other ["package"] ["installation"] "package-installed" AUDIT [PRODUCT];
    [1034, 11724] Other ["package"] ["deletion"] "package-removed" AUDIT [PRODUCT];
    [1022, 1035, 1036, 11728] Other ["package"] ["change"] "package-changed" AUDIT [PRODUCT];
    [1040] Other ["package"] ["start"] "installation-started" AUDIT [PRODUCT_ONLY];
    [1042] Other ["package"] ["end"] "installation-finished" AUDIT [PRODUCT_ONLY];
    [1005, 1025, 1029, 1038] Other ["package"] ["info"] "installation-step" AUDIT [PRODUCT_ONLY];
    [1013, 10005, 11708, 11725, 11729] Other ["package"] ["error"] "installation-failed" FAILURE [PRODUCT_ONLY];
};

const CRASHES: &[Spec] = kinds! {
    [1000] Other ["process"] ["error"] "process-crashed" AUDIT [CRASH];
};

const HANGS: &[Spec] = kinds! {
    [1002] Other ["process"] ["error"] "process-hung" AUDIT [HANG];
};

const REPORTS: &[Spec] = kinds! {
    [1001] Other ["process"] ["error"] "error-report-made" AUDIT [];
};

const RUNTIME: &[Spec] = kinds! {
    [1022, 1023, 1025, 1026] Other ["process"] ["error"] "process-crashed" AUDIT [];
};

const UPKEEP: &[Spec] = kinds! {
    [1000, 1001, 1002, 1101, 1107, 1130, 5615, 5617] Other ["process"] ["info"] "upkeep-reported" AUDIT [];
};

const DATABASE: &[Spec] = kinds! {
    [18456] LogonFailure ["authentication", "database"] ["start"] "database-login-failed" FAILURE [LOGIN];
    [18452] LogonFailure ["authentication", "database"] ["start"] "database-login-failed" FAILURE [LOGIN_WITHOUT_REASON];
    [18453, 18454, 18455] Logon ["authentication", "database"] ["start"] "database-login" SUCCESS [LOGIN_WITHOUT_REASON];
    [15281] Other ["database"] ["denied"] "database-feature-refused" FAILURE [];
    [15457] Other ["database", "configuration"] ["change"] "database-setting-changed" AUDIT [];
    [8128] Other ["database", "library"] ["access"] "database-library-used" AUDIT [];
    [33205] Other ["database"] ["access"] "database-audited" AUDIT [];
    [17137, 17147, 17148, 17162, 17663, 9688, 9689, 3408, 3421] Other ["database"] ["info"] "database-reported" AUDIT [];
};

const STORES: &[Spec] = kinds! {
    [325] Other ["database", "file"] ["creation"] "database-file-created" AUDIT [STORE];
    [216, 326] Other ["database", "file"] ["access"] "database-file-attached" AUDIT [STORE];
    [327] Other ["database", "file"] ["end"] "database-file-detached" AUDIT [STORE];
    [101, 102, 103, 105, 210, 213, 220, 221, 223, 225, 300, 301, 302, 609, 612] Other ["database"] ["info"] "database-engine-reported" AUDIT [STORE];
};

const SHADOWS: &[Spec] = kinds! {
    [8193, 8194, 8195, 8196, 8212, 8219, 8220, 8224, 12289, 12348] Other ["file"] ["info"] "shadow-copy-reported" AUDIT [];
};

const BACKUPS: &[Spec] = kinds! {
    [4, 14] Other ["file"] ["info"] "backup-reported" AUDIT [];
    [524] Other ["file", "configuration"] ["deletion"] "backup-catalogue-deleted" AUDIT [];
};

const RESTARTS: &[Spec] = kinds! {
    [10000, 10001, 10002, 10005, 10006, 10007, 10010] Other ["process"] ["info"] "restart-manager-reported" AUDIT [USER];
};

const PROFILES: &[Spec] = kinds! {
    [1511, 1515, 1518] Other ["session"] ["error"] "temporary-profile-used" AUDIT [];
    [1530, 1531, 1532, 1533] Other ["session"] ["info"] "profile-service-reported" AUDIT [];
};

const LICENCES: &[Spec] = kinds! {
    [900, 902, 903, 1003, 1004, 1007, 1009, 1011, 1013, 1016, 1025, 1033, 1034, 1036, 1037, 1040, 1066, 8198, 12304, 12305, 12306, 16384, 16388, 16394] Other ["configuration"] ["info"] "licence-reported" AUDIT [];
};

const REMOTE_SUPPORT: &[Spec] = kinds! {
    [100, 101] Other ["session"] ["start"] "remote-support-session" AUDIT [];
    [200] Other ["process"] ["start"] "remote-support-command-run" AUDIT [];
    [201] Other ["file"] ["creation"] "remote-support-file-sent" AUDIT [];
};

const UPDATE_SERVER: &[Spec] = kinds! {
    [7053] Other ["process"] ["error"] "update-server-failed" AUDIT [];
};

const MAIL_PANEL: &[Spec] = kinds! {
    [4] Other ["web", "email"] ["error"] "mail-server-panel-failed" AUDIT [];
};

const QUEUES: &[Spec] = kinds! {
    [2027] Other ["process"] ["error"] "message-queue-failed" AUDIT [];
};

/// What fills the log and says little about security.
const REPORTED: &[Spec] = kinds! {
    [1, 2, 10, 11, 13, 15, 18, 33, 100, 101, 781, 1003, 1004, 1005, 1008, 1010, 1013, 1017, 1019, 1020, 4111, 4121, 4202, 4625, 9003, 9004, 9007, 9009, 9016, 10024] Other ["process"] ["info"] "application-reported" AUDIT [];
};
