//! The closed set of event classes: they drive rule routing and, later, the graph.

use std::fmt;

macro_rules! classes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// What kind of thing happened, for routing. Decided by the decoder, never by a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum Class {
            $($(#[doc = $doc])* $name,)*
            /// Nothing above.
            #[default]
            Other,
        }

        impl Class {
            /// Every class.
            pub const ALL: &'static [Class] = &[$(Class::$name,)* Class::Other];

            /// The class's word, as stored and filtered by.
            pub fn as_str(self) -> &'static str {
                match self { $(Class::$name => $text,)* Class::Other => "other" }
            }

            /// Read the word.
            pub fn parse(text: &str) -> Option<Class> {
                match text { $($text => Some(Class::$name),)* "other" => Some(Class::Other), _ => None }
            }
        }
    };
}

classes! {
    /// A process started.
    ProcessStart = "process_start",
    /// A process ended.
    ProcessStop = "process_stop",
    /// A library or driver was loaded.
    ImageLoad = "image_load",
    /// Script text was run.
    ScriptBlock = "script_block",
    /// A file came to be.
    FileCreate = "file_create",
    /// A file's content or attributes changed.
    FileModify = "file_modify",
    /// A file went away.
    FileDelete = "file_delete",
    /// A file was renamed.
    FileRename = "file_rename",
    /// A registry key or value was set.
    RegistrySet = "registry_set",
    /// A registry key or value was deleted.
    RegistryDelete = "registry_delete",
    /// A connection was made or tried.
    NetworkConnect = "network_connect",
    /// A socket listens.
    NetworkListen = "network_listen",
    /// A name was resolved.
    Dns = "dns",
    /// One process opened another.
    ProcessAccess = "process_access",
    /// One process put code into another.
    ProcessInjection = "process_injection",
    /// Somebody logged on.
    Logon = "logon",
    /// Somebody failed to log on.
    LogonFailure = "logon_failure",
    /// A session ended.
    Logoff = "logoff",
    /// Rights were used: sudo, special privileges.
    PrivilegeUse = "privilege_use",
    /// An account or group changed.
    AccountChange = "account_change",
    /// A service was installed.
    ServiceInstall = "service_install",
    /// A task or cron job was made or run.
    TaskSchedule = "task_schedule",
    /// An audit log was cleared or stopped.
    LogCleared = "log_cleared",
    /// A named pipe was made or used.
    Pipe = "pipe",
    /// A system call that is nothing of the above.
    Syscall = "syscall",
    /// A web request.
    WebRequest = "web_request",
    /// A secret was read or written.
    SecretAccess = "secret_access",
    /// A Kubernetes audit event.
    K8sAudit = "k8s_audit",
    /// A step of an AI agent.
    AgentStep = "agent_step",
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
