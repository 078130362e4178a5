//! Field names as small ids. The well-known ECS names are constants; any other name is interned on first sight.

use crate::stdx::intern;

/// A field's id, cheap to copy and compare. [`FieldId::name`] gives the dotted ECS name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

macro_rules! fields {
    ($($constant:ident = $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name,)*];
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($constant,)* }
        $(#[doc = concat!("`", $name, "`")] pub const $constant: FieldId = FieldId(Index::$constant as u16);)*
    };
}

fields! {
    EVENT_ORIGINAL = "event.original", EVENT_CODE = "event.code", EVENT_ACTION = "event.action",
    EVENT_CATEGORY = "event.category", EVENT_TYPE = "event.type", EVENT_OUTCOME = "event.outcome",
    EVENT_PROVIDER = "event.provider", EVENT_MODULE = "event.module", EVENT_DATASET = "event.dataset",
    EVENT_SEQUENCE = "event.sequence", EVENT_REASON = "event.reason", MESSAGE = "message", TAGS = "tags",
    EVENT_CREATED = "event.created", EVENT_TIME_PROBLEM = "event.time_problem",
    ORGANIZATION_ID = "organization.id", LOG_FILE_PATH = "log.file.path", LOG_OFFSET = "log.offset",
    LOG_LEVEL = "log.level", SOURCE_NAME = "watchfloor.source",
    HOST_NAME = "host.name", HOST_IP = "host.ip", HOST_OS_TYPE = "host.os.type",
    USER_NAME = "user.name", USER_DOMAIN = "user.domain", USER_ID = "user.id",
    USER_EFFECTIVE_NAME = "user.effective.name", USER_EFFECTIVE_ID = "user.effective.id",
    USER_TARGET_NAME = "user.target.name", USER_TARGET_DOMAIN = "user.target.domain", USER_TARGET_ID = "user.target.id",
    GROUP_NAME = "group.name", GROUP_ID = "group.id", RELATED_USER = "related.user", RELATED_IP = "related.ip",
    PROCESS_PID = "process.pid", PROCESS_NAME = "process.name", PROCESS_EXECUTABLE = "process.executable",
    PROCESS_COMMAND_LINE = "process.command_line", PROCESS_ARGS = "process.args", PROCESS_TITLE = "process.title",
    PROCESS_ENTITY_ID = "process.entity_id", PROCESS_WORKING_DIRECTORY = "process.working_directory",
    PROCESS_EXIT_CODE = "process.exit_code", PROCESS_TTY = "process.tty",
    PROCESS_PE_ORIGINAL_FILE_NAME = "process.pe.original_file_name", PROCESS_PE_DESCRIPTION = "process.pe.description",
    PROCESS_PE_PRODUCT = "process.pe.product", PROCESS_PE_COMPANY = "process.pe.company",
    PROCESS_HASH_MD5 = "process.hash.md5", PROCESS_HASH_SHA1 = "process.hash.sha1", PROCESS_HASH_SHA256 = "process.hash.sha256",
    PROCESS_PARENT_PID = "process.parent.pid", PROCESS_PARENT_NAME = "process.parent.name",
    PROCESS_PARENT_EXECUTABLE = "process.parent.executable", PROCESS_PARENT_COMMAND_LINE = "process.parent.command_line",
    PROCESS_PARENT_ENTITY_ID = "process.parent.entity_id", PROCESS_INTEGRITY = "winlog.event_data.IntegrityLevel",
    FILE_PATH = "file.path", FILE_NAME = "file.name", FILE_DIRECTORY = "file.directory", FILE_EXTENSION = "file.extension",
    FILE_HASH_MD5 = "file.hash.md5", FILE_HASH_SHA1 = "file.hash.sha1", FILE_HASH_SHA256 = "file.hash.sha256",
    FILE_MODE = "file.mode", FILE_INODE = "file.inode",
    REGISTRY_PATH = "registry.path", REGISTRY_KEY = "registry.key", REGISTRY_HIVE = "registry.hive",
    REGISTRY_VALUE = "registry.value", REGISTRY_DATA = "registry.data.strings",
    SOURCE_IP = "source.ip", SOURCE_PORT = "source.port", SOURCE_DOMAIN = "source.domain", SOURCE_ADDRESS = "source.address",
    DESTINATION_IP = "destination.ip", DESTINATION_PORT = "destination.port", DESTINATION_DOMAIN = "destination.domain",
    DESTINATION_ADDRESS = "destination.address",
    NETWORK_TRANSPORT = "network.transport", NETWORK_PROTOCOL = "network.protocol", NETWORK_DIRECTION = "network.direction",
    DNS_QUESTION_NAME = "dns.question.name", DNS_ANSWERS_DATA = "dns.answers.data",
    DLL_PATH = "dll.path", DLL_NAME = "dll.name", HTTP_METHOD = "http.request.method",
    HTTP_STATUS = "http.response.status_code", URL_ORIGINAL = "url.original", USER_AGENT = "user_agent.original",
    SERVICE_NAME = "service.name",
    WINLOG_CHANNEL = "winlog.channel", WINLOG_PROVIDER_NAME = "winlog.provider_name", WINLOG_RECORD_ID = "winlog.record_id",
    WINLOG_COMPUTER_NAME = "winlog.computer_name", WINLOG_TASK = "winlog.task", WINLOG_KEYWORDS = "winlog.keywords",
    WINLOG_OPCODE = "winlog.opcode", WINLOG_LOGON_TYPE = "winlog.event_data.LogonType",
    AUDITD_TYPE = "auditd.message_type", AUDITD_RESULT = "auditd.result", AUDITD_SESSION = "auditd.session",
    AUDITD_SYSCALL = "auditd.data.syscall", AUDITD_KEY = "auditd.data.key", SYSLOG_FACILITY = "log.syslog.facility.name",
    SYSLOG_SEVERITY = "log.syslog.severity.name", SYSLOG_APPNAME = "log.syslog.appname", SYSLOG_PROCID = "log.syslog.procid",
    SYSLOG_PRIORITY = "log.syslog.priority", SYSLOG_MSGID = "log.syslog.msgid",
    SSH_METHOD = "system.auth.ssh.method", SSH_SIGNATURE = "system.auth.ssh.signature",
    PAM_MODULE = "system.auth.pam.module", PAM_SERVICE = "system.auth.pam.service", USER_LOGNAME = "system.auth.logname",
    USER_TARGET_HOME = "system.auth.useradd.home", USER_TARGET_SHELL = "system.auth.useradd.shell",
    SESSION_ID = "session.id", RULE_NAME = "rule.name",
    USER_AUDIT_ID = "user.audit.id", USER_AUDIT_NAME = "user.audit.name",
    SERVER_IP = "server.ip", SERVER_PORT = "server.port",
    AUDITD_INITIATED = "auditd.data.initiated", AUDITD_TYPED = "auditd.data.data",
    POWERSHELL_SCRIPT_BLOCK_TEXT = "powershell.file.script_block_text", PROCESS_PE_IMPHASH = "process.pe.imphash",
    FILE_PE_IMPHASH = "file.pe.imphash", DLL_PE_IMPHASH = "dll.pe.imphash", DLL_HASH_MD5 = "dll.hash.md5",
    DLL_HASH_SHA1 = "dll.hash.sha1", DLL_HASH_SHA256 = "dll.hash.sha256", WINLOG_LEVEL = "winlog.level",
    WINLOG_USER_NAME = "winlog.user.name", WINLOG_USER_DOMAIN = "winlog.user.domain",
    WINLOG_USER_ID = "winlog.user.identifier", WINLOG_USER_TYPE = "winlog.user.type",
    WINLOG_LOGON_TYPE_TEXT = "winlog.logon.type", WINLOG_LOGON_ID = "winlog.logon.id",
    WINLOG_PROCESS_PID = "winlog.process.pid",
    PROCESS_PE_FILE_VERSION = "process.pe.file_version",
    PROCESS_HASH_SHA512 = "process.hash.sha512", FILE_HASH_SHA512 = "file.hash.sha512", DLL_HASH_SHA512 = "dll.hash.sha512",
    DLL_SIGNER = "dll.code_signature.subject_name", DLL_SIGNATURE_STATUS = "dll.code_signature.status",
    REGISTRY_DATA_TYPE = "registry.data.type", USER_CHANGES_NAME = "user.changes.name", GROUP_DOMAIN = "group.domain",
    SERVICE_STATE = "service.state", DNS_QUESTION_TYPE = "dns.question.type", ERROR_CODE = "error.code",
    ERROR_MESSAGE = "error.message", RULE_ID = "rule.id", RULE_RULESET = "rule.ruleset",
    PACKAGE_NAME = "package.name", PACKAGE_VERSION = "package.version",
    POWERSHELL_ID = "powershell.id", POWERSHELL_ENGINE_VERSION = "powershell.engine.version",
    POWERSHELL_ENGINE_NEW_STATE = "powershell.engine.new_state",
    POWERSHELL_ENGINE_PREVIOUS_STATE = "powershell.engine.previous_state",
    POWERSHELL_PROVIDER_NAME = "powershell.provider.name", POWERSHELL_PROVIDER_STATE = "powershell.provider.new_state",
    POWERSHELL_RUNSPACE_ID = "powershell.runspace_id", POWERSHELL_PIPELINE_ID = "powershell.pipeline_id",
    POWERSHELL_HOST_VERSION = "powershell.process.executable_version",
    POWERSHELL_COMMAND_NAME = "powershell.command.name", POWERSHELL_COMMAND_TYPE = "powershell.command.type",
    POWERSHELL_COMMAND_PATH = "powershell.command.path", POWERSHELL_COMMAND_VALUE = "powershell.command.value",
    POWERSHELL_CONNECTED_USER = "powershell.connected_user.name",
    POWERSHELL_SEQUENCE = "powershell.sequence", POWERSHELL_TOTAL = "powershell.total",
    POWERSHELL_SCRIPT_BLOCK_ID = "powershell.file.script_block_id",
}

impl FieldId {
    /// The id of a name, known or new; `None` only when the process-wide table is full.
    pub fn intern(name: &str) -> Option<FieldId> {
        intern::seed(NAMES);
        intern::intern(name).map(FieldId)
    }

    /// The id of a name that some event or constant already used.
    pub fn lookup(name: &str) -> Option<FieldId> {
        intern::seed(NAMES);
        intern::lookup(name).map(FieldId)
    }

    /// The dotted name.
    pub fn name(self) -> &'static str {
        intern::seed(NAMES);
        intern::name(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_have_their_names_and_new_names_get_new_ids() {
        assert_eq!(HOST_NAME.name(), "host.name");
        assert_eq!(FieldId::intern("host.name"), Some(HOST_NAME));
        let fresh = FieldId::intern("some.new_field").unwrap();
        assert!(usize::from(fresh.0) >= NAMES.len());
        assert_eq!(FieldId::lookup("some.new_field"), Some(fresh));
    }
}
