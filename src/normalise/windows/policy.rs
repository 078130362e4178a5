//! What Windows security auditing says about the system itself: start, audit and domain policy, the firewall and its filters, keys,
//! certificates, devices, code integrity; and the event log service in the Security log.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, family, kinds};
use crate::normalise::windows::security::{AUDITING, PROCESS, SUBJECT};

const CHANGER: &[Map] = &[
    ("UserName", How::Account, field::USER_NAME),
    ("UserSid", How::Copy, field::USER_ID),
    ("ProcessId", How::Number, field::PROCESS_PID),
];
const FIREWALL_RULE: &[Map] =
    &[("RuleName", How::Copy, field::RULE_NAME), ("RuleId", How::Copy, field::RULE_ID)];
const KEY: &[Map] = &[
    ("KeyFilePath", How::File, field::FILE_PATH),
    ("ProcessId", How::Number, field::PROCESS_PID),
    ("ClientProcessId", How::Number, field::PROCESS_PID),
];
const CODE: &[Map] = &[("param1", How::File, field::FILE_PATH)];
const REQUEST: &[Map] = &[("Requester", How::Account, field::USER_NAME)];

/// Security auditing, of the system.
pub const FAMILIES: &[Family] =
    &[family(AUDITING, SYSTEM), family(AUDITING, FIREWALL), family(AUDITING, LOG)];

const SYSTEM: &[Spec] = kinds! {
    [4608] Other ["host"] ["start"] "windows-started" AUDIT [];
    [4609] Other ["host"] ["end"] "windows-stopped" AUDIT [];
    [4826] Other ["host"] ["info"] "boot-configuration-loaded" AUDIT [SUBJECT];
    [4610, 4611, 4614, 4622] Other ["configuration"] ["info"] "security-package-loaded" AUDIT [SUBJECT];
    [4612] Other ["configuration"] ["error"] "audit-resources-exhausted" AUDIT [];
    [4615, 4618, 4621] Other ["host"] ["info"] "security-state-reported" AUDIT [SUBJECT];
    [4616] Other ["configuration"] ["change"] "system-time-changed" AUDIT [SUBJECT, PROCESS];
    [4719, 4715, 4817, 4902, 4904, 4905, 4906, 4907, 4908, 4912] Other ["configuration"] ["change"] "audit-policy-changed" AUDIT [SUBJECT, PROCESS];
    [4911, 4913] Other ["configuration", "file"] ["change"] "object-attributes-changed" AUDIT [SUBJECT, PROCESS];
    [4706, 4865] Other ["configuration"] ["creation"] "domain-trust-added" AUDIT [SUBJECT];
    [4707, 4866] Other ["configuration"] ["deletion"] "domain-trust-removed" AUDIT [SUBJECT];
    [4713, 4716, 4739, 4714, 4819, 4867] Other ["configuration"] ["change"] "domain-policy-changed" AUDIT [SUBJECT];
    [4692, 4693, 4694, 4695] SecretAccess ["iam"] ["access"] "data-protection-key-used" AUDIT [SUBJECT];
    [5058, 5059, 5061] SecretAccess ["iam"] ["access"] "cryptographic-key-used" AUDIT [SUBJECT, KEY];
    [5056, 5057, 5060, 5062, 5063, 5064, 5065, 5066, 5067, 5068, 5069, 5070] Other ["configuration"] ["info"] "cryptographic-operation" AUDIT [SUBJECT];
    [4868, 4870, 4886, 4887, 4888, 4889] Other ["iam"] ["info"] "certificate-requested" AUDIT [REQUEST];
    [4872, 4873, 4874, 4876, 4877, 4878, 4880, 4881, 4882, 4885, 4890, 4891, 4892, 4893, 4894, 4895, 4896, 4898, 4899, 4900] Other ["configuration"] ["change"] "certificate-services-changed" AUDIT [SUBJECT];
    [5120, 5121, 5122, 5123, 5124, 5125, 5126, 5127] Other ["configuration"] ["change"] "revocation-responder-changed" AUDIT [SUBJECT];
    [5038, 6281, 6410] Other ["driver"] ["error"] "code-integrity-failed" FAILURE [CODE];
    [6416] Other ["host"] ["creation"] "device-recognised" AUDIT [SUBJECT];
    [6419, 6420] Other ["host"] ["change"] "device-disabled" AUDIT [SUBJECT];
    [6421, 6422] Other ["host"] ["change"] "device-enabled" AUDIT [SUBJECT];
    [6423, 6424] Other ["host"] ["denied"] "device-installation-refused" AUDIT [SUBJECT];
    [6144, 6145] Other ["configuration"] ["change"] "group-policy-applied" AUDIT [SUBJECT];
    [5888, 5889, 5890] Other ["configuration"] ["change"] "com-catalog-changed" AUDIT [SUBJECT];
    [4928, 4929, 4930, 4931, 4932, 4933, 4934, 4935, 4936, 4937] Other ["iam"] ["info"] "directory-replication" AUDIT [SUBJECT];
};

const FIREWALL: &[Spec] = kinds! {
    [4944, 4945, 4956] Other ["configuration"] ["info"] "firewall-state-reported" AUDIT [FIREWALL_RULE];
    [4946] Other ["configuration"] ["creation"] "firewall-rule-added" AUDIT [FIREWALL_RULE];
    [4947] Other ["configuration"] ["change"] "firewall-rule-changed" AUDIT [FIREWALL_RULE];
    [4948] Other ["configuration"] ["deletion"] "firewall-rule-deleted" AUDIT [FIREWALL_RULE];
    [4949, 4950, 4954] Other ["configuration"] ["change"] "firewall-setting-changed" AUDIT [];
    [4951, 4952, 4953, 4957, 4958] Other ["configuration"] ["error"] "firewall-rule-ignored" AUDIT [FIREWALL_RULE];
    [5024, 5033] Other ["configuration"] ["start"] "firewall-started" AUDIT [];
    [5025, 5034] Other ["configuration"] ["end"] "firewall-stopped" AUDIT [];
    [5027, 5028, 5029, 5030, 5032, 5035, 5037] Other ["configuration"] ["error"] "firewall-failed" AUDIT [];
    [5440, 5441, 5442, 5443, 5444] Other ["configuration"] ["info"] "filter-reported" AUDIT [CHANGER];
    [5446, 5447, 5448, 5449, 5450] Other ["configuration"] ["change"] "filter-changed" AUDIT [CHANGER];
    [5456, 5457, 5458, 5459, 5460, 5461, 5462, 5463, 5464, 5465, 5466, 5467, 5468, 5471, 5472, 5473, 5474, 5477, 5478, 5479, 5480, 5483, 5484, 5485] Other ["configuration"] ["change"] "ipsec-policy-changed" AUDIT [];
    [4650, 4651, 4655, 4709, 4710, 4711, 4712, 4976, 4977, 4978, 4979, 4980, 4981, 4982, 4983, 4984, 5451, 5452, 5453] Other ["network"] ["info"] "ipsec-negotiation" AUDIT [];
};

const LOG: &[Spec] = kinds! {
    [1102] LogCleared ["iam"] ["admin", "change"] "audit-log-cleared" AUDIT [SUBJECT];
    [1100] LogCleared ["configuration"] ["end"] "logging-service-shutdown" AUDIT [];
    [1101, 1108] Other ["configuration"] ["error"] "audit-events-lost" AUDIT [];
    [1104, 1105] Other ["configuration"] ["info"] "log-full" AUDIT [];
};
