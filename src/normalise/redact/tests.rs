//! What is found, what is left alone, and what must hold for any text.

use proptest::prelude::*;

use super::*;

/// Building one takes a while in a debug build.
static REDACTOR: std::sync::LazyLock<Redactor> =
    std::sync::LazyLock::new(|| Redactor::new(&RedactConfig::default()).unwrap());

fn redactor() -> &'static Redactor {
    &REDACTOR
}

static PREFILTER: std::sync::LazyLock<Prefilter> = std::sync::LazyLock::new(Prefilter::new);

fn clean(text: &str) -> String {
    redactor().text(text, &mut Counts::new()).into_owned()
}

#[test]
fn secrets_go_and_switches_stay() {
    let p = "<redacted:password>";
    for (text, expected) in [
        ("net user bob Hunter2! /add", format!("net user bob {p} /add")),
        (
            r#""C:\Windows\system32\net.exe" user /add bob Hunter2!"#,
            format!(r#""C:\Windows\system32\net.exe" user /add bob {p}"#),
        ),
        (
            r"net use Z: \\srv\share Hunter2! /user:corp\bob",
            format!(r"net use Z: \\srv\share {p} /user:corp\bob"),
        ),
        (
            r"net use \\srv\c$ /user:corp\bob Hunter2!",
            format!(r"net use \\srv\c$ /user:corp\bob {p}"),
        ),
        ("mysql -u root -pHunter2! db", format!("mysql -u root -p{p} db")),
        ("mysqldump --password=Hunter2! db", format!("mysqldump --password={p} db")),
        ("sshpass -p Hunter2! ssh bob@host", format!("sshpass -p {p} ssh bob@host")),
        (
            r"psexec.exe \\srv -u corp\bob -p Hunter2! cmd",
            format!(r"psexec.exe \\srv -u corp\bob -p {p} cmd"),
        ),
        ("plink -ssh bob@h -pw Hunter2! ls", format!("plink -ssh bob@h -pw {p} ls")),
        ("sqlcmd -S srv -U sa -P Hunter2! -Q x", format!("sqlcmd -S srv -U sa -P {p} -Q x")),
        ("7z a -pHunter2! out.7z dir", format!("7z a -p{p} out.7z dir")),
        ("curl -u bob:Hunter2! http://h/", format!("curl -u bob:{p} http://h/")),
        ("ldapsearch -D cn=x -w Hunter2! -b y", format!("ldapsearch -D cn=x -w {p} -b y")),
        ("smbclient //h/s -U bob%Hunter2!", format!("smbclient //h/s -U bob%{p}")),
        ("xfreerdp /v:h /u:bob /p:Hunter2!", format!("xfreerdp /v:h /u:bob /p:{p}")),
        ("sqlplus scott/tiger@db", format!("sqlplus scott/{p}@db")),
        (
            "schtasks /create /ru bob /rp Hunter2! /tn t",
            format!("schtasks /create /ru bob /rp {p} /tn t"),
        ),
        (
            "wmic /node:h /user:bob /password:Hunter2! process",
            format!("wmic /node:h /user:bob /password:{p} process"),
        ),
        ("cmdkey /add:h /user:bob /pass:Hunter2!", format!("cmdkey /add:h /user:bob /pass:{p}")),
        (r#"tool --password "two words" x"#, format!(r#"tool --password "{p}" x"#)),
        (r#"{\"password\":\"Hunter2!\"}"#, format!(r#"{{\"password\":\"{p}\"}}"#)),
        ("DB_PASSWORD=Hunter2! ./run", format!("DB_PASSWORD={p} ./run")),
        (
            "Server=h;User Id=sa;Password=Hunter2!;x=1",
            format!("Server=h;User Id=sa;Password={p};x=1"),
        ),
        (
            "ConvertTo-SecureString -AsPlainText 'Hunter2!' -Force",
            format!("ConvertTo-SecureString -AsPlainText '{p}' -Force"),
        ),
        ("'Hunter2!' | ConvertTo-SecureString", format!("'{p}' | ConvertTo-SecureString")),
        (
            "New-Object NetworkCredential('bob','Hunter2!')",
            format!("New-Object NetworkCredential('bob','{p}')"),
        ),
        ("echo 'bob:Hunter2!' | chpasswd", format!("echo 'bob:{p}' | chpasswd")),
        ("echo Hunter2! | sudo -S id", format!("echo {p} | sudo -S id")),
        ("\t * Password : a;b&\"c |d\r\n\tx", format!("\t * Password : {p}\r\n\tx")),
        ("useradd -m -p Hunter2! bob", format!("useradd -m -p {p} bob")),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn tokens_keys_and_addresses() {
    for (text, expected) in [
        ("Authorization: Bearer abc.def", "Authorization: Bearer <redacted:token>"),
        (
            "curl -H 'Authorization: Basic Ym9iOng='",
            "curl -H 'Authorization: Basic <redacted:token>'",
        ),
        (
            "git clone https://bob:Hunter2@h/r.git",
            "git clone https://bob:<redacted:url_credentials>@h/r.git",
        ),
        ("aws_secret_access_key = abcdEFGH", "aws_secret_access_key = <redacted:aws_key>"),
        ("x --api-key abcd1234", "x --api-key <redacted:key>"),
        ("gh --token abcd1234", "gh --token <redacted:token>"),
        ("t=eyJhbGciOiJI.eyJzdWIiOiIx.c2ln rest", "t=<redacted:jwt> rest"),
        ("https://h/c?sv=1&sig=abc%3D&se=2", "https://h/c?sv=1&sig=<redacted:token>&se=2"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----<redacted:private_key>-----END RSA PRIVATE KEY-----",
        ),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule",
        "net user bob /add",
        "net user bob",
        "net user /domain",
        "net user bob > out.txt",
        "net user bob *",
        "root : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/ls",
        "Elevated Token:\t\tYes",
        "Version=4.0.0.0, Culture=neutral, PublicKeyToken=b77a5c561934e089",
        "docker run -p 8080:80 nginx",
        "https://host:8443/path?x=1",
        "Password Last Set:\t\t12/1/2020 1:00:00 AM",
        "net accounts /passwordreq:no is no pair",
        "connect -Password $password -User $user",
        "mysql -u root -p",
        "passwd bob",
        "CommandLine: net user /domain\nCurrentDirectory: C:\\Users\\bob\\\nUser: CORP\\bob",
        "$sec_password = convertto-securestring $password -asplaintext -force",
        "\t * Password : (null)",
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn counted_by_kind_and_switched_off() {
    let mut counts = Counts::new();
    let text = "a --password x1 ; b --password y2 ; https://u:p@h/";
    let _ = redactor().text(text, &mut counts);
    assert_eq!(counts.get("password"), Some(&2));
    assert_eq!(counts.get("url_credentials"), Some(&1));
    let off = Redactor::new(&RedactConfig { secrets: false, patterns: vec![] }).unwrap();
    assert_eq!(off.text(text, &mut counts), text);
}

#[test]
fn own_patterns_and_bad_ones() {
    let own = |kind: &str, pattern: &str| {
        Redactor::new(&RedactConfig {
            secrets: false,
            patterns: vec![(kind.to_owned(), pattern.to_owned())],
        })
    };
    let redactor = own("badge", r"badge (\d+)").unwrap();
    assert_eq!(redactor.text("badge 123 in", &mut Counts::new()), "badge <redacted:badge> in");
    assert!(own("badge", "(").is_err());
    assert!(own("badge", "no group").is_err());
    assert!(own("Bad Kind", "(x)").is_err());
}

#[test]
fn the_input_keeps_its_form() {
    let redactor = redactor();
    let record =
        r#"{"a" : 1.50,"cmd":"net user bob \"Hunter2!\" \/add","password":"p\u0041ss","n":null}"#;
    let redaction = Redaction::new(redactor, record.as_bytes());
    let mut counts = Counts::new();
    assert_eq!(redaction.whole("pAss", "password", &mut counts), "<redacted:password>");
    assert_eq!(
        redaction.json(record),
        r#"{"a" : 1.50,"cmd":"net user bob \"<redacted:password>\" /add","password":"<redacted:password>","n":null}"#
    );
}

proptest! {
    #[test]
    fn idempotent_for_any_text(text in "(net user |--password[= ]|mysql |-p|://|:|@|token=|[a-z0-9]{1,9}|[ \"'\\\\$/|é<>=:]){0,14}") {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn a_text_without_words_is_untouched(text in "\\PC{0,200}") {
        if !PREFILTER.finds(text.as_bytes()) {
            prop_assert_eq!(clean(&text), text);
        }
    }

    #[test]
    fn json_stays_json(value in "\\PC{0,60}", secret in "[a-zA-Z0-9]{4,12}") {
        let record = serde_json::json!({"x": value, "cmd": format!("x --password {secret} y"), "n": 5}).to_string();
        let redactor = redactor();
        let clean = Redaction::new(redactor, record.as_bytes()).json(&record).into_owned();
        let back: serde_json::Value = serde_json::from_str(&clean).unwrap();
        prop_assert_eq!(&back["n"], 5);
        prop_assert_eq!(&back["cmd"], "x --password <redacted:password> y");
    }
}
