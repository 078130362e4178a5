//! Events of the other Windows providers that matter for triage.

use crate::model::class::Class;
use crate::model::field;
use crate::normalise::windows::kinds::{How, Map, Outcome, Provider, Spec};

const SUBJECT: &[Map] = &[
    ("SubjectUserName", How::Copy, field::USER_NAME),
    ("SubjectDomainName", How::Copy, field::USER_DOMAIN),
];
const SERVICE: &[Map] = &[("ServiceName", How::Copy, field::SERVICE_NAME)];
/// Classic form: the first value is the service's name.
const SERVICE_STATE: &[Map] = &[("param1", How::Copy, field::SERVICE_NAME)];
const SCRIPT: &[Map] = &[("ScriptBlockText", How::Copy, field::POWERSHELL_SCRIPT_BLOCK_TEXT)];
const TASK_USER: &[Map] = &[
    ("UserContext", How::Account, field::USER_NAME),
    ("UserName", How::Account, field::USER_NAME),
];
const WMI: &[Map] = &[("User", How::Account, field::USER_NAME)];
const THREAT: &[Map] =
    &[("Process Name", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE)];
const QUERY: &[Map] = &[
    ("QueryName", How::Copy, field::DNS_QUESTION_NAME),
    ("QueryResults", How::Answers, field::DNS_ANSWERS_DATA),
];
const SESSION: &[Map] = &[
    ("User", How::Account, field::USER_NAME),
    ("Address", How::Ip, field::SOURCE_IP),
    ("Param1", How::Copy, field::USER_NAME),
    ("Param2", How::Copy, field::USER_DOMAIN),
    ("Param3", How::Ip, field::SOURCE_IP),
];
const FIREWALL: &[Map] =
    &[("ModifyingApplication", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE)];

const fn spec(
    codes: &'static [u32],
    class: Class,
    category: &'static [&'static str],
    types: &'static [&'static str],
    action: &'static str,
    maps: &'static [&'static [Map]],
) -> Spec {
    Spec { codes, class, category, types, action, outcome: Outcome::Keywords, maps }
}

const CONFIGURATION: &[&str] = &["configuration"];
const PROCESS: &[&str] = &["process"];
const MALWARE: &[&str] = &["malware"];

/// What each event id of each provider means.
pub const KINDS: &[(Provider, &[Spec])] = &[
    (
        Provider::EventLog,
        &[
            spec(
                &[1102, 517],
                Class::LogCleared,
                &["iam"],
                &["admin", "change"],
                "audit-log-cleared",
                &[SUBJECT],
            ),
            spec(
                &[104],
                Class::LogCleared,
                CONFIGURATION,
                &["deletion"],
                "event-log-cleared",
                &[SUBJECT],
            ),
            spec(
                &[1100, 6006],
                Class::LogCleared,
                CONFIGURATION,
                &["end"],
                "logging-service-shutdown",
                &[],
            ),
            spec(&[6005], Class::Other, CONFIGURATION, &["start"], "logging-service-started", &[]),
            spec(&[1104, 1105], Class::Other, CONFIGURATION, &["info"], "log-full", &[]),
        ],
    ),
    (
        Provider::Services,
        &[
            spec(
                &[7045],
                Class::ServiceInstall,
                &["configuration", "process"],
                &["creation"],
                "service-installed",
                &[SERVICE],
            ),
            spec(
                &[7036],
                Class::Other,
                PROCESS,
                &["change"],
                "service-state-changed",
                &[SERVICE_STATE],
            ),
            spec(
                &[7040],
                Class::Other,
                CONFIGURATION,
                &["change"],
                "service-start-type-changed",
                &[SERVICE_STATE],
            ),
            spec(
                &[7000, 7001, 7009, 7011, 7022, 7023, 7024, 7031, 7034],
                Class::Other,
                PROCESS,
                &["error"],
                "service-failed",
                &[SERVICE_STATE],
            ),
            spec(
                &[7030, 7035],
                Class::Other,
                PROCESS,
                &["info"],
                "service-control",
                &[SERVICE_STATE],
            ),
        ],
    ),
    (
        Provider::PowerShellClassic,
        &[
            spec(&[400], Class::ScriptBlock, PROCESS, &["start"], "engine-started", &[]),
            spec(&[403], Class::ScriptBlock, PROCESS, &["end"], "engine-stopped", &[]),
            spec(&[600], Class::ScriptBlock, PROCESS, &["info"], "provider-started", &[]),
            spec(&[800], Class::ScriptBlock, PROCESS, &["info"], "pipeline-executed", &[]),
        ],
    ),
    (
        Provider::PowerShell,
        &[
            spec(&[4103], Class::ScriptBlock, PROCESS, &["info"], "command-invoked", &[]),
            spec(&[4104], Class::ScriptBlock, PROCESS, &["info"], "script-block-run", &[SCRIPT]),
            spec(&[4105], Class::ScriptBlock, PROCESS, &["start"], "script-block-started", &[]),
            spec(&[4106], Class::ScriptBlock, PROCESS, &["end"], "script-block-ended", &[]),
        ],
    ),
    (
        Provider::TaskScheduler,
        &[
            spec(
                &[106],
                Class::TaskSchedule,
                CONFIGURATION,
                &["creation"],
                "scheduled-task-created",
                &[TASK_USER],
            ),
            spec(
                &[140, 142],
                Class::TaskSchedule,
                CONFIGURATION,
                &["change"],
                "scheduled-task-changed",
                &[TASK_USER],
            ),
            spec(
                &[141],
                Class::TaskSchedule,
                CONFIGURATION,
                &["deletion"],
                "scheduled-task-deleted",
                &[TASK_USER],
            ),
            spec(
                &[100, 107, 110, 118, 119, 129, 200, 201, 102],
                Class::TaskSchedule,
                PROCESS,
                &["info"],
                "scheduled-task-run",
                &[TASK_USER],
            ),
        ],
    ),
    (
        Provider::Wmi,
        &[
            spec(&[5857, 5858], Class::Other, PROCESS, &["info"], "wmi-operation", &[WMI]),
            spec(
                &[5859, 5860, 5861],
                Class::Other,
                CONFIGURATION,
                &["creation"],
                "wmi-subscription",
                &[WMI],
            ),
        ],
    ),
    (
        Provider::Defender,
        &[
            spec(
                &[1006, 1015, 1116],
                Class::Other,
                MALWARE,
                &["info"],
                "malware-detected",
                &[THREAT],
            ),
            spec(
                &[1007, 1117],
                Class::Other,
                MALWARE,
                &["info"],
                "malware-action-taken",
                &[THREAT],
            ),
            spec(
                &[1008, 1118, 1119],
                Class::Other,
                MALWARE,
                &["error"],
                "malware-action-failed",
                &[THREAT],
            ),
            spec(
                &[5001, 5004, 5007, 5010, 5012, 5013, 5101],
                Class::Other,
                CONFIGURATION,
                &["change"],
                "protection-changed",
                &[],
            ),
        ],
    ),
    (
        Provider::Bits,
        &[spec(
            &[3, 4, 59, 60, 61],
            Class::Other,
            &["network"],
            &["info"],
            "background-transfer",
            &[],
        )],
    ),
    (
        Provider::DnsClient,
        &[spec(
            &[3006, 3008, 3009, 3010, 3011, 3016, 3018, 3019, 3020],
            Class::Dns,
            &["network"],
            &["protocol", "info"],
            "dns-query",
            &[QUERY],
        )],
    ),
    (
        Provider::TerminalServices,
        &[
            spec(
                &[21, 22, 25, 1149],
                Class::Logon,
                &["authentication"],
                &["start"],
                "session-started",
                &[SESSION],
            ),
            spec(
                &[23, 24],
                Class::Logoff,
                &["authentication"],
                &["end"],
                "session-ended",
                &[SESSION],
            ),
        ],
    ),
    (
        Provider::Firewall,
        &[
            spec(
                &[2004, 2071, 2097],
                Class::Other,
                CONFIGURATION,
                &["creation"],
                "firewall-rule-added",
                &[FIREWALL],
            ),
            spec(
                &[2005, 2073],
                Class::Other,
                CONFIGURATION,
                &["change"],
                "firewall-rule-changed",
                &[FIREWALL],
            ),
            spec(
                &[2006, 2033, 2052],
                Class::Other,
                CONFIGURATION,
                &["deletion"],
                "firewall-rule-deleted",
                &[FIREWALL],
            ),
            spec(
                &[2002, 2003, 2008, 2010, 2032],
                Class::Other,
                CONFIGURATION,
                &["change"],
                "firewall-setting-changed",
                &[FIREWALL],
            ),
        ],
    ),
];
