//! Sysmon's events, 1 to 29.

use crate::model::class::Class;
use crate::model::field;
use crate::normalise::windows::kinds::{HashesOf, How, Map, Outcome, Spec};

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
];
const NEW_PROCESS: &[Map] = &[
    ("CommandLine", How::Copy, field::PROCESS_COMMAND_LINE),
    ("CurrentDirectory", How::Copy, field::PROCESS_WORKING_DIRECTORY),
    ("ParentImage", How::Program(field::PROCESS_PARENT_NAME), field::PROCESS_PARENT_EXECUTABLE),
    ("ParentCommandLine", How::Copy, field::PROCESS_PARENT_COMMAND_LINE),
    ("ParentProcessGuid", How::Guid, field::PROCESS_PARENT_ENTITY_ID),
    ("ParentProcessId", How::Number, field::PROCESS_PARENT_PID),
    ("OriginalFileName", How::Copy, field::PROCESS_PE_ORIGINAL_FILE_NAME),
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
];
const REGISTRY: &[Map] = &[
    ("TargetObject", How::Registry, field::REGISTRY_PATH),
    ("Details", How::Copy, field::REGISTRY_DATA),
];
const QUERY: &[Map] = &[
    ("QueryName", How::Copy, field::DNS_QUESTION_NAME),
    ("QueryResults", How::Answers, field::DNS_ANSWERS_DATA),
];
const CLIPBOARD: &[Map] = &[("Hashes", How::Hashes(HashesOf::File), field::FILE_HASH_SHA256)];

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

/// What each event id means.
pub const KINDS: &[Spec] = &[
    spec(
        &[1],
        Class::ProcessStart,
        &["process"],
        &["start"],
        "process-started",
        &[PROCESS, NEW_PROCESS],
    ),
    spec(
        &[2],
        Class::FileModify,
        &["file"],
        &["change"],
        "file-creation-time-changed",
        &[PROCESS, FILE],
    ),
    spec(
        &[3],
        Class::NetworkConnect,
        &["network"],
        &["connection", "start", "protocol"],
        "network-connection",
        &[PROCESS, CONNECTION],
    ),
    spec(&[4], Class::Other, &["process"], &["change"], "sysmon-state-changed", &[]),
    spec(&[5], Class::ProcessStop, &["process"], &["end"], "process-terminated", &[PROCESS]),
    spec(&[6], Class::ImageLoad, &["driver"], &["start"], "driver-loaded", &[LIBRARY]),
    spec(
        &[7],
        Class::ImageLoad,
        &["library", "process"],
        &["start"],
        "image-loaded",
        &[PROCESS, LIBRARY],
    ),
    spec(
        &[8],
        Class::ProcessInjection,
        &["process"],
        &["change"],
        "remote-thread-created",
        &[SOURCE_PROCESS],
    ),
    spec(&[9], Class::Other, &["process", "file"], &["access"], "raw-disk-read", &[PROCESS]),
    spec(
        &[10],
        Class::ProcessAccess,
        &["process"],
        &["access"],
        "process-accessed",
        &[SOURCE_PROCESS],
    ),
    spec(&[11], Class::FileCreate, &["file"], &["creation"], "file-created", &[PROCESS, FILE]),
    spec(
        &[12],
        Class::RegistrySet,
        &["configuration", "registry"],
        &["change"],
        "registry-object-changed",
        &[PROCESS, REGISTRY],
    ),
    spec(
        &[13],
        Class::RegistrySet,
        &["configuration", "registry"],
        &["change"],
        "registry-value-set",
        &[PROCESS, REGISTRY],
    ),
    spec(
        &[14],
        Class::RegistrySet,
        &["configuration", "registry"],
        &["change"],
        "registry-object-renamed",
        &[PROCESS, REGISTRY],
    ),
    spec(&[15], Class::FileCreate, &["file"], &["access"], "stream-created", &[PROCESS, STREAM]),
    spec(&[16], Class::Other, &["configuration"], &["change"], "sysmon-config-changed", &[]),
    spec(&[17], Class::Pipe, &["file"], &["creation"], "pipe-created", &[PROCESS]),
    spec(&[18], Class::Pipe, &["file"], &["access"], "pipe-connected", &[PROCESS]),
    spec(
        &[19],
        Class::Other,
        &["configuration"],
        &["creation"],
        "wmi-filter-registered",
        &[PROCESS],
    ),
    spec(
        &[20],
        Class::Other,
        &["configuration"],
        &["creation"],
        "wmi-consumer-registered",
        &[PROCESS],
    ),
    spec(
        &[21],
        Class::Other,
        &["configuration"],
        &["creation"],
        "wmi-binding-registered",
        &[PROCESS],
    ),
    spec(&[22], Class::Dns, &["network"], &["protocol", "info"], "dns-query", &[PROCESS, QUERY]),
    spec(&[23, 26], Class::FileDelete, &["file"], &["deletion"], "file-deleted", &[PROCESS, FILE]),
    spec(
        &[24],
        Class::Other,
        &["process"],
        &["change"],
        "clipboard-changed",
        &[PROCESS, CLIPBOARD],
    ),
    spec(&[25], Class::ProcessInjection, &["process"], &["change"], "process-tampered", &[PROCESS]),
    spec(
        &[27],
        Class::FileCreate,
        &["file"],
        &["creation", "denied"],
        "executable-blocked",
        &[PROCESS, FILE],
    ),
    spec(
        &[28],
        Class::FileDelete,
        &["file"],
        &["deletion", "denied"],
        "shredding-blocked",
        &[PROCESS, FILE],
    ),
    spec(
        &[29],
        Class::FileCreate,
        &["file"],
        &["creation"],
        "executable-created",
        &[PROCESS, FILE],
    ),
    spec(&[255], Class::Other, &["process"], &["error"], "sysmon-error", &[]),
];
