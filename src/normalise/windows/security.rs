//! Events of Windows security auditing: logons, tickets, accounts, processes, objects. What it says about policies, the
//! firewall, keys and certificates is in [`policy`](super::policy).

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, family, kinds};

/// The names under which security auditing is met.
pub const AUDITING: &[&str] =
    &["microsoft-windows-security-auditing", "microsoft windows security auditing.", "security"];

/// Who did it.
pub const SUBJECT: &[Map] = &[
    ("SubjectUserName", How::Account, field::USER_NAME),
    ("SubjectDomainName", How::Copy, field::USER_DOMAIN),
    ("SubjectUserDomainName", How::Copy, field::USER_DOMAIN),
    ("SubjectUserSid", How::Copy, field::USER_ID),
];
/// The account that logs on is the user of the event.
const TARGET_IS_USER: &[Map] = &[
    ("TargetUserName", How::Account, field::USER_NAME),
    ("TargetDomainName", How::Copy, field::USER_DOMAIN),
    ("TargetUserSid", How::Copy, field::USER_ID),
    ("TargetSid", How::Copy, field::USER_ID),
];
const TARGET: &[Map] = &[
    ("TargetUserName", How::Account, field::USER_TARGET_NAME),
    ("TargetDomainName", How::Copy, field::USER_TARGET_DOMAIN),
    ("TargetUserSid", How::Copy, field::USER_TARGET_ID),
    ("TargetSid", How::Copy, field::USER_TARGET_ID),
];
const RENAMED: &[Map] = &[
    ("OldTargetUserName", How::Copy, field::USER_TARGET_NAME),
    ("NewTargetUserName", How::Copy, field::USER_CHANGES_NAME),
];
const GROUP: &[Map] = &[
    ("TargetUserName", How::Copy, field::GROUP_NAME),
    ("TargetDomainName", How::Copy, field::GROUP_DOMAIN),
    ("TargetSid", How::Copy, field::GROUP_ID),
    ("MemberName", How::Member, field::USER_TARGET_NAME),
    ("MemberSid", How::Copy, field::USER_TARGET_ID),
];
/// The process that asked.
pub const PROCESS: &[Map] = &[
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessId", How::Number, field::PROCESS_PID),
];
const CALLER: &[Map] = &[
    ("CallerProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("CallerProcessId", How::Number, field::PROCESS_PID),
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
const EXITED: &[Map] = &[("Status", How::Number, field::PROCESS_EXIT_CODE)];
const SOURCE: &[Map] = &[
    ("IpAddress", How::Ip, field::SOURCE_IP),
    ("IpPort", How::Number, field::SOURCE_PORT),
    ("WorkstationName", How::Copy, field::SOURCE_DOMAIN),
    ("Workstation", How::Copy, field::SOURCE_DOMAIN),
    ("ClientAddress", How::Ip, field::SOURCE_IP),
    ("ClientName", How::Copy, field::SOURCE_DOMAIN),
];
const SERVER: &[Map] = &[("TargetServerName", How::Copy, field::DESTINATION_DOMAIN)];
/// Sessions: the account is named without `Target`.
const SESSION: &[Map] = &[
    ("AccountName", How::Account, field::USER_NAME),
    ("AccountDomain", How::Copy, field::USER_DOMAIN),
];
const SERVICE: &[Map] = &[("ServiceName", How::Copy, field::SERVICE_NAME)];
const VALUE: &[Map] = &[("ObjectName", How::Registry, field::REGISTRY_PATH)];
const LINK: &[Map] = &[("FileName", How::File, field::FILE_PATH)];
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
const LOGON: [&[Map]; 3] = [TARGET_IS_USER, SOURCE, PROCESS];

/// Security auditing, of people, processes and objects.
pub const FAMILIES: &[Family] =
    &[family(AUDITING, SESSIONS), family(AUDITING, OBJECTS), family(AUDITING, ACCOUNTS)];

const SESSIONS: &[Spec] = kinds! {
    [4624] Logon ["authentication"] ["start"] "logged-in" SUCCESS LOGON;
    [4625] LogonFailure ["authentication"] ["start"] "logon-failed" FAILURE LOGON;
    [4626] Other ["authentication"] ["info"] "claims-listed" SUCCESS LOGON;
    [4634, 4647] Logoff ["authentication"] ["end"] "logged-out" SUCCESS LOGON;
    [4648] Logon ["authentication"] ["start"] "logged-in-explicit" SUCCESS [SUBJECT, TARGET, SOURCE, PROCESS, SERVER];
    [4675] Other ["authentication"] ["info"] "sids-filtered" SUCCESS LOGON;
    [4768] Logon ["authentication"] ["start"] "kerberos-ticket-requested" STATUS [TARGET_IS_USER, SOURCE, SERVICE];
    [4769] Logon ["authentication"] ["info"] "kerberos-service-ticket-requested" STATUS [TARGET_IS_USER, SOURCE, SERVICE];
    [4770] Logon ["authentication"] ["info"] "kerberos-service-ticket-renewed" SUCCESS [TARGET_IS_USER, SOURCE, SERVICE];
    [4771] LogonFailure ["authentication"] ["start"] "kerberos-preauth-failed" FAILURE [TARGET_IS_USER, SOURCE, SERVICE];
    [4772, 4773] LogonFailure ["authentication"] ["start"] "kerberos-ticket-failed" FAILURE [TARGET_IS_USER, SOURCE, SERVICE];
    [4774, 4775] Other ["authentication"] ["info"] "account-mapped" AUDIT LOGON;
    [4776] Logon ["authentication"] ["start"] "credential-validated" STATUS LOGON;
    [4777] LogonFailure ["authentication"] ["start"] "credential-validation-failed" FAILURE LOGON;
    [4778] Logon ["authentication"] ["start"] "session-reconnected" SUCCESS [SESSION, SOURCE];
    [4779] Logoff ["authentication"] ["end"] "session-disconnected" SUCCESS [SESSION, SOURCE];
    [4800, 4802] Other ["authentication"] ["end"] "workstation-locked" SUCCESS LOGON;
    [4801, 4803] Other ["authentication"] ["start"] "workstation-unlocked" SUCCESS LOGON;
    [4649] Other ["authentication"] ["info"] "replay-attack-detected" FAILURE LOGON;
    [4627] Other ["authentication"] ["info"] "group-membership-listed" SUCCESS LOGON;
    [4820, 4821, 4822, 4823, 4824] LogonFailure ["authentication"] ["denied"] "authentication-policy-refused" FAILURE [TARGET_IS_USER, SOURCE, SERVICE];
    [4825] LogonFailure ["authentication"] ["denied"] "remote-desktop-refused" FAILURE [SESSION, SOURCE];
    [4964] PrivilegeUse ["authentication"] ["start"] "special-group-logon" SUCCESS [SUBJECT, TARGET];
    [4672] PrivilegeUse ["iam"] ["admin"] "special-privileges-assigned" AUDIT [SUBJECT];
    [4673, 4674] PrivilegeUse ["iam"] ["admin"] "privileged-operation" AUDIT [SUBJECT, PROCESS];
    [4703] PrivilegeUse ["iam"] ["change"] "token-rights-adjusted" AUDIT [SUBJECT, PROCESS, TARGET];
    [5632, 5633] Logon ["authentication", "network"] ["start"] "network-authenticated" AUDIT [SUBJECT];
    [6272, 6278] Logon ["authentication", "network"] ["start", "allowed"] "network-policy-granted" SUCCESS [SUBJECT, SOURCE];
    [6273, 6274, 6276] LogonFailure ["authentication", "network"] ["denied"] "network-policy-denied" FAILURE [SUBJECT, SOURCE];
};

const OBJECTS: &[Spec] = kinds! {
    [4656] Other ["file"] ["access"] "object-handle-requested" AUDIT [SUBJECT, PROCESS];
    [4658, 4690] Other ["file"] ["info"] "object-handle-closed" AUDIT [SUBJECT, PROCESS];
    [4659] Other ["file"] ["deletion"] "object-handle-for-deletion" AUDIT [SUBJECT, PROCESS];
    [4663] Other ["file"] ["access"] "object-accessed" AUDIT [SUBJECT, PROCESS];
    [4660] Other ["file"] ["deletion"] "object-deleted" AUDIT [SUBJECT, PROCESS];
    [4661, 4662] Other ["iam"] ["access"] "directory-object-accessed" AUDIT [SUBJECT, PROCESS];
    [4664] Other ["file"] ["creation"] "hard-link-created" AUDIT [SUBJECT, LINK];
    [4670] Other ["file"] ["change"] "object-permissions-changed" AUDIT [SUBJECT, PROCESS];
    [4985] Other ["file"] ["change"] "transaction-state-changed" AUDIT [SUBJECT, PROCESS];
    [4657] RegistrySet ["configuration", "registry"] ["change"] "registry-value-set" AUDIT [SUBJECT, PROCESS, VALUE];
    [4688] ProcessStart ["process"] ["start"] "created-process" AUDIT [SUBJECT, TARGET, NEW_PROCESS];
    [4689] ProcessStop ["process"] ["end"] "exited-process" AUDIT [SUBJECT, PROCESS, EXITED];
    [4696] Other ["process"] ["change"] "primary-token-assigned" AUDIT [SUBJECT, TARGET, PROCESS];
    [4697] ServiceInstall ["configuration", "process"] ["creation"] "service-installed" AUDIT [SUBJECT, SERVICE];
    [4698] TaskSchedule ["configuration"] ["creation"] "scheduled-task-created" AUDIT [SUBJECT];
    [4699] TaskSchedule ["configuration"] ["deletion"] "scheduled-task-deleted" AUDIT [SUBJECT];
    [4700, 4701, 4702] TaskSchedule ["configuration"] ["change"] "scheduled-task-changed" AUDIT [SUBJECT];
    [5136, 5139] Other ["configuration"] ["change"] "directory-object-changed" AUDIT [SUBJECT];
    [5137, 5138] Other ["configuration"] ["creation"] "directory-object-created" AUDIT [SUBJECT];
    [5141] Other ["configuration"] ["deletion"] "directory-object-deleted" AUDIT [SUBJECT];
    [5169] Other ["iam"] ["access"] "directory-object-modified-in-background" AUDIT [SUBJECT];
    [5140, 5145] Other ["network", "file"] ["access"] "network-share-accessed" AUDIT [SUBJECT, SHARE];
    [5142] Other ["network", "configuration"] ["creation"] "network-share-added" AUDIT [SUBJECT, SHARE];
    [5143] Other ["network", "configuration"] ["change"] "network-share-changed" AUDIT [SUBJECT, SHARE];
    [5144] Other ["network", "configuration"] ["deletion"] "network-share-removed" AUDIT [SUBJECT, SHARE];
    [5168] Other ["network"] ["denied"] "smb-name-check-failed" FAILURE [SUBJECT, SHARE];
    [5154, 5158] NetworkListen ["network"] ["start", "allowed"] "port-bound" AUDIT [FILTERING];
    [5156] NetworkConnect ["network"] ["connection", "allowed"] "connection-allowed" AUDIT [FILTERING];
    [5157] NetworkConnect ["network"] ["connection", "denied"] "connection-blocked" AUDIT [FILTERING];
    [5031, 5150, 5151, 5152, 5153, 5155, 5159] Other ["network"] ["denied"] "packet-blocked" AUDIT [FILTERING];
    [5379, 5380, 5381, 5382] SecretAccess ["iam"] ["access"] "stored-credentials-read" AUDIT [SUBJECT];
    [5376, 5377] SecretAccess ["iam"] ["access"] "stored-credentials-copied" AUDIT [SUBJECT];
    [5712] Other ["network"] ["connection"] "remote-call-attempted" AUDIT [SUBJECT, PROCESS];
};

const ACCOUNTS: &[Spec] = kinds! {
    [4720] AccountChange ["iam"] ["user", "creation"] "added-user-account" AUDIT [SUBJECT, TARGET];
    [4722] AccountChange ["iam"] ["user", "change"] "enabled-user-account" AUDIT [SUBJECT, TARGET];
    [4723] AccountChange ["iam"] ["user", "change"] "changed-password" AUDIT [SUBJECT, TARGET];
    [4724] AccountChange ["iam"] ["user", "change"] "reset-password" AUDIT [SUBJECT, TARGET];
    [4725] AccountChange ["iam"] ["user", "change"] "disabled-user-account" AUDIT [SUBJECT, TARGET];
    [4726] AccountChange ["iam"] ["user", "deletion"] "deleted-user-account" AUDIT [SUBJECT, TARGET];
    [4738] AccountChange ["iam"] ["user", "change"] "modified-user-account" AUDIT [SUBJECT, TARGET];
    [4740] AccountChange ["iam"] ["user", "change"] "locked-out-user-account" AUDIT [SUBJECT, TARGET];
    [4767] AccountChange ["iam"] ["user", "change"] "unlocked-user-account" AUDIT [SUBJECT, TARGET];
    [4781] AccountChange ["iam"] ["user", "change"] "renamed-user-account" AUDIT [SUBJECT, TARGET, RENAMED];
    [4780] AccountChange ["iam"] ["user", "change"] "protected-account-acl-set" AUDIT [SUBJECT, TARGET];
    [4741] AccountChange ["iam"] ["creation"] "added-computer-account" AUDIT [SUBJECT, TARGET];
    [4742] AccountChange ["iam"] ["change"] "changed-computer-account" AUDIT [SUBJECT, TARGET];
    [4743] AccountChange ["iam"] ["deletion"] "deleted-computer-account" AUDIT [SUBJECT, TARGET];
    [4765, 4766, 4794] AccountChange ["iam"] ["user", "change"] "account-credentials-changed" AUDIT [SUBJECT, TARGET];
    [4727, 4731, 4744, 4749, 4754, 4759] AccountChange ["iam"] ["group", "creation"] "added-group-account" AUDIT [SUBJECT, GROUP];
    [4728, 4732, 4746, 4751, 4756, 4761] AccountChange ["iam"] ["group", "change"] "added-member-to-group" AUDIT [SUBJECT, GROUP];
    [4729, 4733, 4747, 4752, 4757, 4762] AccountChange ["iam"] ["group", "change"] "removed-member-from-group" AUDIT [SUBJECT, GROUP];
    [4730, 4734, 4748, 4753, 4758, 4763] AccountChange ["iam"] ["group", "deletion"] "deleted-group-account" AUDIT [SUBJECT, GROUP];
    [4735, 4737, 4745, 4750, 4755, 4760, 4764] AccountChange ["iam"] ["group", "change"] "modified-group-account" AUDIT [SUBJECT, GROUP];
    [4704, 4705, 4717, 4718] AccountChange ["iam"] ["change"] "user-right-changed" AUDIT [SUBJECT, TARGET];
    [4798, 4799] Other ["iam"] ["info"] "group-membership-enumerated" AUDIT [SUBJECT, TARGET, CALLER];
    [4797] Other ["iam"] ["info"] "blank-password-queried" AUDIT [SUBJECT, TARGET, SOURCE];
    [4782, 4793] Other ["iam"] ["access"] "password-data-accessed" AUDIT [SUBJECT, TARGET];
};
