//! Events of what protects the machine: Defender, AppLocker, code integrity, exploit mitigations, encryption, certificates.

use crate::model::field;
use crate::normalise::windows::kinds::{
    Family, HashesOf, How, Map, Spec, by_reporter, family, kinds,
};

const THREAT: &[Map] = &[
    ("ThreatName", How::Copy, field::RULE_NAME),
    ("ThreatID", How::Copy, field::RULE_ID),
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("DetectionUser", How::Account, field::USER_NAME),
    ("User", How::Account, field::USER_NAME),
    ("Domain", How::Copy, field::USER_DOMAIN),
    ("SID", How::Copy, field::USER_ID),
    ("Path", How::Scanned, field::FILE_PATH),
    ("ErrorCode", How::Copy, field::ERROR_CODE),
];
const ATTACK_SURFACE: &[Map] = &[
    ("ID", How::Copy, field::RULE_ID),
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("Path", How::Scanned, field::FILE_PATH),
    ("TargetCommandline", How::Copy, field::PROCESS_COMMAND_LINE),
    ("ParentCommandline", How::Copy, field::PROCESS_PARENT_COMMAND_LINE),
    ("User", How::Account, field::USER_NAME),
];
const LOCKER: &[Map] = &[
    ("FullFilePath", How::File, field::FILE_PATH),
    ("FilePath", How::File, field::FILE_PATH),
    ("FileHash", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256),
    ("TargetUser", How::Copy, field::USER_ID),
    ("TargetProcessId", How::Number, field::PROCESS_PID),
    ("RuleName", How::Copy, field::RULE_NAME),
    ("RuleId", How::Copy, field::RULE_ID),
    ("Package", How::Copy, field::PACKAGE_NAME),
];
const CODE: &[Map] = &[
    ("FileNameBuffer", How::File, field::FILE_PATH),
    ("FileName", How::File, field::FILE_PATH),
    ("ProcessNameBuffer", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("PolicyName", How::Copy, field::RULE_RULESET),
];
const MITIGATION: &[Map] = &[
    ("ProcessPath", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessCommandLine", How::Copy, field::PROCESS_COMMAND_LINE),
    ("CallingProcessId", How::Number, field::PROCESS_PID),
    ("ImageName", How::Program(field::DLL_NAME), field::DLL_PATH),
];
const URL: &[Map] = &[("URL", How::Copy, field::URL_ORIGINAL)];
const REFUSED: &[Map] = &[("#0", How::Copy, field::MESSAGE)];

/// The providers that protect.
pub const FAMILIES: &[Family] = &[
    family(
        &["microsoft-windows-windows defender", "microsoft antimalware", "windows defender"],
        DEFENDER,
    ),
    by_reporter(&["microsoft-windows-applocker"], APPLOCKER),
    family(&["microsoft-windows-softwarerestrictionpolicies"], RESTRICTION),
    family(&["microsoft-windows-codeintegrity"], INTEGRITY),
    family(&["microsoft-windows-security-mitigations"], MITIGATIONS),
    family(&["emet"], EMET),
    by_reporter(
        &["microsoft-windows-bitlocker-api", "microsoft-windows-bitlocker-driver"],
        BITLOCKER,
    ),
    by_reporter(&["microsoft-windows-capi2"], CERTIFICATES),
    by_reporter(
        &["microsoft-windows-certificateservicesclient-lifecycle-system"],
        CERTIFICATE_LIFE,
    ),
    family(&["microsoft-windows-audit-cve", "audit-cve"], EXPLOITS),
    family(&["securitycenter"], CENTRE),
];

const DEFENDER: &[Spec] = kinds! {
    [1006, 1015, 1116] Other ["malware"] ["info"] "malware-detected" AUDIT [THREAT];
    [1007, 1117] Other ["malware"] ["info"] "malware-action-taken" AUDIT [THREAT];
    [1008, 1118, 1119] Other ["malware"] ["error"] "malware-action-failed" FAILURE [THREAT];
    [1009, 1010] Other ["malware", "file"] ["creation"] "quarantined-file-restored" AUDIT [THREAT];
    [1011, 1012] Other ["malware", "file"] ["deletion"] "quarantined-file-deleted" AUDIT [THREAT];
    [1013, 1014] Other ["malware"] ["deletion"] "malware-history-deleted" AUDIT [THREAT];
    [1121, 1129] Other ["intrusion_detection", "process"] ["denied"] "attack-surface-rule-blocked" AUDIT [ATTACK_SURFACE];
    [1122] Other ["intrusion_detection", "process"] ["info"] "attack-surface-rule-matched" AUDIT [ATTACK_SURFACE];
    [1123, 1127] Other ["intrusion_detection", "file"] ["denied"] "controlled-folder-blocked" AUDIT [ATTACK_SURFACE];
    [1124, 1128] Other ["intrusion_detection", "file"] ["info"] "controlled-folder-matched" AUDIT [ATTACK_SURFACE];
    [1125, 1126] Other ["intrusion_detection", "network"] ["denied"] "network-protection-matched" AUDIT [ATTACK_SURFACE];
    [1000, 1001] Other ["malware"] ["info"] "scan-reported" AUDIT [THREAT];
    [1002, 1003, 1005] Other ["malware"] ["end"] "scan-stopped" AUDIT [THREAT];
    [1150, 1151, 2000, 2002, 2010, 2011, 2014] Other ["configuration"] ["info"] "protection-updated" AUDIT [];
    [2001, 2003, 2004, 2012, 2020, 2021, 3002] Other ["configuration"] ["error"] "protection-failed" FAILURE [];
    [3007, 5000, 5009, 5011] Other ["configuration"] ["start"] "protection-enabled" AUDIT [];
    [5001, 5010, 5012, 5101] Other ["configuration"] ["end"] "protection-disabled" AUDIT [];
    [5004, 5007, 5013] Other ["configuration"] ["change"] "protection-changed" AUDIT [];
    [5008] Other ["configuration"] ["error"] "protection-failed" FAILURE [];
};

const APPLOCKER: &[Spec] = kinds! {
    [8000, 8001] Other ["configuration"] ["change"] "application-control-policy-applied" AUDIT [];
    [8002, 8005, 8020, 8023] Other ["process"] ["start", "allowed"] "application-allowed" SUCCESS [LOCKER];
    [8003, 8006, 8021, 8024] Other ["process"] ["info"] "application-would-be-blocked" AUDIT [LOCKER];
    [8004, 8007, 8022, 8025] Other ["process"] ["denied"] "application-blocked" FAILURE [LOCKER];
    [8008, 8027] Other ["configuration"] ["info"] "application-control-reported" AUDIT [];
    [8028, 8029, 8036, 8037, 8038, 8039, 8040] Other ["process"] ["denied"] "script-blocked" AUDIT [LOCKER];
};

const RESTRICTION: &[Spec] = kinds! {
    [865, 866, 867, 868, 882] Other ["process"] ["denied"] "application-blocked" FAILURE [];
};

const INTEGRITY: &[Spec] = kinds! {
    [3001, 3002, 3003, 3004, 3021, 3022, 3023, 3024, 3026, 3032, 3033, 3034, 3035, 3036, 3037, 3082, 3083, 3104, 3111] Other ["driver", "library"] ["denied"] "code-integrity-failed" FAILURE [CODE];
    [3076] Other ["driver", "library"] ["info"] "code-would-be-blocked" AUDIT [CODE];
    [3077] Other ["driver", "library"] ["denied"] "code-blocked" FAILURE [CODE];
    [3089, 3090, 3091, 3092] Other ["driver", "library"] ["info"] "code-signature-reported" AUDIT [CODE];
    [3085, 3086, 3095, 3096, 3097, 3099, 3100, 3101, 3102, 3103, 3105] Other ["configuration"] ["change"] "code-policy-changed" AUDIT [CODE];
};

const MITIGATIONS: &[Spec] = kinds! {
    [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23] Other ["intrusion_detection", "process"] ["info"] "mitigation-matched" AUDIT [MITIGATION];
    [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24] Other ["intrusion_detection", "process"] ["denied"] "mitigation-enforced" AUDIT [MITIGATION];
};

const EMET: &[Spec] = kinds! {
    [1, 2] Other ["intrusion_detection", "process"] ["denied"] "mitigation-enforced" AUDIT [REFUSED];
    [50] Other ["intrusion_detection"] ["info"] "mitigation-reported" AUDIT [REFUSED];
};

const BITLOCKER: &[Spec] = kinds! {
    [768, 769, 770, 771, 772, 775, 776, 777, 778, 779, 780, 781, 793, 796, 817, 840, 845, 4122] Other ["configuration"] ["change"] "disk-encryption-changed" AUDIT [];
};

const CERTIFICATES: &[Spec] = kinds! {
    [10, 11, 30] Other ["library"] ["info"] "certificate-chain-checked" AUDIT [URL];
    [40, 41, 42, 50, 51, 52, 53] Other ["network"] ["info"] "certificate-object-fetched" AUDIT [URL];
    [70] SecretAccess ["iam"] ["access"] "private-key-acquired" AUDIT [URL];
    [80, 81, 82] Other ["library"] ["info"] "signature-checked" AUDIT [URL];
    [90] Other ["library"] ["info"] "certificate-reported" AUDIT [URL];
    [4097, 4100, 4108, 4109, 4111, 4112] Other ["configuration"] ["change"] "root-certificates-updated" AUDIT [];
};

const CERTIFICATE_LIFE: &[Spec] = kinds! {
    [1001, 1002, 1003, 1004, 1006] Other ["iam"] ["change"] "certificate-changed" AUDIT [];
    [1007] SecretAccess ["iam"] ["access"] "certificate-exported" AUDIT [];
};

const EXPLOITS: &[Spec] = kinds! {
    [1] Other ["intrusion_detection", "vulnerability"] ["info"] "exploit-attempt-reported" AUDIT [];
};

const CENTRE: &[Spec] = kinds! {
    [1, 2, 15, 16, 17, 18] Other ["configuration"] ["info"] "security-centre-reported" AUDIT [];
};
