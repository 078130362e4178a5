//! Events of the network: names, transfers, the firewall's own log, file sharing, remote desktops and shells.

use crate::model::field;
use crate::normalise::windows::kinds::{Family, How, Map, Spec, by_reporter, family, kinds};
use crate::normalise::windows::system::NOT_RESOLVED;

const QUERY: &[Map] = &[
    ("QueryName", How::Copy, field::DNS_QUESTION_NAME),
    ("QueryType", How::RecordType, field::DNS_QUESTION_TYPE),
    ("QueryResults", How::Answers, field::DNS_ANSWERS_DATA),
    ("DnsServerIpAddress", How::Ip, field::DESTINATION_IP),
    ("DNSServerAddress", How::Ip, field::DESTINATION_IP),
];
const SERVED: &[Map] = &[
    ("QNAME", How::Copy, field::DNS_QUESTION_NAME),
    ("QTYPE", How::RecordType, field::DNS_QUESTION_TYPE),
    ("Source", How::Ip, field::SOURCE_IP),
    ("Destination", How::Ip, field::DESTINATION_IP),
    ("InterfaceIP", How::Ip, field::SERVER_IP),
];
const ZONE: &[Map] = &[
    ("param1", How::Copy, field::DNS_QUESTION_NAME),
    ("Zone", How::Copy, field::DNS_QUESTION_NAME),
];
const TRANSFER: &[Map] = &[
    ("url", How::Copy, field::URL_ORIGINAL),
    ("RemoteName", How::Copy, field::URL_ORIGINAL),
    ("LocalName", How::File, field::FILE_PATH),
    ("processPath", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("processId", How::Number, field::PROCESS_PID),
    ("jobOwner", How::Account, field::USER_NAME),
    ("User", How::Account, field::USER_NAME),
];
const FIREWALL: &[Map] = &[
    ("ModifyingApplication", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("ModifyingUser", How::Copy, field::USER_ID),
    ("RuleName", How::Copy, field::RULE_NAME),
    ("RuleId", How::Copy, field::RULE_ID),
    ("ApplicationPath", How::File, field::FILE_PATH),
    ("Protocol", How::Transport, field::NETWORK_TRANSPORT),
];
const SMB_CLIENT: &[Map] = &[
    ("ServerName", How::Copy, field::DESTINATION_DOMAIN),
    ("Address", How::Endpoint(field::DESTINATION_PORT), field::DESTINATION_IP),
    ("RemoteAddress", How::Endpoint(field::DESTINATION_PORT), field::DESTINATION_IP),
    ("UserName", How::Account, field::USER_NAME),
];
const SMB_SERVER: &[Map] = &[
    ("ClientAddress", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("ClientName", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("UserName", How::Account, field::USER_NAME),
];
const SESSION: &[Map] = &[
    ("User", How::Account, field::USER_NAME),
    ("Address", How::Ip, field::SOURCE_IP),
    ("Param1", How::Account, field::USER_NAME),
    ("Param2", How::Copy, field::USER_DOMAIN),
    ("Param3", How::Ip, field::SOURCE_IP),
];
const DESKTOP: &[Map] = &[
    ("ClientIP", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("IPString", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("ConnType", How::Transport, field::NETWORK_TRANSPORT),
];
const GATEWAY: &[Map] = &[
    ("Username", How::Account, field::USER_NAME),
    ("IpAddress", How::Endpoint(field::SOURCE_PORT), field::SOURCE_IP),
    ("Resource", How::Copy, field::DESTINATION_DOMAIN),
];
const TARGET_SESSION: &[Map] = &[
    ("TargetName", How::Copy, field::DESTINATION_DOMAIN),
    ("Value", How::Copy, field::DESTINATION_DOMAIN),
];
const SHELL: &[Map] = &[
    ("username", How::Account, field::USER_NAME),
    ("connection", How::Copy, field::URL_ORIGINAL),
    ("resourceUri", How::Copy, field::URL_ORIGINAL),
];
const CALL: &[Map] = &[
    ("NetworkAddress", How::Copy, field::DESTINATION_DOMAIN),
    ("NetworkAddress", How::Ip, field::DESTINATION_IP),
];
const NTLM: &[Map] = &[
    ("TargetName", How::Copy, field::DESTINATION_DOMAIN),
    ("UserName", How::Account, field::USER_NAME),
    ("DomainName", How::Copy, field::USER_DOMAIN),
    ("ClientUserName", How::Account, field::USER_NAME),
    ("ClientDomainName", How::Copy, field::USER_DOMAIN),
    ("WorkstationName", How::Copy, field::SOURCE_DOMAIN),
    ("Workstation", How::Copy, field::SOURCE_DOMAIN),
    ("ProcessName", How::Program(field::PROCESS_NAME), field::PROCESS_EXECUTABLE),
    ("CallerPID", How::Number, field::PROCESS_PID),
];
const SEARCH: &[Map] = &[("ProcessId", How::Number, field::PROCESS_PID)];

/// The providers of the network.
pub const FAMILIES: &[Family] = &[
    family(&["microsoft-windows-dns-client"], DNS_CLIENT),
    family(&["microsoft-windows-dns-client"], NOT_RESOLVED),
    family(&["microsoft-windows-dnsserver"], DNS_SERVED),
    family(&["microsoft-windows-dns-server-service"], DNS_SERVER),
    by_reporter(&["microsoft-windows-bits-client"], BITS),
    family(&["microsoft-windows-windows firewall with advanced security"], FIREWALL_LOG),
    family(&["microsoft-windows-smbclient"], SMB_CLIENT_LOG),
    family(&["microsoft-windows-smbserver"], SMB_SERVER_LOG),
    family(
        &[
            "microsoft-windows-terminalservices-localsessionmanager",
            "microsoft-windows-terminalservices-remoteconnectionmanager",
        ],
        SESSIONS,
    ),
    by_reporter(&["microsoft-windows-terminalservices-clientactivexcore"], OUTGOING),
    family(&["microsoft-windows-terminalservices-gateway"], THROUGH_GATEWAY),
    family(&["microsoft-windows-remotedesktopservices-rdpcorets"], DESKTOPS),
    family(&["termdd"], DESKTOP_DRIVER),
    by_reporter(&["microsoft-windows-winrm"], SHELLS),
    family(&["openssh"], SSH),
    family(&["microsoft-windows-rpc"], CALLS),
    family(&["microsoft-windows-ntlm"], NTLM_LOG),
    family(&["microsoft-windows-ldap-client"], LDAP),
    by_reporter(&["microsoft-windows-wininet-config"], PROXY),
];

const DNS_CLIENT: &[Spec] = kinds! {
    [3006, 3008, 3009, 3010, 3011, 3013, 3016, 3018, 3019, 3020] Dns ["network"] ["protocol", "info"] "dns-query" AUDIT [QUERY];
    [1001, 1022, 3007, 3012, 3014] Other ["network"] ["protocol", "info"] "dns-client-reported" AUDIT [QUERY];
};

const DNS_SERVED: &[Spec] = kinds! {
    [256, 279, 280] Dns ["network"] ["protocol", "start"] "dns-query-received" AUDIT [SERVED];
    [257, 258, 259] Dns ["network"] ["protocol", "end"] "dns-response-sent" AUDIT [SERVED];
    [260, 261, 262, 263, 264] Dns ["network"] ["protocol", "info"] "dns-recursion" AUDIT [SERVED];
    [512, 513, 514, 515, 516, 517, 518, 519, 520, 521, 522, 523, 541] Other ["configuration"] ["change"] "dns-zone-changed" AUDIT [ZONE];
};

const DNS_SERVER: &[Spec] = kinds! {
    [150, 770, 771] Other ["configuration", "library"] ["change"] "dns-plug-in" AUDIT [];
    [6001, 6004, 6522, 6525, 6527] Dns ["network"] ["protocol", "info"] "dns-zone-transfer" AUDIT [ZONE];
};

const BITS: &[Spec] = kinds! {
    [3, 16403] Other ["network"] ["start"] "background-transfer-created" AUDIT [TRANSFER];
    [59] Other ["network"] ["connection", "start"] "background-transfer-started" AUDIT [TRANSFER];
    [60, 61] Other ["network"] ["connection", "end"] "background-transfer-stopped" AUDIT [TRANSFER];
    [4, 5] Other ["network"] ["end"] "background-transfer-finished" AUDIT [TRANSFER];
    [209, 306, 310, 16392] Other ["network"] ["info"] "background-transfer-reported" AUDIT [TRANSFER];
};

const FIREWALL_LOG: &[Spec] = kinds! {
    [2004, 2071, 2097] Other ["configuration"] ["creation"] "firewall-rule-added" AUDIT [FIREWALL];
    [2005, 2073, 2099] Other ["configuration"] ["change"] "firewall-rule-changed" AUDIT [FIREWALL];
    [2006, 2033, 2052, 2059] Other ["configuration"] ["deletion"] "firewall-rule-deleted" AUDIT [FIREWALL];
    [2002, 2003, 2008, 2010, 2032, 2060, 2082, 2083] Other ["configuration"] ["change"] "firewall-setting-changed" AUDIT [FIREWALL];
    [2009, 2011] Other ["configuration"] ["error"] "firewall-failed" AUDIT [FIREWALL];
};

const SMB_CLIENT_LOG: &[Spec] = kinds! {
    [30803, 30804, 30805, 30806, 30807, 30808, 30822] Other ["network"] ["connection", "info"] "smb-connection-reported" AUDIT [SMB_CLIENT];
    [31000, 31001, 31010, 31017, 31018, 31019] Other ["authentication", "network"] ["denied"] "smb-session-refused" FAILURE [SMB_CLIENT];
    [31013, 31014, 31016, 32000, 32002] Other ["network"] ["info"] "smb-security-reported" AUDIT [SMB_CLIENT];
};

const SMB_SERVER_LOG: &[Spec] = kinds! {
    [551] LogonFailure ["authentication", "network"] ["start"] "smb-session-refused" FAILURE [SMB_SERVER];
    [3000] Other ["network"] ["info"] "smb1-used" AUDIT [SMB_SERVER];
    [4000, 4001] Other ["network"] ["connection"] "smb-connection-reported" AUDIT [SMB_SERVER];
    [1003, 1005, 1006, 1007, 1009, 1013, 1015, 1016, 1020, 1021, 1024, 1025] Other ["network", "file"] ["denied"] "smb-request-refused" FAILURE [SMB_SERVER];
    [1001, 1002, 1010, 1011, 1031, 1032] Other ["network"] ["info"] "smb-server-reported" AUDIT [SMB_SERVER];
};

const SESSIONS: &[Spec] = kinds! {
    [21] Logon ["authentication", "session"] ["start"] "session-started" SUCCESS [SESSION];
    [22, 41, 42] Other ["session"] ["info"] "session-step" AUDIT [SESSION];
    [25] Logon ["authentication", "session"] ["start"] "session-reconnected" SUCCESS [SESSION];
    [1149] Logon ["authentication", "session"] ["start"] "network-logon-accepted" SUCCESS [SESSION];
    [23] Logoff ["authentication", "session"] ["end"] "session-ended" SUCCESS [SESSION];
    [24] Logoff ["authentication", "session"] ["end"] "session-disconnected" SUCCESS [SESSION];
    [39, 40] Other ["session"] ["end"] "session-disconnected-by" AUDIT [SESSION];
    [32, 34, 54, 258, 261, 263, 1056, 1136, 20521, 20523] Other ["session"] ["info"] "listener-reported" AUDIT [SESSION];
    [20503, 20504, 20506, 20507, 20508] Other ["session"] ["access"] "session-shadowed" AUDIT [SESSION];
};

const OUTGOING: &[Spec] = kinds! {
    [1024, 1025, 1027, 1029, 1102] NetworkConnect ["session", "network"] ["connection", "start"] "remote-desktop-opened" AUDIT [TARGET_SESSION];
    [1026, 1103, 1105] Other ["session", "network"] ["connection", "end"] "remote-desktop-closed" AUDIT [TARGET_SESSION];
};

const THROUGH_GATEWAY: &[Spec] = kinds! {
    [200, 300, 302] Logon ["authentication", "session"] ["start", "allowed"] "gateway-passed" SUCCESS [GATEWAY];
    [201, 301, 304] LogonFailure ["authentication", "session"] ["denied"] "gateway-refused" FAILURE [GATEWAY];
    [202, 303] Logoff ["authentication", "session"] ["end"] "gateway-left" SUCCESS [GATEWAY];
};

const DESKTOPS: &[Spec] = kinds! {
    [131] Other ["network"] ["connection", "start"] "remote-desktop-connection" AUDIT [DESKTOP];
    [139, 140] LogonFailure ["authentication", "network"] ["start"] "remote-desktop-logon-failed" FAILURE [DESKTOP];
    [98] Other ["network"] ["connection", "start", "allowed"] "remote-desktop-connected" SUCCESS [DESKTOP];
    [102, 103, 145] Other ["network"] ["connection", "end"] "remote-desktop-disconnected" AUDIT [DESKTOP];
    [33, 65, 66, 68, 70, 71, 72, 100, 101, 104, 107, 129, 130, 132, 135, 141, 142, 143, 148, 162, 163, 168, 169, 226, 227, 228, 229, 258] Other ["network"] ["info"] "remote-desktop-step" AUDIT [DESKTOP];
};

const DESKTOP_DRIVER: &[Spec] = kinds! {
    [50, 56] Other ["network"] ["error"] "remote-desktop-protocol-error" AUDIT [];
};

const SHELLS: &[Spec] = kinds! {
    [6] NetworkConnect ["network", "session"] ["connection", "start"] "remote-shell-opened" AUDIT [SHELL];
    [8, 15, 16, 33] Other ["network", "session"] ["end"] "remote-shell-closed" AUDIT [SHELL];
    [91] Other ["session", "process"] ["start"] "remote-shell-started" AUDIT [SHELL];
    [169] Logon ["authentication"] ["start"] "remote-shell-authenticated" SUCCESS [SHELL];
    [161, 162, 192] LogonFailure ["authentication"] ["start"] "remote-shell-refused" FAILURE [SHELL];
    [81, 82, 132, 142, 145, 166, 193, 254] Other ["network"] ["info"] "remote-shell-step" AUDIT [SHELL];
    [10148, 10149, 10154] Other ["configuration"] ["info"] "remote-shell-service-reported" AUDIT [];
};

/// What the line says is read by the decoder of sshd's lines.
const SSH: &[Spec] = kinds! {
    [1, 2, 3, 4, 5] Other ["process"] ["info"] "ssh-line" AUDIT [];
};

const CALLS: &[Spec] = kinds! {
    [5, 6] Other ["network"] ["start", "protocol"] "remote-call" AUDIT [CALL];
    [7, 8] Other ["network"] ["end", "protocol"] "remote-call-ended" AUDIT [CALL];
};

const NTLM_LOG: &[Spec] = kinds! {
    [8001, 8002, 8003, 8004, 8005, 8006] Other ["authentication", "network"] ["info"] "ntlm-used" AUDIT [NTLM];
    [4001, 4002, 4003, 4010, 4011, 4012, 4013, 4014, 4015] Other ["authentication", "network"] ["denied"] "ntlm-refused" FAILURE [NTLM];
};

const LDAP: &[Spec] = kinds! {
    [30] Other ["network", "iam"] ["access"] "directory-searched" AUDIT [SEARCH];
};

const PROXY: &[Spec] = kinds! {
    [5600] Other ["configuration", "network"] ["change"] "proxy-settings-read" AUDIT [];
};
