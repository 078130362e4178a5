//! Sysmon's events, 1 to 29 and 255, of Windows and Linux.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, HashesOf, How, Map, Spec, family, kinds};

const PROCESS: &[Map] = &[
    ("Image", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ProcessGuid", How::Guid, field::PROCESS_ENTITY_ID),
    ("ProcessId", How::Number, field::PROCESS_PID),
    ("User", How::Account, field::USER_NAME),
];
const SOURCE_PROCESS: &[Map] = &[
    ("SourceImage", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("SourceProcessGUID", How::Guid, field::PROCESS_ENTITY_ID),
    ("SourceProcessGuid", How::Guid, field::PROCESS_ENTITY_ID),
    ("SourceProcessId", How::Number, field::PROCESS_PID),
    ("SourceUser", How::Account, field::USER_NAME),
    ("TargetUser", How::Account, field::USER_TARGET_NAME),
];
const NEW_PROCESS: &[Map] = &[
    ("CommandLine", How::Copy, field::PROCESS_COMMAND_LINE),
    ("CurrentDirectory", How::Copy, field::PROCESS_WORKING_DIRECTORY),
    ("ParentImage", How::Program(field::PROCESS_PARENT_NAME), field::PROCESS_PARENT_EXECUTABLE),
    ("ParentCommandLine", How::Copy, field::PROCESS_PARENT_COMMAND_LINE),
    ("ParentProcessGuid", How::Guid, field::PROCESS_PARENT_ENTITY_ID),
    ("ParentProcessId", How::Number, field::PROCESS_PARENT_PID),
    ("OriginalFileName", How::Copy, field::PROCESS_PE_ORIGINAL_FILE_NAME),
    ("FileVersion", How::Copy, field::PROCESS_PE_FILE_VERSION),
    ("Description", How::Copy, field::PROCESS_PE_DESCRIPTION),
    ("Product", How::Copy, field::PROCESS_PE_PRODUCT),
    ("Company", How::Copy, field::PROCESS_PE_COMPANY),
    ("Hashes", How::Hashes(HashesOf::Process), field::PROCESS_HASH_SHA256),
];
const CONNECTION: &[Map] = &[
    ("SourceIp", How::Ip, field::SOURCE_IP),
    ("SourcePort", How::Number, field::SOURCE_PORT),
    ("SourceHostname", How::Copy, field::SOURCE_DOMAIN),
    ("DestinationIp", How::Ip, field::DESTINATION_IP),
    ("DestinationPort", How::Number, field::DESTINATION_PORT),
    ("DestinationHostname", How::Copy, field::DESTINATION_DOMAIN),
    ("DestinationPortName", How::Copy, field::NETWORK_PROTOCOL),
    ("Protocol", How::Transport, field::NETWORK_TRANSPORT),
    ("Initiated", How::Initiated, field::NETWORK_DIRECTION),
];
const FILE: &[Map] = &[
    ("TargetFilename", How::File, field::FILE_PATH),
    ("Hashes", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256),
];
const STREAM: &[Map] = &[
    ("TargetFilename", How::File, field::FILE_PATH),
    ("Hash", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256),
];
const LIBRARY: &[Map] = &[
    ("ImageLoaded", How::Program(field::DLL_NAME), field::DLL_PATH),
    ("Hashes", How::Hashes(HashesOf::Dll), field::DLL_HASH_SHA256),
    ("Signature", How::Copy, field::DLL_SIGNER),
    ("SignatureStatus", How::Copy, field::DLL_SIGNATURE_STATUS),
];
const REGISTRY: &[Map] = &[
    ("TargetObject", How::Registry, field::REGISTRY_PATH),
    ("Details", How::Copy, field::REGISTRY_DATA),
];
const QUERY: &[Map] = &[
    ("QueryName", How::Copy, field::DNS_QUESTION_NAME),
    ("QueryResults", How::Answers, field::DNS_ANSWERS_DATA),
];
const PIPE: &[Map] = &[("PipeName", How::Copy, field::FILE_NAME)];
const CLIPBOARD: &[Map] = &[("Hashes", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256)];
const STATE: &[Map] = &[("State", How::Copy, field::SERVICE_STATE)];
const CONFIGURATION: &[Map] =
    &[("ConfigurationFileHash", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256)];
const ERROR: &[Map] =
    &[("ID", How::Copy, field::ERROR_CODE), ("Description", How::Copy, field::ERROR_MESSAGE)];

/// Sysmon for Windows and for Linux.
pub const FAMILIES: &[Family] = &[family(&["microsoft-windows-sysmon", "linux-sysmon"], KINDS)];

const KINDS: &[Spec] = kinds! {
    [1] ProcessStart ["process"] ["start"] "process-started" AUDIT [PROCESS, NEW_PROCESS];
    [2] FileModify ["file"] ["change"] "file-creation-time-changed" AUDIT [PROCESS, FILE];
    [3] NetworkConnect ["network"] ["connection", "start", "protocol"] "network-connection" AUDIT [PROCESS, CONNECTION];
    [4] Other ["process"] ["change"] "sysmon-state-changed" AUDIT [STATE];
    [5] ProcessStop ["process"] ["end"] "process-terminated" AUDIT [PROCESS];
    [6] ImageLoad ["driver"] ["start"] "driver-loaded" AUDIT [LIBRARY];
    [7] ImageLoad ["library", "process"] ["start"] "image-loaded" AUDIT [PROCESS, LIBRARY];
    [8] ProcessInjection ["process"] ["change"] "remote-thread-created" AUDIT [SOURCE_PROCESS];
    [9] Other ["process", "file"] ["access"] "raw-disk-read" AUDIT [PROCESS];
    [10] ProcessAccess ["process"] ["access"] "process-accessed" AUDIT [SOURCE_PROCESS];
    [11] FileCreate ["file"] ["creation"] "file-created" AUDIT [PROCESS, FILE];
    [12] RegistrySet ["configuration", "registry"] ["change"] "registry-object-changed" AUDIT [PROCESS, REGISTRY];
    [13] RegistrySet ["configuration", "registry"] ["change"] "registry-value-set" AUDIT [PROCESS, REGISTRY];
    [14] RegistrySet ["configuration", "registry"] ["change"] "registry-object-renamed" AUDIT [PROCESS, REGISTRY];
    [15] FileCreate ["file"] ["access"] "stream-created" AUDIT [PROCESS, STREAM];
    [16] Other ["configuration"] ["change"] "sysmon-config-changed" AUDIT [CONFIGURATION];
    [17] Pipe ["file"] ["creation"] "pipe-created" AUDIT [PROCESS, PIPE];
    [18] Pipe ["file"] ["access"] "pipe-connected" AUDIT [PROCESS, PIPE];
    [19] Other ["configuration"] ["creation"] "wmi-filter-registered" AUDIT [PROCESS];
    [20] Other ["configuration"] ["creation"] "wmi-consumer-registered" AUDIT [PROCESS];
    [21] Other ["configuration"] ["creation"] "wmi-binding-registered" AUDIT [PROCESS];
    [22] Dns ["network"] ["protocol", "info"] "dns-query" AUDIT [PROCESS, QUERY];
    [23, 26] FileDelete ["file"] ["deletion"] "file-deleted" AUDIT [PROCESS, FILE];
    [24] Other ["process"] ["change"] "clipboard-changed" AUDIT [PROCESS, CLIPBOARD];
    [25] ProcessInjection ["process"] ["change"] "process-tampered" AUDIT [PROCESS];
    [27] FileCreate ["file"] ["creation", "denied"] "executable-blocked" AUDIT [PROCESS, FILE];
    [28] FileDelete ["file"] ["deletion", "denied"] "shredding-blocked" AUDIT [PROCESS, FILE];
    [29] FileCreate ["file"] ["creation"] "executable-created" AUDIT [PROCESS, FILE];
    [255] Other ["process"] ["error"] "sysmon-error" AUDIT [ERROR];
};
