//! Events of Windows security auditing.

use crate::model::class::Class;
use crate::model::field;
use crate::normalise::windows::kinds::{How, Map, Outcome, Spec};

const SUBJECT: &[Map] = &[
    ("SubjectUserName", How::Copy, field::USER_NAME),
    ("SubjectDomainName", How::Copy, field::USER_DOMAIN),
    ("SubjectUserSid", How::Copy, field::USER_ID),
];
/// The account that logs on is the user of the event.
const TARGET_IS_USER: &[Map] = &[
    ("TargetUserName", How::Copy, field::USER_NAME),
    ("TargetDomainName", How::Copy, field::USER_DOMAIN),
    ("TargetUserSid", How::Copy, field::USER_ID),
    ("TargetSid", How::Copy, field::USER_ID),
];
const TARGET: &[Map] = &[
    ("TargetUserName", How::Copy, field::USER_TARGET_NAME),
    ("TargetDomainName", How::Copy, field::USER_TARGET_DOMAIN),
    ("TargetUserSid", How::Copy, field::USER_TARGET_ID),
    ("TargetSid", How::Copy, field::USER_TARGET_ID),
];
const GROUP: &[Map] = &[
    ("TargetUserName", How::Copy, field::GROUP_NAME),
    ("TargetSid", How::Copy, field::GROUP_ID),
    ("MemberName", How::Copy, field::USER_TARGET_NAME),
    ("MemberSid", How::Copy, field::USER_TARGET_ID),
];
const PROCESS: &[Map] = &[
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessId", How::Number, field::PROCESS_PID),
];
const NEW_PROCESS: &[Map] = &[
    ("NewProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("NewProcessId", How::Number, field::PROCESS_PID),
    ("ProcessId", How::Number, field::PROCESS_PARENT_PID),
    (
        "ParentProcessName",
        How::Program(field::PROCESS_PARENT_NAME),
        field::PROCESS_PARENT_EXECUTABLE,
    ),
    ("CommandLine", How::Copy, field::PROCESS_COMMAND_LINE),
    ("MandatoryLabel", How::Integrity, field::PROCESS_INTEGRITY),
];
const SOURCE: &[Map] = &[
    ("IpAddress", How::Ip, field::SOURCE_IP),
    ("IpPort", How::Number, field::SOURCE_PORT),
    ("WorkstationName", How::Copy, field::SOURCE_DOMAIN),
    ("Workstation", How::Copy, field::SOURCE_DOMAIN),
    ("ClientAddress", How::Ip, field::SOURCE_IP),
    ("ClientName", How::Copy, field::SOURCE_DOMAIN),
];
/// Sessions: the account is named without `Target`.
const SESSION: &[Map] = &[
    ("AccountName", How::Copy, field::USER_NAME),
    ("AccountDomain", How::Copy, field::USER_DOMAIN),
];
const SERVICE: &[Map] = &[("ServiceName", How::Copy, field::SERVICE_NAME)];
const VALUE: &[Map] = &[("ObjectName", How::Registry, field::REGISTRY_PATH)];
const SHARE: &[Map] =
    &[("IpAddress", How::Ip, field::SOURCE_IP), ("IpPort", How::Number, field::SOURCE_PORT)];
const FILTERING: &[Map] = &[
    ("Application", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessID", How::Number, field::PROCESS_PID),
    ("ProcessId", How::Number, field::PROCESS_PID),
    ("SourceAddress", How::Ip, field::SOURCE_IP),
    ("SourcePort", How::Number, field::SOURCE_PORT),
    ("DestAddress", How::Ip, field::DESTINATION_IP),
    ("DestPort", How::Number, field::DESTINATION_PORT),
    ("Protocol", How::Transport, field::NETWORK_TRANSPORT),
    ("Direction", How::Direction, field::NETWORK_DIRECTION),
];

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

const fn judged(
    codes: &'static [u32],
    class: Class,
    types: &'static [&'static str],
    action: &'static str,
    outcome: Outcome,
    maps: &'static [&'static [Map]],
) -> Spec {
    Spec { codes, class, category: &["authentication"], types, action, outcome, maps }
}

const SUCCESS: Outcome = Outcome::Always("success");
const FAILURE: Outcome = Outcome::Always("failure");
const LOGON: &[&[Map]] = &[TARGET_IS_USER, SOURCE, PROCESS];
const TICKET: &[&[Map]] = &[TARGET_IS_USER, SOURCE, SERVICE];
const ACCOUNT: &[&[Map]] = &[SUBJECT, TARGET];
const MEMBERS: &[&[Map]] = &[SUBJECT, GROUP];
const OBJECT: &[&[Map]] = &[SUBJECT, PROCESS];
const IAM: &[&str] = &["iam"];
const CONFIGURATION: &[&str] = &["configuration"];

/// What each event id means.
pub const KINDS: &[Spec] = &[
    judged(&[4624], Class::Logon, &["start"], "logged-in", SUCCESS, LOGON),
    judged(&[4625], Class::LogonFailure, &["start"], "logon-failed", FAILURE, LOGON),
    judged(&[4634, 4647], Class::Logoff, &["end"], "logged-out", SUCCESS, LOGON),
    judged(
        &[4648],
        Class::Logon,
        &["start"],
        "logged-in-explicit",
        SUCCESS,
        &[SUBJECT, TARGET, SOURCE, PROCESS],
    ),
    judged(&[4768], Class::Logon, &["start"], "kerberos-ticket-requested", Outcome::Status, TICKET),
    judged(
        &[4769],
        Class::Logon,
        &["info"],
        "kerberos-service-ticket-requested",
        Outcome::Status,
        TICKET,
    ),
    judged(&[4770], Class::Logon, &["info"], "kerberos-service-ticket-renewed", SUCCESS, TICKET),
    judged(&[4771], Class::LogonFailure, &["start"], "kerberos-preauth-failed", FAILURE, TICKET),
    judged(
        &[4772, 4773],
        Class::LogonFailure,
        &["start"],
        "kerberos-ticket-failed",
        FAILURE,
        TICKET,
    ),
    judged(&[4776], Class::Logon, &["start"], "credential-validated", Outcome::Status, LOGON),
    judged(
        &[4777],
        Class::LogonFailure,
        &["start"],
        "credential-validation-failed",
        FAILURE,
        LOGON,
    ),
    judged(&[4778], Class::Logon, &["start"], "session-reconnected", SUCCESS, &[SESSION, SOURCE]),
    judged(&[4779], Class::Logoff, &["end"], "session-disconnected", SUCCESS, &[SESSION, SOURCE]),
    judged(&[4800, 4802], Class::Other, &["end"], "workstation-locked", SUCCESS, LOGON),
    judged(&[4801, 4803], Class::Other, &["start"], "workstation-unlocked", SUCCESS, LOGON),
    judged(&[4649], Class::Other, &["info"], "replay-attack-detected", FAILURE, LOGON),
    judged(&[4627], Class::Other, &["info"], "group-membership-listed", SUCCESS, LOGON),
    judged(
        &[4964],
        Class::PrivilegeUse,
        &["start"],
        "special-group-logon",
        SUCCESS,
        &[SUBJECT, TARGET],
    ),
    spec(&[4672], Class::PrivilegeUse, IAM, &["admin"], "special-privileges-assigned", &[SUBJECT]),
    spec(&[4673, 4674], Class::PrivilegeUse, IAM, &["admin"], "privileged-operation", OBJECT),
    spec(
        &[4703],
        Class::PrivilegeUse,
        IAM,
        &["change"],
        "token-rights-adjusted",
        &[SUBJECT, PROCESS, TARGET],
    ),
    spec(&[4656], Class::Other, &["file"], &["access"], "object-handle-requested", OBJECT),
    spec(&[4658, 4690], Class::Other, &["file"], &["info"], "object-handle-closed", OBJECT),
    spec(&[4663], Class::Other, &["file"], &["access"], "object-accessed", OBJECT),
    spec(&[4660], Class::Other, &["file"], &["deletion"], "object-deleted", OBJECT),
    spec(&[4661, 4662], Class::Other, IAM, &["access"], "directory-object-accessed", OBJECT),
    spec(&[4664], Class::Other, &["file"], &["creation"], "hard-link-created", OBJECT),
    spec(&[4670], Class::Other, &["file"], &["change"], "object-permissions-changed", OBJECT),
    spec(
        &[4657],
        Class::RegistrySet,
        &["configuration", "registry"],
        &["change"],
        "registry-value-set",
        &[SUBJECT, PROCESS, VALUE],
    ),
    spec(
        &[4688],
        Class::ProcessStart,
        &["process"],
        &["start"],
        "created-process",
        &[SUBJECT, TARGET, NEW_PROCESS],
    ),
    spec(&[4689], Class::ProcessStop, &["process"], &["end"], "exited-process", OBJECT),
    spec(
        &[4696],
        Class::Other,
        &["process"],
        &["change"],
        "primary-token-assigned",
        &[SUBJECT, TARGET],
    ),
    spec(
        &[4697],
        Class::ServiceInstall,
        &["configuration", "process"],
        &["creation"],
        "service-installed",
        &[SUBJECT, SERVICE],
    ),
    spec(
        &[4698],
        Class::TaskSchedule,
        CONFIGURATION,
        &["creation"],
        "scheduled-task-created",
        &[SUBJECT],
    ),
    spec(
        &[4699],
        Class::TaskSchedule,
        CONFIGURATION,
        &["deletion"],
        "scheduled-task-deleted",
        &[SUBJECT],
    ),
    spec(
        &[4700, 4701, 4702],
        Class::TaskSchedule,
        CONFIGURATION,
        &["change"],
        "scheduled-task-changed",
        &[SUBJECT],
    ),
    spec(
        &[4704, 4705, 4717, 4718],
        Class::AccountChange,
        IAM,
        &["change"],
        "user-right-changed",
        ACCOUNT,
    ),
    spec(
        &[4719, 4715, 4817, 4902, 4904, 4905, 4906, 4907, 4908, 4912],
        Class::Other,
        CONFIGURATION,
        &["change"],
        "audit-policy-changed",
        &[SUBJECT],
    ),
    spec(
        &[4706, 4707, 4713, 4716, 4739],
        Class::Other,
        CONFIGURATION,
        &["change"],
        "domain-policy-changed",
        &[SUBJECT],
    ),
    spec(&[4616], Class::Other, CONFIGURATION, &["change"], "system-time-changed", OBJECT),
    spec(&[4720], Class::AccountChange, IAM, &["user", "creation"], "added-user-account", ACCOUNT),
    spec(&[4722], Class::AccountChange, IAM, &["user", "change"], "enabled-user-account", ACCOUNT),
    spec(&[4723], Class::AccountChange, IAM, &["user", "change"], "changed-password", ACCOUNT),
    spec(&[4724], Class::AccountChange, IAM, &["user", "change"], "reset-password", ACCOUNT),
    spec(&[4725], Class::AccountChange, IAM, &["user", "change"], "disabled-user-account", ACCOUNT),
    spec(
        &[4726],
        Class::AccountChange,
        IAM,
        &["user", "deletion"],
        "deleted-user-account",
        ACCOUNT,
    ),
    spec(&[4738], Class::AccountChange, IAM, &["user", "change"], "modified-user-account", ACCOUNT),
    spec(
        &[4740],
        Class::AccountChange,
        IAM,
        &["user", "change"],
        "locked-out-user-account",
        ACCOUNT,
    ),
    spec(&[4767], Class::AccountChange, IAM, &["user", "change"], "unlocked-user-account", ACCOUNT),
    spec(&[4781], Class::AccountChange, IAM, &["user", "change"], "renamed-user-account", ACCOUNT),
    spec(&[4741], Class::AccountChange, IAM, &["creation"], "added-computer-account", ACCOUNT),
    spec(&[4742], Class::AccountChange, IAM, &["change"], "changed-computer-account", ACCOUNT),
    spec(&[4743], Class::AccountChange, IAM, &["deletion"], "deleted-computer-account", ACCOUNT),
    spec(
        &[4765, 4766, 4794],
        Class::AccountChange,
        IAM,
        &["user", "change"],
        "account-credentials-changed",
        ACCOUNT,
    ),
    spec(
        &[4727, 4731, 4744, 4749, 4754, 4759],
        Class::AccountChange,
        IAM,
        &["group", "creation"],
        "added-group-account",
        MEMBERS,
    ),
    spec(
        &[4728, 4732, 4746, 4751, 4756, 4761],
        Class::AccountChange,
        IAM,
        &["group", "change"],
        "added-member-to-group",
        MEMBERS,
    ),
    spec(
        &[4729, 4733, 4747, 4752, 4757, 4762],
        Class::AccountChange,
        IAM,
        &["group", "change"],
        "removed-member-from-group",
        MEMBERS,
    ),
    spec(
        &[4730, 4734, 4748, 4753, 4758, 4763],
        Class::AccountChange,
        IAM,
        &["group", "deletion"],
        "deleted-group-account",
        MEMBERS,
    ),
    spec(
        &[4735, 4737, 4745, 4750, 4755, 4760, 4764],
        Class::AccountChange,
        IAM,
        &["group", "change"],
        "modified-group-account",
        MEMBERS,
    ),
    spec(
        &[4798, 4799],
        Class::Other,
        IAM,
        &["info"],
        "group-membership-enumerated",
        &[SUBJECT, TARGET],
    ),
    spec(
        &[5136, 5137, 5138, 5139, 5141],
        Class::Other,
        CONFIGURATION,
        &["change"],
        "directory-object-changed",
        &[SUBJECT],
    ),
    spec(
        &[5140, 5145],
        Class::Other,
        &["network", "file"],
        &["access"],
        "network-share-accessed",
        &[SUBJECT, SHARE],
    ),
    spec(
        &[5142, 5143, 5144],
        Class::Other,
        &["network", "configuration"],
        &["change"],
        "network-share-changed",
        &[SUBJECT, SHARE],
    ),
    spec(
        &[5154, 5158],
        Class::NetworkListen,
        &["network"],
        &["start", "allowed"],
        "port-bound",
        &[FILTERING],
    ),
    spec(
        &[5156],
        Class::NetworkConnect,
        &["network"],
        &["connection", "allowed"],
        "connection-allowed",
        &[FILTERING],
    ),
    spec(
        &[5157],
        Class::NetworkConnect,
        &["network"],
        &["connection", "denied"],
        "connection-blocked",
        &[FILTERING],
    ),
    spec(
        &[5152, 5153, 5155, 5159],
        Class::Other,
        &["network"],
        &["denied"],
        "packet-blocked",
        &[FILTERING],
    ),
    spec(
        &[5379, 5380, 5381, 5382],
        Class::SecretAccess,
        IAM,
        &["access"],
        "stored-credentials-read",
        &[SUBJECT],
    ),
    spec(&[1102], Class::LogCleared, IAM, &["admin", "change"], "audit-log-cleared", &[SUBJECT]),
    spec(&[1100], Class::LogCleared, CONFIGURATION, &["end"], "logging-service-shutdown", &[]),
];
