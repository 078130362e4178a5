//! What is observed of a node or an edge: yes-or-no facts as bits and a few amounts as bytes. Facts of two sights are
//! joined by "or" and "larger", so the order in which events come changes nothing.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $($kind:ident = $word:literal, $doc:literal;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $doc] $kind,)* }

        impl $name {
            /// Each with its column's name and what it means.
            pub const ALL: &'static [($name, &'static str, &'static str)] =
                &[$(($name::$kind, $word, $doc),)*];
        }
    };
}

words! {
    /// A yes-or-no fact of a node. Each is one column of the features.
    Flag:
    PathSystem = "path_system", "In the operating system's program folders.";
    PathSystemOther = "path_system_other", "Elsewhere in the operating system's own folders.";
    PathProgram = "path_program", "In a folder for installed programs.";
    PathData = "path_data", "In a folder for data of programs that all users share.";
    PathProfile = "path_profile", "In the home or profile of an account.";
    PathTemp = "path_temp", "In a folder for temporary files.";
    PathUserWritable = "path_user_writable", "Where an ordinary account may write.";
    PathShare = "path_share", "On a network share.";
    PathRoot = "path_root", "At the root of a drive, or in a folder there that no system makes.";
    PathDevice = "path_device", "A device or kernel file.";
    PathConfig = "path_config", "In a folder for the system's settings.";
    PathLog = "path_log", "In a folder for logs.";
    PathAutostart = "path_autostart", "In a folder whose content is started by itself.";
    PathHidden = "path_hidden", "Below a hidden folder, or hidden itself.";
    PathSecret = "path_secret", "In a folder where the system or an account keeps secrets.";
    PathPipe = "path_pipe", "A named pipe or local socket.";
    PathNone = "path_none", "A bare name, or nothing known of the place.";
    ExtProgram = "ext_program", "The name ends like a program.";
    ExtLibrary = "ext_library", "The name ends like a library or driver.";
    ExtScript = "ext_script", "The name ends like a script.";
    ExtDocument = "ext_document", "The name ends like a document.";
    ExtArchive = "ext_archive", "The name ends like an archive or image.";
    ExtOther = "ext_other", "The name has another ending.";
    ExtDouble = "ext_double", "The name has two endings and the last is a program's, library's or script's.";
    Signed = "signed", "A valid signature was seen.";
    SignatureBad = "signature_bad", "No signature, or one that does not hold.";
    PublisherMissing = "publisher_missing", "The program names no publisher although the sensor looks for one.";
    NameDiffers = "name_differs", "The program has another name than the one it was built with.";
    IntegrityLow = "integrity_low", "Integrity level low or untrusted.";
    IntegrityMedium = "integrity_medium", "Integrity level medium.";
    IntegrityHigh = "integrity_high", "Integrity level high.";
    IntegritySystem = "integrity_system", "Integrity level system.";
    Elevated = "elevated", "A full, elevated token; on Linux an effective account that is root while the login account is not.";
    AccountSystem = "account_system", "The operating system itself, or root.";
    AccountService = "account_service", "A service account.";
    AccountMachine = "account_machine", "The account of a machine.";
    AccountAdmin = "account_admin", "The built-in administrator.";
    AccountUser = "account_user", "An ordinary account.";
    AccountAnonymous = "account_anonymous", "Nobody, or the anonymous account.";
    TextUrl = "text_url", "The text holds a URL.";
    TextAddress = "text_address", "The text holds a literal network address.";
    TextShare = "text_share", "The text holds a path on a network share.";
    TextChain = "text_chain", "The text chains commands.";
    TextRedirect = "text_redirect", "The text redirects output or input.";
    TextEncoded = "text_encoded", "The text holds a long run that looks encoded.";
    TextVariable = "text_variable", "The text holds variables.";
    TextNestedQuotes = "text_nested_quotes", "The text holds both kinds of quotes.";
    TextUserWritable = "text_user_writable", "The text names a place where an ordinary account may write.";
    TextMissing = "text_missing", "A process started and its command line is not known.";
    StartedHere = "started_here", "Its start lies in the window.";
    EndedHere = "ended_here", "Its end lies in the window.";
    ParentUnknown = "parent_unknown", "Its start was seen, its parent's was not.";
    ParentOtherAccount = "parent_other_account", "Its parent runs for another account.";
    ParentUserWritable = "parent_user_writable", "Its parent lies where an ordinary account may write.";
    ParentRaised = "parent_raised", "It has a higher integrity level than its parent, or another login session.";
    AncestorEncoded = "ancestor_encoded", "An ancestor's command line looks encoded.";
    AncestorUserWritable = "ancestor_user_writable", "An ancestor lies where an ordinary account may write.";
    SessionNetwork = "session_network", "Its login session was entered over the network.";
    SessionRemote = "session_remote", "Its login session is of a remote desktop or shell.";
    SessionOther = "session_other", "Its login session uses other credentials, or was begun by a service or task.";
    SelfParent = "self_parent", "It claims to be its own parent.";
    AddressLoopback = "address_loopback", "The machine itself.";
    AddressPrivate = "address_private", "A private address.";
    AddressPublic = "address_public", "A public address.";
    AddressLink = "address_link", "A link-local address.";
    AddressMulticast = "address_multicast", "Multicast or broadcast.";
    AddressNone = "address_none", "No or any address.";
    PortWeb = "port_web", "A port of the web.";
    PortAdmin = "port_admin", "A port of remote administration.";
    PortFile = "port_file", "A port of file sharing.";
    PortRpc = "port_rpc", "The port of the RPC mapper.";
    PortDirectory = "port_directory", "A port of directories or Kerberos.";
    PortName = "port_name", "A port of name or time services.";
    PortDatabase = "port_database", "A port of databases and queues.";
    PortLow = "port_low", "Another port below 1024.";
    PortHigh = "port_high", "A port from 32768 on.";
    PortOther = "port_other", "Another port.";
    Inbound = "inbound", "Others connected to it here.";
    Outbound = "outbound", "Connected to from here.";
    Listening = "listening", "A socket listens here.";
    DnsName = "dns_name", "A name that was resolved.";
    DnsFailed = "dns_failed", "The name was not found.";
    LogonInteractive = "logon_interactive", "Logged on at the console.";
    LogonNetwork = "logon_network", "Logged on over the network.";
    LogonService = "logon_service", "Logged on as a service or for a task.";
    LogonRemote = "logon_remote", "Logged on to a remote desktop or shell.";
    LogonNewCredentials = "logon_new_credentials", "Logged on with other credentials than the session's.";
    LogonFailed = "logon_failed", "A log-in failed.";
    LogonNtlm = "logon_ntlm", "Logged on by challenge and response rather than a ticket.";
    WeakCrypto = "weak_crypto", "A ticket was asked for with old encryption.";
    RegAutostart = "reg_autostart", "A key whose values are started by themselves.";
    RegService = "reg_service", "A key of services and drivers.";
    RegPolicy = "reg_policy", "A key of policies.";
    RegSecurity = "reg_security", "A key of accounts, secrets and authentication.";
    RegClass = "reg_class", "A key of classes and file types.";
    RegHijack = "reg_hijack", "A key that puts one program in the place of another.";
    RegLogging = "reg_logging", "A key of logs and tracing.";
    RegNetwork = "reg_network", "A key of network settings.";
    RegShell = "reg_shell", "A key of the desktop and what was opened last.";
    RegTrust = "reg_trust", "A key of certificates and trust.";
    RegOther = "reg_other", "Another key.";
    RegUserHive = "reg_user_hive", "In an account's hive.";
    RegData = "reg_data_command", "A value was set that holds a path or command.";
    ActPrivilege = "act_privilege", "Rights were used or given.";
    ActSensitive = "act_sensitive", "Rights were used that lead to all others.";
    ActAccount = "act_account", "An account or group was changed.";
    ActListing = "act_listing", "Accounts or groups were listed.";
    ActService = "act_service", "A service was installed or changed.";
    ActTask = "act_task", "A task was made or changed.";
    ActLogCleared = "act_log_cleared", "A log was cleared or stopped.";
    ActPolicy = "act_policy", "A policy of auditing or the firewall was changed.";
    ActWmi = "act_wmi", "Management instrumentation was used.";
    ActDirectory = "act_directory", "Objects of the directory were used.";
    ActSecret = "act_secret", "Stored secrets were read.";
    ActIdentity = "act_identity", "A process changed its identity.";
    ActSignal = "act_signal", "A process was signalled.";
    ActKernel = "act_kernel", "Kernel modules, mounts or tracing.";
    ActFork = "act_fork", "A process was forked.";
    ActOther = "act_other", "Another act.";
    ScriptBlock = "script_block", "A whole script text.";
    ScriptCommand = "script_command", "One command of a pipeline.";
    ScriptEngine = "script_engine", "An engine that started or stopped.";
}

words! {
    /// An amount of a node: the largest seen. Each is one column of the features.
    Slot:
    PathDepth = "path_depth", "How deep the path is.";
    NameLength = "name_length", "How long the base name is.";
    NameDigits = "name_digits", "Which share of the base name is digits.";
    NameChanges = "name_changes", "How often letters and digits, or upper and lower case, change in the base name.";
    TextLength = "text_length", "How long the text is.";
    TextWords = "text_words", "How many words it has.";
    TextSwitches = "text_switches", "How many of them are switches.";
    TextPaths = "text_paths", "How many of them are paths.";
    TextLongestWord = "text_longest_word", "How long the longest word is.";
    TextEncodedRun = "text_encoded_run", "How long the longest run is that looks encoded.";
    TextDigits = "text_digits", "Which share of the text is digits.";
    TextUpper = "text_upper", "Which share of its letters is upper case.";
    TextSpecial = "text_special", "Which share of the text is neither letters, digits nor blanks.";
    TextEntropy = "text_entropy", "Entropy of pairs of character classes: encoded and obfuscated text is high.";
    TextLines = "text_lines", "How many lines it has.";
    DnsLabels = "dns_labels", "How many labels the resolved name has.";
    TraceModules = "trace_modules", "How many modules the call trace of an access has.";
    Privileges = "privileges", "How many rights were given or used at once.";
}

words! {
    /// A yes-or-no fact of an edge. Each is one column of the features.
    EdgeFlag:
    Failed = "failed", "It failed or was refused.";
    Deleted = "deleted", "Something was deleted.";
    Renamed = "renamed", "Something was renamed or linked.";
    Attributes = "attributes", "Rights, owner or times were changed.";
    AccessQuery = "access_query", "Only harmless rights were asked for.";
    AccessRead = "access_read", "Memory may be read.";
    AccessWrite = "access_write", "Memory or content may be written.";
    AccessThread = "access_thread", "Threads may be made.";
    AccessAll = "access_all", "All rights at once.";
    AccessDuplicate = "access_duplicate", "Handles may be taken over.";
    TraceUnknown = "trace_unknown", "Called from memory that belongs to no module.";
    TraceForeign = "trace_foreign", "Called through a module that is not the system's.";
    RemoteThread = "remote_thread", "A thread was started in another process.";
    Inbound = "inbound", "From outside to here.";
    AdminShare = "admin_share", "By an administrative share.";
    Unsigned = "unsigned", "What was loaded has no valid signature.";
    Explicit = "explicit", "With credentials given on the spot.";
    Elevated = "elevated", "With all rights of the account.";
    Encoded = "encoded", "With a text that looks encoded.";
    Extended = "extended", "With extended rights of the directory.";
    UserWritable = "user_writable", "What it was done to lies where an ordinary account may write.";
}

/// How many amounts a node has.
pub const SLOTS: usize = Slot::ALL.len();

/// What was observed of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// [`Flag`]s, by bit.
    pub flags: u128,
    /// [`Slot`]s, as codes.
    pub slots: [u8; SLOTS],
    /// What makes it alike elsewhere; of several the smallest that is not 0. 0: nothing known.
    pub label: u64,
    /// The shape of its text, to count how rare it is. 0: no text.
    pub shape: u64,
}

impl Facts {
    /// Note a fact.
    pub fn set(&mut self, flag: Flag) {
        self.flags |= 1 << flag as u8;
    }

    /// Note it if it is so.
    pub fn set_if(&mut self, truth: bool, flag: Flag) {
        if truth {
            self.set(flag);
        }
    }

    /// Is it so?
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & (1 << flag as u8) != 0
    }

    /// Note an amount on a logarithmic scale.
    pub fn amount(&mut self, slot: Slot, amount: usize) {
        self.put(slot, log_code(amount as f32));
    }

    /// Note a share between 0 and 1.
    pub fn share(&mut self, slot: Slot, share: f32) {
        self.put(slot, share_code(share));
    }

    fn put(&mut self, slot: Slot, code: u8) {
        if let Some(known) = self.slots.get_mut(slot as usize) {
            *known = (*known).max(code);
        }
    }

    /// What another sight of the same node adds.
    pub fn join(&mut self, other: &Facts) {
        self.flags |= other.flags;
        for (known, new) in self.slots.iter_mut().zip(&other.slots) {
            *known = (*known).max(*new);
        }
        self.label = smaller(self.label, other.label);
        self.shape = smaller(self.shape, other.shape);
    }
}

/// The smaller of two that are known (not 0).
fn smaller(left: u64, right: u64) -> u64 {
    if left == 0 || (right != 0 && right < left) { right } else { left }
}

/// An amount as a byte: a sixteenth of a doubling, up to 65,535.
pub fn log_code(amount: f32) -> u8 {
    let code = (amount.max(0.0) + 1.0).log2() * 15.9;
    if code.is_finite() { code.round().clamp(0.0, 255.0) as u8 } else { 255 }
}

/// A share as a byte.
pub fn share_code(share: f32) -> u8 {
    if share.is_finite() { (share * 255.0).round().clamp(0.0, 255.0) as u8 } else { 0 }
}
