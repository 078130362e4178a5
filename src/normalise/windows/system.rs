//! What the System log holds: the event log service, services, start and stop, time, drivers and devices, updates, group policy, the
//! directory service's own warnings.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, by_reporter, family, kinds};
use crate::normalise::windows::security::SUBJECT;

const SERVICE: &[Map] = &[
    ("ServiceName", How::Copy, field::SERVICE_NAME),
    ("AccountName", How::Account, field::USER_TARGET_NAME),
];
/// Classic form: the first value is the service's name.
const SERVICE_STATE: &[Map] =
    &[("param1", How::Copy, field::SERVICE_NAME), ("param2", How::Copy, field::SERVICE_STATE)];
const SERVICE_ONLY: &[Map] = &[("param1", How::Copy, field::SERVICE_NAME)];
/// Who restarted the machine, with which program, why.
const SHUTDOWN: &[Map] = &[
    ("#0", How::ProgramOn(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("#2", How::Copy, field::EVENT_REASON),
    ("#6", How::Account, field::USER_NAME),
];
const TIME_CHANGER: &[Map] = &[
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessID", How::Number, field::PROCESS_PID),
];
const SESSION: &[Map] = &[("UserSid", How::Copy, field::USER_ID)];
const UPDATE: &[Map] =
    &[("updateTitle", How::Copy, field::PACKAGE_NAME), ("errorCode", How::Copy, field::ERROR_CODE)];
const DRIVER: &[Map] = &[("DriverName", How::Copy, field::FILE_NAME)];
const DRIVER_SERVICE: &[Map] = &[("ServiceName", How::Copy, field::SERVICE_NAME)];
const REMOTE: &[Map] = &[
    ("ClientNetworkAddress:", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("ClientSID:", How::Copy, field::USER_ID),
];
const TICKET: &[Map] =
    &[("Account", How::Account, field::USER_NAME), ("Name", How::Account, field::USER_NAME)];
const COM: &[Map] = &[
    ("param7", How::Account, field::USER_NAME),
    ("param6", How::Copy, field::USER_DOMAIN),
    ("param8", How::Copy, field::USER_ID),
];
const QUERY: &[Map] = &[("QueryName", How::Copy, field::DNS_QUESTION_NAME)];

/// The providers of the System log.
pub const FAMILIES: &[Family] = &[
    family(&["microsoft-windows-eventlog", "eventlog"], EVENT_LOG),
    by_reporter(&["service control manager"], SERVICES),
    family(&["microsoft-windows-kernel-general"], KERNEL),
    family(&["microsoft-windows-kernel-power"], POWER),
    family(&["microsoft-windows-kernel-boot"], BOOT),
    family(
        &["microsoft-windows-kernel-processor-power", "microsoft-windows-usermodepowerservice"],
        PROCESSOR,
    ),
    family(&["microsoft-windows-kernel-pnp"], PLUG),
    by_reporter(&["user32"], RESTART),
    family(&["microsoft-windows-winlogon"], WINLOGON),
    family(&["microsoft-windows-wer-systemerrorreporting"], BUGCHECK),
    family(&["microsoft-windows-time-service"], TIME),
    family(&["microsoft-windows-windowsupdateclient"], UPDATES),
    family(&["microsoft-windows-userpnp"], DEVICES),
    family(&["microsoft-windows-driverframeworks-usermode"], USER_DRIVERS),
    family(&["microsoft-windows-filtermanager"], FILTERS),
    family(&["microsoft-windows-ntfs", "ntfs"], VOLUMES),
    family(&["microsoft-windows-directory-services-sam"], SAM),
    family(
        &[
            "microsoft-windows-kerberos-key-distribution-center",
            "kerberos-key-distribution-center",
            "kdc",
        ],
        KDC,
    ),
    family(&["netlogon"], NETLOGON),
    family(&["lsasrv"], LSA),
    by_reporter(&["microsoft-windows-distributedcom"], DCOM),
    by_reporter(&["microsoft-windows-grouppolicy"], GROUP_POLICY),
    family(&["microsoft-windows-dhcp-client", "microsoft-windows-dhcpv6-client"], DHCP),
    family(&["microsoft-windows-iphlpsvc"], TUNNEL),
    family(&["microsoft-windows-dhcp-server"], DHCP_SERVER),
    family(&["microsoft-windows-certificationauthority"], AUTHORITY),
    family(&["application popup"], POPUP),
    family(&["microsoft-windows-hyper-v-netvsc", "e1iexpress", "microsoft-windows-ndis"], ADAPTER),
    family(
        &[
            "disk",
            "cdrom",
            "volsnap",
            "virtual disk service",
            "serial",
            "bthusb",
            "vmci",
            "vsepflt",
            "microsoft-windows-wpdclassinstaller",
            "lfsvc",
        ],
        HARDWARE,
    ),
    family(&["server", "workstation", "netbt", "tcpip", "microsoft-windows-httpevent"], STACK),
    family(
        &[
            "microsoft-windows-wininit",
            "microsoft-windows-power-troubleshooter",
            "microsoft-windows-setup",
            "microsoft-windows-setupplatform",
            "microsoft-windows-tpm-wmi",
            "microsoft-windows-application-experience",
        ],
        HOST,
    ),
    family(&["microsoft-windows-servicing"], SERVICING),
    family(&["ntds isam", "ntds general", "activedirectory_domainservice"], DIRECTORY),
];

const EVENT_LOG: &[Spec] = kinds! {
    [1102, 517] LogCleared ["iam"] ["admin", "change"] "audit-log-cleared" AUDIT [SUBJECT];
    [104] LogCleared ["configuration"] ["deletion"] "event-log-cleared" AUDIT [SUBJECT];
    [105] Other ["configuration"] ["info"] "event-log-backed-up" AUDIT [];
    [1100, 6006] LogCleared ["configuration"] ["end"] "logging-service-shutdown" AUDIT [];
    [1101, 1108] Other ["configuration"] ["error"] "audit-events-lost" AUDIT [];
    [6005] Other ["configuration"] ["start"] "logging-service-started" AUDIT [];
    [1104, 1105] Other ["configuration"] ["info"] "log-full" AUDIT [];
    [6008] Other ["host"] ["error"] "unexpected-shutdown" AUDIT [];
    [6009, 6011, 6013] Other ["host"] ["info"] "host-state-reported" AUDIT [];
};

const SERVICES: &[Spec] = kinds! {
    [7045] ServiceInstall ["configuration", "process"] ["creation"] "service-installed" AUDIT [SERVICE];
    [7036] Other ["process"] ["change"] "service-state-changed" AUDIT [SERVICE_STATE];
    [7040] Other ["configuration"] ["change"] "service-start-type-changed" AUDIT [SERVICE_ONLY];
    [7000, 7001, 7009, 7011, 7022, 7023, 7024, 7026, 7031, 7032, 7034, 7038, 7041, 7043] Other ["process"] ["error"] "service-failed" AUDIT [SERVICE_ONLY];
    [7030, 7035, 7042] Other ["process"] ["info"] "service-control" AUDIT [SERVICE_ONLY];
};

const KERNEL: &[Spec] = kinds! {
    [1, 24] Other ["configuration"] ["change"] "system-time-changed" AUDIT [TIME_CHANGER];
    [12] Other ["host"] ["start"] "windows-started" AUDIT [];
    [13] Other ["host"] ["end"] "windows-stopped" AUDIT [];
    [15, 16] Other ["registry"] ["info"] "registry-hive-compacted" AUDIT [];
    [5, 6, 11, 20] Other ["registry"] ["info"] "registry-hive-reported" AUDIT [];
};

const POWER: &[Spec] = kinds! {
    [41] Other ["host"] ["error"] "unexpected-shutdown" AUDIT [];
    [42, 506] Other ["host"] ["change"] "sleep-entered" AUDIT [];
    [107, 507, 508] Other ["host"] ["change"] "sleep-left" AUDIT [];
    [109] Other ["host"] ["end"] "shutdown-started" AUDIT [];
    [105, 172] Other ["host"] ["info"] "power-state-reported" AUDIT [];
};

const BOOT: &[Spec] = kinds! {
    [18, 20, 25, 26, 27, 30, 32, 153] Other ["host"] ["info"] "boot-reported" AUDIT [];
};

const PROCESSOR: &[Spec] = kinds! {
    [12, 22, 26, 55] Other ["host"] ["info"] "power-state-reported" AUDIT [];
};

const PLUG: &[Spec] = kinds! {
    [219] Other ["driver"] ["error"] "driver-load-failed" AUDIT [DRIVER];
    [400, 410, 430] Other ["host"] ["creation"] "device-configured" AUDIT [DRIVER];
};

const RESTART: &[Spec] = kinds! {
    [1074] Other ["host"] ["end"] "shutdown-requested" AUDIT [SHUTDOWN];
    [1073, 1075, 1076] Other ["host"] ["info"] "shutdown-reported" AUDIT [];
};

/// In the System log and, without data, in the Application log.
const WINLOGON: &[Spec] = kinds! {
    [7001] Other ["session"] ["start"] "session-started" SUCCESS [SESSION];
    [7002] Other ["session"] ["end"] "session-ended" SUCCESS [SESSION];
    [4004, 4005, 4006, 6000, 6003, 6004] Other ["session"] ["info"] "logon-notification-reported" AUDIT [];
    [4101, 4102, 4103, 4104, 4105] Other ["configuration"] ["info"] "licence-validated" AUDIT [];
};

const BUGCHECK: &[Spec] = kinds! {
    [1001] Other ["host"] ["error"] "stop-error" AUDIT [];
};

const TIME: &[Spec] = kinds! {
    [35, 37, 138, 139, 158] Other ["configuration"] ["info"] "time-source-chosen" AUDIT [];
    [50, 52, 129, 131, 134, 142] Other ["configuration"] ["error"] "time-source-lost" AUDIT [];
};

const UPDATES: &[Spec] = kinds! {
    [19] Other ["package"] ["installation"] "update-installed" SUCCESS [UPDATE];
    [16, 20, 24, 25, 31, 213, 217] Other ["package"] ["error"] "update-failed" FAILURE [UPDATE];
    [17, 18, 21, 22, 26, 27, 41, 43, 44] Other ["package"] ["info"] "update-offered" AUDIT [UPDATE];
};

const DEVICES: &[Spec] = kinds! {
    [20001, 20003] Other ["driver"] ["installation"] "driver-installed" AUDIT [DRIVER, DRIVER_SERVICE];
    [20010] Other ["driver"] ["info"] "device-configured" AUDIT [];
};

const USER_DRIVERS: &[Spec] = kinds! {
    [1003, 2003, 2010, 2004, 2006] Other ["host"] ["creation"] "device-connected" AUDIT [];
    [2100, 2101, 2102, 2105, 2106, 1006, 1008] Other ["host"] ["change"] "device-power-changed" AUDIT [];
    [10000, 10001, 10002, 10100, 10114] Other ["driver"] ["installation"] "driver-installed" AUDIT [];
};

const FILTERS: &[Spec] = kinds! {
    [6] Other ["driver"] ["start"] "filter-driver-loaded" AUDIT [];
    [1] Other ["driver"] ["end"] "filter-driver-unloaded" AUDIT [];
};

const VOLUMES: &[Spec] = kinds! {
    [98] Other ["file"] ["info"] "volume-checked" AUDIT [];
    [55, 50, 57, 130, 132, 137, 140] Other ["file"] ["error"] "volume-damaged" AUDIT [];
};

const SAM: &[Spec] = kinds! {
    [16962, 16963, 16964, 16966, 16967, 16977, 16979] Other ["configuration"] ["info"] "account-database-configured" AUDIT [];
    [16965, 16968, 16969] Other ["iam"] ["denied"] "remote-account-query-refused" FAILURE [REMOTE];
    [12294, 16403, 16645, 16990, 16991] Other ["iam"] ["error"] "account-database-warning" AUDIT [];
};

const KDC: &[Spec] = kinds! {
    [14, 16, 18, 26, 27, 42] Other ["authentication"] ["error"] "kerberos-key-missing" FAILURE [TICKET];
    [35, 36, 37, 38, 39, 40, 41, 48, 49] Other ["authentication"] ["denied"] "kerberos-ticket-suspicious" AUDIT [TICKET];
    [7, 9, 11, 19, 20, 21, 29, 32] Other ["authentication"] ["error"] "kerberos-service-warning" AUDIT [];
};

const NETLOGON: &[Spec] = kinds! {
    [5722, 5723, 5805, 5807] Other ["authentication"] ["denied"] "domain-session-refused" FAILURE [];
    [5827, 5828, 5829, 5830, 5831] Other ["authentication"] ["denied"] "vulnerable-channel-used" AUDIT [];
    [3210, 5719, 5781, 5783] Other ["authentication"] ["error"] "domain-controller-lost" AUDIT [];
};

const LSA: &[Spec] = kinds! {
    [300] PrivilegeUse ["iam"] ["admin"] "groups-assigned-to-logon" AUDIT [];
    [5000, 6038, 6039, 6041, 6147, 6155, 40960, 40961, 40962, 40968] Other ["authentication"] ["info"] "security-authority-reported" AUDIT [];
};

const DCOM: &[Spec] = kinds! {
    [10016] Other ["process"] ["denied"] "com-activation-refused" FAILURE [COM];
    [10000, 10001, 10005, 10009, 10010, 10028] Other ["process"] ["error"] "com-server-failed" AUDIT [];
};

const GROUP_POLICY: &[Spec] = kinds! {
    [1500, 1501, 1502, 1503] Other ["configuration"] ["change"] "group-policy-applied" SUCCESS [];
    [1006, 1030, 1053, 1054, 1055, 1058, 1085, 1096, 1101, 1112, 1129] Other ["configuration"] ["error"] "group-policy-failed" FAILURE [];
    [4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4016, 4017, 4115, 4116, 4117, 4126] Other ["configuration"] ["start"] "group-policy-started" AUDIT [];
    [5016, 5017, 5115, 5116, 5117, 5126, 5257, 5308, 5309, 5310, 5311, 5312, 5313, 5314, 5320, 5321, 5324, 5325, 5326, 5327, 5340, 5351, 6338, 6339] Other ["configuration"] ["info"] "group-policy-step" AUDIT [];
    [8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007] Other ["configuration"] ["end"] "group-policy-finished" SUCCESS [];
    [7000, 7001, 7002, 7003, 7004, 7005, 7006, 7007, 7016, 7017] Other ["configuration"] ["error"] "group-policy-failed" FAILURE [];
};

const DHCP: &[Spec] = kinds! {
    [1001, 1002, 1003, 1007, 50036, 50037, 50063, 50103, 50104, 50105, 50106, 51046, 51047, 51057] Other ["network"] ["info"] "address-lease-reported" AUDIT [];
};

const TUNNEL: &[Spec] = kinds! {
    [4100] Other ["network", "configuration"] ["change"] "tunnel-interface-changed" AUDIT [];
};

const DHCP_SERVER: &[Spec] = kinds! {
    [1031, 1032, 1033, 1034] Other ["configuration"] ["change"] "dhcp-callout-library" AUDIT [];
};

const AUTHORITY: &[Spec] = kinds! {
    [53] Other ["iam"] ["denied"] "certificate-refused" FAILURE [];
};

const POPUP: &[Spec] = kinds! {
    [26] Other ["process"] ["error"] "error-dialogue-shown" AUDIT [];
};

const ADAPTER: &[Spec] = kinds! {
    [1, 3, 10, 11, 12, 13, 27, 32, 10317] Other ["network"] ["info"] "network-adapter-reported" AUDIT [];
};

const HARDWARE: &[Spec] = kinds! {
    [1, 2, 3, 4, 7, 9, 11, 15, 17, 18, 28, 33, 36, 51, 52, 129, 153, 154, 157, 24576, 24577, 24579] Other ["host"] ["info"] "device-reported" AUDIT [];
};

const STACK: &[Spec] = kinds! {
    [2504, 2505, 2511, 3261, 4199, 4201, 4202, 4227, 4321, 15007, 15008] Other ["network"] ["info"] "network-stack-reported" AUDIT [];
};

const HOST: &[Spec] = kinds! {
    [1, 12, 14, 201, 206, 500, 505, 1281, 1282, 2003, 2004, 2005] Other ["host"] ["info"] "host-state-reported" AUDIT [];
};

const SERVICING: &[Spec] = kinds! {
    [1, 2, 3, 4, 7, 8, 9, 10, 11, 12] Other ["package"] ["installation"] "windows-component-changed" AUDIT [];
};

const DIRECTORY: &[Spec] = kinds! {
    [102, 103, 104, 215, 216, 325, 326, 327, 700, 701] Other ["database"] ["info"] "database-engine-reported" AUDIT [];
    [1000, 1004, 1394, 1644, 2080, 2095, 2889] Other ["iam"] ["info"] "directory-service-reported" AUDIT [];
    [1102, 1109, 1126, 1168, 1311, 1388] Other ["iam"] ["error"] "directory-service-failed" AUDIT [];
};

/// Names that could not be resolved are told to the System log as well.
pub const NOT_RESOLVED: &[Spec] = kinds! {
    [1013, 1014, 1015, 1016, 8013, 8015, 8018, 8036] Other ["network"] ["protocol", "error"] "dns-query-failed" FAILURE [QUERY];
};
