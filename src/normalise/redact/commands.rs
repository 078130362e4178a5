//! Secrets among the arguments of programs: each program has its own switch for them.

use crate::normalise::redact::rules::{Check, Spec, argument, within};

/// The ways to write `net user` and `net use`.
const NET: &[&str] = &["net use", "net1", "net.exe"];

/// The rules.
pub const SPECS: &[Spec] = &[
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+user[ \t]+(?:/[^ \t\r\n\\]+[ \t]+)*(?:"[^"\r\n]+"|[^ \t\r\n/"|<>&]+)[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+use[ \t]+(?:[a-z*]:?[ \t]+)?["']?\\\\[^ \t\r\n"']+["']?[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+use[ \t][^|&\r\n]*?/user:[^ \t\r\n]+[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::None,
        &["mysql", "mariadb"],
        concat!(
            r#"(?i)(?-u:\b)(?:mysql[a-z]*|mariadb[a-z-]*)"#,
            within!(),
            r#"[ \t]-p((?:[^ \t\r\n"'|<>]+))"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &[
            "sshpass",
            "psexec",
            "evil-winrm",
            "crackmap",
            "netexec",
            "winrs",
            " login",
            "useradd",
            "usermod",
            "schtasks",
            "rdesktop",
        ],
        concat!(
            r#"(?i)(?-u:\b)(?:sshpass|psexec[0-9]*|evil-winrm|crackmapexec|netexec|winrs|docker[ \t]+login|podman[ \t]+login|useradd|usermod|schtasks|rdesktop)"#,
            within!(),
            r#"[ \t][-/]r?p(?:[ \t]*[:=][ \t]*|[ \t]+)"#,
            argument!()
        ),
    ),
    (
        "hash",
        Check::None,
        &[
            "-hashes",
            "evil-winrm",
            "crackmap",
            "netexec",
            "/rc4:",
            "/ntlm:",
            "/aes256:",
            "/aes128:",
        ],
        r"(?i)(?:[ \t]-(?:hashes|h)[ \t]+|/(?:rc4|ntlm|aes(?:128|256)):)((?:[0-9a-f]{32})?:?[0-9a-f]{32,64})(?-u:\b)",
    ),
    (
        "hash",
        Check::None,
        &["aad3b435", "0:::"],
        r"(?i)(?:^|[\s:])[0-9]{3,6}:([0-9a-f]{32}:[0-9a-f]{32}):::",
    ),
    (
        "hash",
        Check::None,
        &[":$6$", ":$5$", ":$1$", ":$y$", ":$2y", ":$2b", ":$2a"],
        r":(\$(?:[1567y]|2[aby])\$[./A-Za-z0-9$,=*-]{20,})",
    ),
    (
        "password",
        Check::Argument,
        &["sshpass"],
        concat!(r#"(?i)(?-u:\b)(?:sshpass)"#, within!(), r#"-p(?:[ \t]+)?"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["plink", "pscp", "putty"],
        concat!(r#"(?i)(?-u:\b)(?:plink|pscp|putty)"#, within!(), r#"[ \t]-pw[ \t]+"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["sqlcmd", "osql", "isql", "bcp ", "zip -", "ipmitool"],
        concat!(
            r#"(?-u:\b)(?i:sqlcmd|osql|isql|bcp|zip|unzip|ipmitool)"#,
            within!(),
            r#"[ \t]-P[ \t]*"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["7z a", "7z.e", "7za ", "rar.exe", "rar a"],
        concat!(r#"(?i)(?-u:\b)(?:7za?|rar|winrar|unrar)"#, within!(), r#"[ \t]-h?p"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["curl", "wget"],
        concat!(
            r#"(?-u:\b)(?i:curl|wget)"#,
            within!(),
            r#"[ \t](?:-u|-U|--user|--proxy-user)[ \t=]*["']?[^ \t\r\n:"']+:([^ \t\r\n"'|<>]+)"#
        ),
    ),
    (
        "cookie",
        Check::Argument,
        &["curl"],
        concat!(
            r#"(?-u:\b)(?i:curl)"#,
            within!(),
            r#"[ \t](?:-b|--cookie)[ \t=]*["']?([^ \t\r\n"'|<>=]+=[^\r\n"'|<>]+)"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &["redis-cli"],
        concat!(r#"(?-u:\b)(?i:redis-cli)"#, within!(), r#"[ \t]-a[ \t]+"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["ldap"],
        concat!(
            r#"(?-u:\b)(?i:ldap(?:search|add|modify|delete|passwd|whoami))"#,
            within!(),
            r#"[ \t]-w[ \t]*"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["smbclient", "rpcclient"],
        concat!(
            r#"(?-u:\b)(?i:smbclient|rpcclient)"#,
            within!(),
            r#"[ \t]-U[ \t]*["']?[^ \t\r\n%"']+%([^ \t\r\n"'|<>]+)"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &["exec.py", "dump.py", "client.py", "impacket"],
        concat!(
            r#"(?i)(?-u:\b)(?:(?:ps|wmi|smb|at|dcom)exec|secretsdump|(?:smb|mssql)client)(?:\.py)?"#,
            within!(),
            r#"[ \t]["']?(?:[a-z0-9._-]+/)?[a-z0-9._$-]+:([^ \t\r\n"'|<>@]+)@"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &["freerdp"],
        concat!(r#"(?i)(?-u:\b)[wx]?freerdp"#, within!(), r#"[ \t]/p:"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["sqlplus"],
        r#"(?i)(?-u:\b)sqlplus(?:\.exe)?["']?[ \t]+(?:-[a-z]+[ \t]+)*["']?[^ \t/"']+/([^ \t@"'|<>]+)"#,
    ),
    (
        "password",
        Check::Argument,
        &["htpasswd"],
        r#"(?-u:\b)htpasswd[ \t]+(?:(?:-[A-Za-mo-z]+[ \t]+)+(?:[^ \t\r\n-][^ \t\r\n]*[ \t]+){2}|(?:-[A-Za-z]+[ \t]+)*-[A-Za-z]*n[A-Za-z]*[ \t]+(?:-[A-Za-z]+[ \t]+)*[^ \t\r\n-][^ \t\r\n]*[ \t]+)([^ \t\r\n"'|<>;&]+)"#,
    ),
    (
        "community",
        Check::Argument,
        &["snmp"],
        concat!(
            r#"(?-u:\b)snmp(?:bulk)?(?:walk|get|getnext|set|table|check)"#,
            within!(),
            r#"[ \t]-c[ \t]*"#,
            argument!()
        ),
    ),
    (
        "secret",
        Check::Argument,
        &["from-literal"],
        concat!(r#"--from-literal[ =]+["']?[A-Za-z0-9_.-]+="#, argument!()),
    ),
    (
        "secret",
        Check::Argument,
        &["vault kv", "vault write", "bao kv", "bao write"],
        r#"(?-u:\b)(?:vault|bao)[ \t]+(?:kv[ \t]+(?:put|patch)|write)[ \t](?:[^|;&\r\n]*[ \t])?[A-Za-z0-9_.-]+=([^ \t\r\n"'|<>@][^ \t\r\n"'|<>]*|"[^"]+"|'[^']+')"#,
    ),
    (
        "password",
        Check::Argument,
        &["securestring"],
        r#"(?i)convertto-securestring[ \t]+(?:-(?:string|asplaintext|force)[ \t]+)*["']([^"']+)["']"#,
    ),
    (
        "password",
        Check::Argument,
        &["securestring"],
        r#"(?i)["']([^"'|]+)["'][ \t]*\|[ \t]*convertto-securestring"#,
    ),
    (
        "password",
        Check::Argument,
        &["credential("],
        r#"(?i)(?:network|ps)credential[ \t]*\([ \t]*["'][^"']*["'][ \t]*,[ \t]*["']([^"']+)["']"#,
    ),
    (
        "password",
        Check::Argument,
        &["pass"],
        r#"(?i)(?-u:\b)echo[ \t]+(?:-[a-z]+[ \t]+)*["']?[a-z0-9_.-]+:([^ \t"'|<>]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd"#,
    ),
    (
        "password",
        Check::Argument,
        &["sudo -", "pass"],
        r#"(?i)(?-u:\b)echo[ \t]+(?:-[a-z]+[ \t]+)*["']?([^ \t"'|<>]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+(?:-[a-z]+[ \t]+)*-S|passwd[ \t]+--stdin)"#,
    ),
    (
        "password",
        Check::Argument,
        &["identified", "with pass", "encrypted pass", "password("],
        r#"(?i)(?:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+)?|(?:with|encrypted)[ \t]+password[ \t]+|[ \t=]password[ \t]*\([ \t]*)\\*['"]([^'"\\]+)"#,
    ),
];
