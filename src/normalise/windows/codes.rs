//! What the numbers in Windows events mean: logon types, status codes, ticket encryption, rights, parameter messages (`%%2313`),
//! well-known security identifiers. Pure tables; English, short, in our words where Windows is wordy.

/// What a logon type says.
pub fn logon_type(number: i64) -> Option<&'static str> {
    Some(match number {
        0 => "System",
        2 => "Interactive",
        3 => "Network",
        4 => "Batch",
        5 => "Service",
        7 => "Unlock",
        8 => "NetworkCleartext",
        9 => "NewCredentials",
        10 => "RemoteInteractive",
        11 => "CachedInteractive",
        12 => "CachedRemoteInteractive",
        13 => "CachedUnlock",
        _ => return None,
    })
}

/// Why a logon failed, by NTSTATUS.
pub fn nt_status(code: u32) -> Option<&'static str> {
    Some(match code {
        0xc000_0022 => "access denied",
        0xc000_005e => "no logon server available",
        0xc000_0064 => "unknown user",
        0xc000_006a => "wrong password",
        0xc000_006c => "password does not meet the policy",
        0xc000_006d => "unknown user or wrong password",
        0xc000_006e => "account restriction",
        0xc000_006f => "outside the permitted hours",
        0xc000_0070 => "workstation not permitted",
        0xc000_0071 => "password expired",
        0xc000_0072 => "account disabled",
        0xc000_009a => "out of resources",
        0xc000_00dc => "security server in the wrong state",
        0xc000_0133 => "clocks differ too much",
        0xc000_015b => "logon type not granted",
        0xc000_018c => "trust between the domains failed",
        0xc000_018d => "trust with the workstation failed",
        0xc000_0190 => "trust failed",
        0xc000_0192 => "logon service not started",
        0xc000_0193 => "account expired",
        0xc000_0199 => "domain trust account used",
        0xc000_019a => "server trust account used",
        0xc000_0224 => "password must be changed",
        0xc000_0234 => "account locked out",
        0xc000_02ee => "error during logon",
        0xc000_0371 => "no usable credentials",
        0xc000_0413 => "refused by the authentication firewall",
        0xc000_0418 => "NTLM is blocked",
        _ => return None,
    })
}

/// Why a ticket was refused, by Kerberos error code.
pub fn kerberos(code: u32) -> Option<&'static str> {
    Some(match code {
        0x01 => "client's entry expired",
        0x02 => "server's entry expired",
        0x03 => "protocol version not supported",
        0x04 => "client's key is of an old master key",
        0x05 => "server's key is of an old master key",
        0x06 => "unknown user",
        0x07 => "unknown service",
        0x08 => "several entries for the principal",
        0x09 => "no key",
        0x0a => "ticket cannot be postdated",
        0x0b => "start time is later than end time",
        0x0c => "refused by policy",
        0x0d => "requested option not supported",
        0x0e => "encryption type not supported",
        0x0f => "checksum type not supported",
        0x10 => "pre-authentication type not supported",
        0x11 => "transited type not supported",
        0x12 => "account disabled, expired or locked out",
        0x13 => "service's credentials revoked",
        0x14 => "ticket-granting ticket revoked",
        0x15 => "client not yet valid",
        0x16 => "server not yet valid",
        0x17 => "password expired",
        0x18 => "wrong password",
        0x19 => "pre-authentication required",
        0x1a => "ticket is for another server",
        0x1b => "service accepts user-to-user tickets only",
        0x1c => "path not accepted",
        0x1d => "service not available",
        0x1f => "integrity check failed",
        0x20 => "ticket expired",
        0x21 => "ticket not yet valid",
        0x22 => "request is a replay",
        0x23 => "ticket is for another service",
        0x24 => "ticket and authenticator differ",
        0x25 => "clocks differ too much",
        0x26 => "wrong network address",
        0x27 => "protocol version mismatch",
        0x28 => "wrong message type",
        0x29 => "message was changed",
        0x2a => "message out of order",
        0x2c => "key version not available",
        0x2d => "service's key not available",
        0x2e => "mutual authentication failed",
        0x2f => "wrong message direction",
        0x30 => "other authentication method required",
        0x31 => "wrong sequence number",
        0x32 => "wrong kind of checksum",
        0x34 => "response too large for UDP",
        0x3c => "other error",
        0x3d => "field too long",
        0x3e => "client's certificate not trusted",
        0x3f => "key distribution centre's certificate not trusted",
        0x40 => "wrong signature",
        0x41 => "key too weak",
        0x42 => "certificate mismatch",
        0x43 => "no ticket-granting ticket",
        0x44 => "wrong realm",
        0x45 => "user-to-user required",
        0x46 => "certificate cannot be checked",
        0x47 => "certificate not valid",
        0x48 => "certificate revoked",
        0x49 | 0x4a => "revocation status not available",
        0x4b => "certificate is of another user",
        0x4c => "key distribution centre's name mismatch",
        _ => return None,
    })
}

/// How a ticket is encrypted.
pub fn ticket_encryption(code: u32) -> Option<&'static str> {
    Some(match code {
        0x01 => "DES-CBC-CRC",
        0x03 => "DES-CBC-MD5",
        0x11 => "AES128-CTS-HMAC-SHA1-96",
        0x12 => "AES256-CTS-HMAC-SHA1-96",
        0x13 => "AES128-CTS-HMAC-SHA256-128",
        0x14 => "AES256-CTS-HMAC-SHA384-192",
        0x17 => "RC4-HMAC",
        0x18 => "RC4-HMAC-EXP",
        0xffff_ffff => "none",
        _ => return None,
    })
}

/// How a ticket's client proved who it is, before the ticket.
pub fn pre_authentication(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "none",
        2 => "password",
        11 => "encryption type information",
        15..=17 => "smart card",
        138 => "armoured password",
        _ => return None,
    })
}

/// Parameter messages that stand for a reason.
pub fn failure_reason(message: u32) -> Option<&'static str> {
    Some(match message {
        2304 => "error during logon",
        2305 => "account expired",
        2306 => "logon service not active",
        2307 => "account locked out",
        2308 => "logon type not granted",
        2309 => "password expired",
        2310 => "account disabled",
        2311 => "outside the permitted hours",
        2312 => "workstation not permitted",
        2313 => "unknown user or wrong password",
        _ => return None,
    })
}

/// Parameter messages that name the type of a registry value.
pub fn registry_type(message: u32) -> Option<&'static str> {
    Some(match message {
        1872 => "REG_NONE",
        1873 => "REG_SZ",
        1874 => "REG_EXPAND_SZ",
        1875 => "REG_BINARY",
        1876 => "REG_DWORD",
        1877 => "REG_DWORD_BIG_ENDIAN",
        1878 => "REG_LINK",
        1879 => "REG_MULTI_SZ",
        1880 => "REG_RESOURCE_LIST",
        1881 => "REG_FULL_RESOURCE_DESCRIPTOR",
        1882 => "REG_RESOURCE_REQUIREMENTS_LIST",
        1883 => "REG_QWORD",
        _ => return None,
    })
}

/// Parameter messages that say how much a new process may do.
pub fn elevation(message: u32) -> Option<&'static str> {
    Some(match message {
        1936 => "full",
        1937 => "elevated",
        1938 => "limited",
        _ => return None,
    })
}

/// Rights by bit, lowest first.
pub type Rights = &'static [(u32, &'static str)];

/// Rights that every kind of object has.
pub const STANDARD_RIGHTS: Rights = &[
    (0x0001_0000, "DELETE"),
    (0x0002_0000, "READ_CONTROL"),
    (0x0004_0000, "WRITE_DAC"),
    (0x0008_0000, "WRITE_OWNER"),
    (0x0010_0000, "SYNCHRONIZE"),
    (0x0100_0000, "ACCESS_SYSTEM_SECURITY"),
    (0x0200_0000, "MAXIMUM_ALLOWED"),
    (0x1000_0000, "GENERIC_ALL"),
    (0x2000_0000, "GENERIC_EXECUTE"),
    (0x4000_0000, "GENERIC_WRITE"),
    (0x8000_0000, "GENERIC_READ"),
];
/// The right to write to a file.
pub const FILE_WRITE_DATA: u32 = 0x2;
/// The right to append to a file.
pub const FILE_APPEND_DATA: u32 = 0x4;
/// The right to delete any object.
pub const DELETE: u32 = 0x0001_0000;
const FILE_RIGHTS: Rights = &[
    (0x1, "FILE_READ_DATA"),
    (FILE_WRITE_DATA, "FILE_WRITE_DATA"),
    (FILE_APPEND_DATA, "FILE_APPEND_DATA"),
    (0x8, "FILE_READ_EA"),
    (0x10, "FILE_WRITE_EA"),
    (0x20, "FILE_EXECUTE"),
    (0x40, "FILE_DELETE_CHILD"),
    (0x80, "FILE_READ_ATTRIBUTES"),
    (0x100, "FILE_WRITE_ATTRIBUTES"),
];
const KEY_RIGHTS: Rights = &[
    (0x1, "KEY_QUERY_VALUE"),
    (0x2, "KEY_SET_VALUE"),
    (0x4, "KEY_CREATE_SUB_KEY"),
    (0x8, "KEY_ENUMERATE_SUB_KEYS"),
    (0x10, "KEY_NOTIFY"),
    (0x20, "KEY_CREATE_LINK"),
    (0x100, "KEY_WOW64_64KEY"),
    (0x200, "KEY_WOW64_32KEY"),
];
/// Rights on a process.
pub const PROCESS_RIGHTS: Rights = &[
    (0x1, "PROCESS_TERMINATE"),
    (0x2, "PROCESS_CREATE_THREAD"),
    (0x4, "PROCESS_SET_SESSIONID"),
    (0x8, "PROCESS_VM_OPERATION"),
    (0x10, "PROCESS_VM_READ"),
    (0x20, "PROCESS_VM_WRITE"),
    (0x40, "PROCESS_DUP_HANDLE"),
    (0x80, "PROCESS_CREATE_PROCESS"),
    (0x100, "PROCESS_SET_QUOTA"),
    (0x200, "PROCESS_SET_INFORMATION"),
    (0x400, "PROCESS_QUERY_INFORMATION"),
    (0x800, "PROCESS_SUSPEND_RESUME"),
    (0x1000, "PROCESS_QUERY_LIMITED_INFORMATION"),
    (0x2000, "PROCESS_SET_LIMITED_INFORMATION"),
];
/// Every right on a process, in the masks of old and new Windows.
pub const PROCESS_ALL_ACCESS: [u32; 2] = [0x001f_0fff, 0x001f_ffff];
const DIRECTORY_RIGHTS: Rights = &[
    (0x1, "ADS_CREATE_CHILD"),
    (0x2, "ADS_DELETE_CHILD"),
    (0x4, "ADS_LIST"),
    (0x8, "ADS_SELF"),
    (0x10, "ADS_READ_PROPERTY"),
    (0x20, "ADS_WRITE_PROPERTY"),
    (0x40, "ADS_DELETE_TREE"),
    (0x80, "ADS_LIST_OBJECT"),
    (0x100, "ADS_CONTROL_ACCESS"),
];
const SERVICE_RIGHTS: Rights = &[
    (0x1, "SERVICE_QUERY_CONFIG"),
    (0x2, "SERVICE_CHANGE_CONFIG"),
    (0x4, "SERVICE_QUERY_STATUS"),
    (0x8, "SERVICE_ENUMERATE_DEPENDENTS"),
    (0x10, "SERVICE_START"),
    (0x20, "SERVICE_STOP"),
    (0x40, "SERVICE_PAUSE_CONTINUE"),
    (0x80, "SERVICE_INTERROGATE"),
    (0x100, "SERVICE_USER_DEFINED_CONTROL"),
];
const MANAGER_RIGHTS: Rights = &[
    (0x1, "SC_MANAGER_CONNECT"),
    (0x2, "SC_MANAGER_CREATE_SERVICE"),
    (0x4, "SC_MANAGER_ENUMERATE_SERVICE"),
    (0x8, "SC_MANAGER_LOCK"),
    (0x10, "SC_MANAGER_QUERY_LOCK_STATUS"),
    (0x20, "SC_MANAGER_MODIFY_BOOT_CONFIG"),
];

const ACCOUNT_RIGHTS: Rights = &[
    (0x1, "USER_READ_GENERAL"),
    (0x2, "USER_READ_PREFERENCES"),
    (0x4, "USER_WRITE_PREFERENCES"),
    (0x8, "USER_READ_LOGON"),
    (0x10, "USER_READ_ACCOUNT"),
    (0x20, "USER_WRITE_ACCOUNT"),
    (0x40, "USER_CHANGE_PASSWORD"),
    (0x80, "USER_FORCE_PASSWORD_CHANGE"),
    (0x100, "USER_LIST_GROUPS"),
    (0x200, "USER_READ_GROUP_INFORMATION"),
    (0x400, "USER_WRITE_GROUP_INFORMATION"),
];
const GROUP_RIGHTS: Rights = &[
    (0x1, "GROUP_READ_INFORMATION"),
    (0x2, "GROUP_WRITE_ACCOUNT"),
    (0x4, "GROUP_ADD_MEMBER"),
    (0x8, "GROUP_REMOVE_MEMBER"),
    (0x10, "GROUP_LIST_MEMBERS"),
];
const ALIAS_RIGHTS: Rights = &[
    (0x1, "ALIAS_ADD_MEMBER"),
    (0x2, "ALIAS_REMOVE_MEMBER"),
    (0x4, "ALIAS_LIST_MEMBERS"),
    (0x8, "ALIAS_READ_INFORMATION"),
    (0x10, "ALIAS_WRITE_ACCOUNT"),
];
const DOMAIN_RIGHTS: Rights = &[
    (0x1, "DOMAIN_READ_PASSWORD_PARAMETERS"),
    (0x2, "DOMAIN_WRITE_PASSWORD_PARAMS"),
    (0x4, "DOMAIN_READ_OTHER_PARAMETERS"),
    (0x8, "DOMAIN_WRITE_OTHER_PARAMETERS"),
    (0x10, "DOMAIN_CREATE_USER"),
    (0x20, "DOMAIN_CREATE_GROUP"),
    (0x40, "DOMAIN_CREATE_ALIAS"),
    (0x80, "DOMAIN_GET_ALIAS_MEMBERSHIP"),
    (0x100, "DOMAIN_LIST_ACCOUNTS"),
    (0x200, "DOMAIN_LOOKUP"),
    (0x400, "DOMAIN_ADMINISTER_SERVER"),
];
const SAM_SERVER_RIGHTS: Rights = &[
    (0x1, "SAM_SERVER_CONNECT"),
    (0x2, "SAM_SERVER_SHUTDOWN"),
    (0x4, "SAM_SERVER_INITIALIZE"),
    (0x8, "SAM_SERVER_CREATE_DOMAIN"),
    (0x10, "SAM_SERVER_ENUMERATE_DOMAINS"),
    (0x20, "SAM_SERVER_LOOKUP_DOMAIN"),
];

/// The rights that a kind of object has besides [`STANDARD_RIGHTS`].
pub fn rights_of(object_type: &str, server: &str) -> Rights {
    match object_type {
        "File" | "SymbolicLink" => FILE_RIGHTS,
        "Key" => KEY_RIGHTS,
        "Process" => PROCESS_RIGHTS,
        "SERVICE OBJECT" => SERVICE_RIGHTS,
        "SC_MANAGER OBJECT" => MANAGER_RIGHTS,
        "SAM_USER" => ACCOUNT_RIGHTS,
        "SAM_GROUP" => GROUP_RIGHTS,
        "SAM_ALIAS" => ALIAS_RIGHTS,
        "SAM_DOMAIN" => DOMAIN_RIGHTS,
        "SAM_SERVER" => SAM_SERVER_RIGHTS,
        _ if server == "DS" => DIRECTORY_RIGHTS,
        _ => &[],
    }
}

/// The domain and the name behind a security identifier that is the same everywhere.
pub fn well_known(sid: &str) -> Option<(&'static str, &'static str)> {
    const AUTHORITY: &str = "NT AUTHORITY";
    const BUILTIN: &str = "BUILTIN";
    if let Some(alias) = sid.strip_prefix("S-1-5-32-") {
        return alias_of(alias).map(|name| (BUILTIN, name));
    }
    Some(match sid {
        "S-1-1-0" => ("", "Everyone"),
        "S-1-2-0" => ("", "LOCAL"),
        "S-1-3-0" => ("", "CREATOR OWNER"),
        "S-1-5-2" => (AUTHORITY, "NETWORK"),
        "S-1-5-3" => (AUTHORITY, "BATCH"),
        "S-1-5-4" => (AUTHORITY, "INTERACTIVE"),
        "S-1-5-6" => (AUTHORITY, "SERVICE"),
        "S-1-5-7" => (AUTHORITY, "ANONYMOUS LOGON"),
        "S-1-5-9" => (AUTHORITY, "ENTERPRISE DOMAIN CONTROLLERS"),
        "S-1-5-10" => (AUTHORITY, "SELF"),
        "S-1-5-11" => (AUTHORITY, "Authenticated Users"),
        "S-1-5-12" => (AUTHORITY, "RESTRICTED"),
        "S-1-5-13" => (AUTHORITY, "TERMINAL SERVER USER"),
        "S-1-5-14" => (AUTHORITY, "REMOTE INTERACTIVE LOGON"),
        "S-1-5-15" => (AUTHORITY, "This Organization"),
        "S-1-5-17" => (AUTHORITY, "IUSR"),
        "S-1-5-18" => (AUTHORITY, "SYSTEM"),
        "S-1-5-19" => (AUTHORITY, "LOCAL SERVICE"),
        "S-1-5-20" => (AUTHORITY, "NETWORK SERVICE"),
        _ => return None,
    })
}

fn alias_of(alias: &str) -> Option<&'static str> {
    Some(match alias {
        "544" => "Administrators",
        "545" => "Users",
        "546" => "Guests",
        "547" => "Power Users",
        "548" => "Account Operators",
        "549" => "Server Operators",
        "550" => "Print Operators",
        "551" => "Backup Operators",
        "552" => "Replicator",
        "554" => "Pre-Windows 2000 Compatible Access",
        "555" => "Remote Desktop Users",
        "556" => "Network Configuration Operators",
        "558" => "Performance Monitor Users",
        "559" => "Performance Log Users",
        "562" => "Distributed COM Users",
        "568" => "IIS_IUSRS",
        "569" => "Cryptographic Operators",
        "573" => "Event Log Readers",
        "574" => "Certificate Service DCOM Access",
        "578" => "Hyper-V Administrators",
        "579" => "Access Control Assistance Operators",
        "580" => "Remote Management Users",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_single_bits_in_order() {
        for object in [
            "File",
            "Key",
            "Process",
            "SERVICE OBJECT",
            "SC_MANAGER OBJECT",
            "SAM_USER",
            "SAM_GROUP",
            "SAM_ALIAS",
            "SAM_DOMAIN",
            "SAM_SERVER",
        ] {
            assert!(!rights_of(object, "").is_empty());
            let rights = [rights_of(object, ""), STANDARD_RIGHTS].concat();
            assert!(rights.iter().all(|(bit, _)| bit.count_ones() == 1));
            assert!(rights.windows(2).all(|pair| pair[0].0 < pair[1].0), "{object}");
        }
        assert!(rights_of("Token", "Security").is_empty());
        assert_eq!(rights_of("%{bf967aba-0de6-11d0-a285-00aa003049e2}", "DS"), DIRECTORY_RIGHTS);
    }

    #[test]
    fn identifiers_of_one_domain_are_not_well_known() {
        assert_eq!(well_known("S-1-5-18"), Some(("NT AUTHORITY", "SYSTEM")));
        assert_eq!(well_known("S-1-5-32-544"), Some(("BUILTIN", "Administrators")));
        assert_eq!(well_known("S-1-5-21-1-2-3-500"), None);
        assert_eq!(well_known("S-1-0-0"), None, "nobody");
    }
}
