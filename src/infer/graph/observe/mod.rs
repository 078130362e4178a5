//! What an event says: which nodes it names and what was done between them. By class of event, so that all sensors of a
//! platform tell the same story; what only one sensor knows stands in its file.

mod file;
mod linux;
mod network;
mod process;
mod registry;
mod script;
mod session;

use std::sync::LazyLock;

use crate::infer::graph::processes::{Named, Processes};
use crate::infer::graph::{Facts, Flag, NodeKind, Observation, hash};
use crate::infer::shape::account::Account;
use crate::infer::shape::memo::Memo;
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::platform::Platform;

macro_rules! fields {
    ($($name:ident = $text:literal,)*) => {
        /// Fields that have no constant.
        struct Fields { $($name: Option<FieldId>,)* }
        static FIELDS: LazyLock<Fields> = LazyLock::new(|| Fields { $($name: FieldId::intern($text),)* });
    };
}

fields! {
    access_mask = "winlog.event_data.AccessMask",
    auth_package = "winlog.event_data.AuthenticationPackageName",
    call_trace = "winlog.event_data.CallTrace",
    consumer = "winlog.event_data.Destination",
    elevated_token = "winlog.event_data.ElevatedToken",
    enabled_privileges = "winlog.event_data.EnabledPrivilegeList",
    granted_access = "winlog.event_data.GrantedAccess",
    image_path = "winlog.event_data.ImagePath",
    logon_id = "winlog.event_data.LogonId",
    mode = "auditd.data.a1",
    mode_at = "auditd.data.a2",
    object_name = "winlog.event_data.ObjectName",
    object_type = "winlog.event_data.ObjectType",
    payload = "winlog.event_data.Payload",
    privileges = "winlog.event_data.PrivilegeList",
    query = "winlog.event_data.Query",
    query_status = "winlog.event_data.QueryStatus",
    service_file = "winlog.event_data.ServiceFileName",
    share_name = "winlog.event_data.ShareName",
    signed = "winlog.event_data.Signed",
    socket_path = "auditd.data.socket_path",
    start_module = "winlog.event_data.StartModule",
    target_entity = "winlog.event_data.TargetProcessGUID",
    target_entity_too = "winlog.event_data.TargetProcessGuid",
    target_image = "winlog.event_data.TargetImage",
    target_pid = "winlog.event_data.TargetProcessId",
    task_content = "winlog.event_data.TaskContent",
    ticket_encryption = "winlog.event_data.TicketEncryptionType",
    token_elevation = "winlog.event_data.TokenElevationType",
}

/// What reading an event needs.
pub struct Context<'a> {
    /// The event.
    pub event: &'a Event,
    /// Windows or Linux.
    pub platform: Platform,
    /// Its time in milliseconds.
    pub at_ms: i64,
    /// The endpoint's processes.
    pub processes: &'a mut Processes,
    /// Shapes of paths.
    pub memo: &'a mut Memo,
    /// Where it goes.
    pub out: &'a mut Observation,
}

/// Read an event. Nothing observed: it does not belong into the graph.
pub fn observe(context: &mut Context<'_>) {
    context.out.clear();
    match context.event.class {
        Class::ProcessStart => process::start(context),
        Class::ProcessStop => process::stop(context),
        Class::ProcessAccess => process::access(context),
        Class::ProcessInjection => process::inject(context),
        Class::ImageLoad => file::load(context),
        Class::FileCreate | Class::FileModify | Class::FileDelete | Class::FileRename => {
            file::write(context);
        }
        Class::Pipe => file::pipe(context),
        Class::RegistrySet | Class::RegistryDelete => registry::set(context),
        Class::NetworkConnect => network::connect(context),
        Class::NetworkListen => network::listen(context),
        Class::Dns => network::resolve(context),
        Class::ScriptBlock => script::run(context),
        Class::Logon | Class::LogonFailure => session::logon(context),
        Class::PrivilegeUse => session::privilege(context),
        Class::AccountChange => session::act(context, Flag::ActAccount),
        Class::ServiceInstall => session::service(context),
        Class::TaskSchedule => session::task(context),
        Class::LogCleared => session::act(context, Flag::ActLogCleared),
        Class::SecretAccess => session::act(context, Flag::ActSecret),
        Class::Syscall => linux::syscall(context),
        Class::Other => match context.platform {
            Platform::Windows => session::other(context),
            Platform::Linux => linux::other(context),
        },
        Class::Logoff | Class::WebRequest | Class::K8sAudit | Class::AgentStep => {}
    }
}

impl<'a> Context<'a> {
    fn text(&self, field: FieldId) -> &'a str {
        self.event.str(field).unwrap_or_default()
    }

    fn data(&self, field: Option<FieldId>) -> &'a str {
        field.and_then(|field| self.event.str(field)).unwrap_or_default()
    }

    /// A number, decimal or `0x…`.
    fn number(&self, field: Option<FieldId>) -> Option<u64> {
        match field.and_then(|field| self.event.get(field))? {
            Value::Int(number) => u64::try_from(number).ok(),
            Value::Str(text) => match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        }
    }

    fn code(&self) -> u32 {
        self.number(Some(field::EVENT_CODE)).and_then(|code| u32::try_from(code).ok()).unwrap_or(0)
    }

    fn pid(&self, field: FieldId) -> u32 {
        self.number(Some(field)).and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
    }

    fn failed(&self) -> bool {
        self.text(field::EVENT_OUTCOME) == "failure"
    }

    /// Ids that a sensor gave. Security's process starts have one that was made here from number and time, which another
    /// sensor's sight of the same process has not.
    fn entity(&self, field: FieldId) -> &'a str {
        let made_here = self.text(field::WINLOG_CHANNEL) == "Security";
        if made_here { "" } else { self.text(field) }
    }

    /// The process that the event is about, as a node.
    fn subject(&mut self) -> Option<usize> {
        let mut pid = self.pid(field::PROCESS_PID);
        let image = match self.text(field::PROCESS_EXECUTABLE) {
            "" => self.text(field::PROCESS_NAME),
            path => path,
        };
        if pid == 0 && self.event.class == Class::ScriptBlock {
            // PowerShell writes its records itself.
            pid = self.pid(field::WINLOG_PROCESS_PID);
        }
        let entity = self.entity(field::PROCESS_ENTITY_ID);
        let named = Named { entity, pid, image, at_ms: self.at_ms, start: false };
        self.process(named).map(|(node, _)| node)
    }

    /// A process as a node, with its key.
    fn process(&mut self, named: Named<'_>) -> Option<(usize, u64)> {
        let shape = self.memo.path(self.platform, named.image).shape;
        let known = self.processes.see(named, &shape)?;
        let (key, facts) = (known.key, known.facts.clone());
        Some((self.out.node(NodeKind::Process, key, facts), key))
    }

    /// How the login session of the event was entered; `entered` is noted.
    fn session(&mut self, entered: Option<Flag>) -> Option<Flag> {
        let id = match self.text(field::WINLOG_LOGON_ID) {
            "" => self.data(FIELDS.logon_id),
            id => id,
        };
        let id = match self.platform {
            Platform::Windows => id,
            Platform::Linux => self.text(field::AUDITD_SESSION),
        };
        self.processes.session(id, entered, self.at_ms)
    }

    /// The account that the event names as its user, if it names one.
    fn account(&self) -> Account<'a> {
        Account {
            id: self.text(field::USER_ID),
            name: self.text(field::USER_NAME),
            domain: self.text(field::USER_DOMAIN),
        }
    }

    fn user(&mut self, account: Account<'_>) -> Option<usize> {
        if account.is_empty() {
            return None;
        }
        Some(self.out.node(NodeKind::User, account.key(), account.facts()))
    }

    /// A file as a node.
    fn file(&mut self, path: &str, more: impl FnOnce(&mut Facts)) -> usize {
        let known = self.memo.path(self.platform, path);
        let mut facts = known.shape.facts;
        more(&mut facts);
        self.out.node(NodeKind::File, known.key, facts)
    }

    /// An act without an object: one node for each kind of act.
    fn act_node(&mut self, act: Flag, mut facts: Facts) -> usize {
        facts.set(act);
        facts.label = hash(&[b"act", &[act as u8]]);
        let key = hash(&[b"a", &[act as u8], &facts.shape.to_le_bytes()]);
        self.out.node(NodeKind::Syscall, key, facts)
    }
}
