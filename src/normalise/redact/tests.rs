//! What is found, what is left alone, and what must hold for any text.

use proptest::prelude::*;

use super::*;

/// Building one takes a while in a debug build.
static REDACTOR: std::sync::LazyLock<Redactor> =
    std::sync::LazyLock::new(|| Redactor::new(&RedactConfig::default()).unwrap());

fn redactor() -> &'static Redactor {
    &REDACTOR
}

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

/// So that no line here looks like a real one to those who search repositories for secrets.
fn key(start: &str, rest: &str) -> String {
    format!("{start}{rest}")
}

#[test]
fn keys_of_providers_show_by_their_look() {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789KLMNOP";
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let body = |length: usize| &letters[..length];
    let named = ["token", "webhook", "private_key", "aws_key", "jwt"];
    for (secret, kind) in [
        (key("ghp_", body(36)), 0),
        (key("github_pat_", body(40)), 0),
        (key("glpat-", body(20)), 0),
        (key("xoxb-", "1234567890-abcdef"), 0),
        (key("xapp-1-", body(20)), 0),
        (key("sk_live_", body(24)), 0),
        (key("rk_test_", body(24)), 0),
        (key("whsec_", body(32)), 0),
        (key("npm_", body(36)), 0),
        (key("pypi-", &letters.replace('a', "-")), 0),
        (key("dckr_pat_", body(27)), 0),
        (key("dop_v1_", hex), 0),
        (key("glsa_", body(32)), 0),
        (key("dapi", &hex[..32]), 0),
        (key("tskey-auth-", body(20)), 0),
        (key("hvs.", body(24)), 0),
        (key("sk-ant-", body(30)), 0),
        (key("sk-proj-", body(30)), 0),
        (key("AIza", body(35)), 0),
        (key("GOCSPX-", body(28)), 0),
        (key("age-secret-key-1", "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"), 2),
        (key("b3BlbnNzaC1rZXktdjE", "AAAABG5vbmUAAAA"), 2),
        (key("eyJhbGciOiJI", ".eyJzdWIiOiIx.c2ln"), 4),
    ] {
        for (before, after) in
            [("", ""), ("use ", " now"), ("\"", "\","), ("=", "&x=1"), ("(", ")")]
        {
            let text = format!("{before}{secret}{after}");
            let expected = format!("{before}<redacted:{}>{after}", named[kind]);
            assert_eq!(clean(&text), expected, "{text}");
        }
    }
    let hook = format!("https://hooks.slack.com/services/T0/B0/{}", body(24));
    assert_eq!(clean(&hook), "https://hooks.slack.com/services/<redacted:webhook>");
    let vault = format!("vault token lookup s.{}", &letters[12..36].replace('Z', "9"));
    assert!(!clean(&vault).contains("<redacted"), "no digit: {vault}");
    let vault = format!("vault token lookup s.{}", &letters[20..44]);
    assert_eq!(clean(&vault), "vault token lookup <redacted:token>");
    let pair = format!("AKIAIOSFODNN7EXAMPLE,{}", &letters[..40]);
    assert_eq!(clean(&pair), "AKIAIOSFODNN7EXAMPLE,<redacted:aws_key>");
    assert_eq!(
        clean("accessKeyId AKIAIOSFODNN7EXAMPLE used"),
        "accessKeyId AKIAIOSFODNN7EXAMPLE used"
    );
}

#[test]
fn private_keys_whole_cut_and_escaped() {
    let body = "MIIEowIBAAKCAQEAabcdefghijklmnop\nQRSTUVWXYZ0123456789+/==";
    let (begin, end) = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----");
    let mark = "<redacted:private_key>";
    for line_end in ["\n", "\\n", "\\\\n", "\r\n"] {
        let body = body.replace('\n', line_end);
        let whole = format!("key: {begin}{line_end}{body}{line_end}{end} x");
        assert_eq!(clean(&whole), format!("key: {begin}{mark}{end} x"));
        assert_eq!(clean(&format!("x {begin}{line_end}{body}")), format!("x {begin}{mark}"));
        assert_eq!(clean(&format!("\"{body}{line_end}{end}\"")), format!("\"{mark}{end}\""));
    }
    let pgp = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabcd\n-----END PGP PRIVATE KEY BLOCK-----";
    assert!(clean(pgp).contains(mark));
    let account = r#"{"type":"service_account","private_key_id":"ab12","private_key":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}"#;
    let text = clean(account);
    assert!(text.contains("ab12") && !text.contains("MIIE"), "{text}");
    let public =
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----";
    assert_eq!(clean(public), public);
}

#[test]
fn headers_parameters_and_environment() {
    for (text, expected) in [
        ("Cookie: sid=abc; theme=dark", "Cookie: <redacted:cookie>"),
        ("Set-Cookie: sid=abc; Path=/; HttpOnly", "Set-Cookie: <redacted:cookie>; HttpOnly"),
        ("-H 'Cookie: sid=abc' http://h/", "-H 'Cookie: <redacted:cookie>' http://h/"),
        ("curl -b sid=abc http://h/", "curl -b <redacted:cookie>"),
        ("curl -b 'sid=abc' http://h/", "curl -b '<redacted:cookie>' http://h/"),
        ("X-API-Key: abcd1234", "X-API-Key: <redacted:key>"),
        (r#"{\"x-api-key\":\"abcd\"}"#, r#"{\"x-api-key\":\"<redacted:key>\"}"#),
        ("X-Vault-Token: abcd1234efgh", "X-Vault-Token: <redacted:token>"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/x, Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/x, Signature=<redacted:token>",
        ),
        (
            "GET /a?token=abc&x=1&access_token=def#top",
            "GET /a?token=<redacted:token>&x=1&access_token=<redacted:token>#top",
        ),
        ("/b?sv=1&sig=a%2Bb%3D&se=2", "/b?sv=1&sig=<redacted:token>&se=2"),
        ("/c?X-Amz-Signature=ab12&y=1", "/c?X-Amz-Signature=<redacted:token>&y=1"),
        ("/d;jsessionid=ABCD?x", "/d;jsessionid=<redacted:token>?x"),
        (
            "to=https%3A%2F%2Fh%2F%3Ftoken%3Dabc%26x",
            "to=https%3A%2F%2Fh%2F%3Ftoken%3D<redacted:token>",
        ),
        ("https://maps.example/?key=abc&q=x", "https://maps.example/?key=<redacted:token>&q=x"),
        ("redis://:Hunter2@h:6379/0", "redis://:<redacted:url_credentials>@h:6379/0"),
        (
            "https://0123456789abcdefghijk@git.example/r",
            "https://<redacted:url_credentials>@git.example/r",
        ),
        ("GITHUB_TOKEN=abcd1234 make", "GITHUB_TOKEN=<redacted:token> make"),
        (
            "SMTP_PASS=x1 MYSQL_PWD=x2 run",
            "SMTP_PASS=<redacted:password> MYSQL_PWD=<redacted:password> run",
        ),
        ("SECRET_KEY_BASE=abc x", "SECRET_KEY_BASE=<redacted:key> x"),
        (
            "AccountName=a;AccountKey=abc+/==;EndpointSuffix=e",
            "AccountName=a;AccountKey=<redacted:key>;EndpointSuffix=e",
        ),
        ("password=\"cut off in the mid", "password=\"<redacted:password>"),
        ("<Password>Hunter2!</Password>", "<Password><redacted:password></Password>"),
        (
            "machine h login bob password Hunter2",
            "machine h login bob password <redacted:password>",
        ),
        (r#""auth": "Ym9iOkh1bnRlcjIhIQ==""#, r#""auth": "<redacted:token>""#),
        ("--from-literal=key=abc", "--from-literal=key=<redacted:secret>"),
        ("vault kv put secret/a user=bob", "vault kv put secret/a user=<redacted:secret>"),
        ("snmpwalk -v2c -c hidden1 h", "snmpwalk -v2c -c <redacted:community> h"),
        ("htpasswd -b /etc/p bob Hunter2", "htpasswd -b /etc/p bob <redacted:password>"),
        ("psexec.py corp/bob:Hunter2@10.0.0.1", "psexec.py corp/bob:<redacted:password>@10.0.0.1"),
        (
            "create user bob identified by 'x1'",
            "create user bob identified by '<redacted:password>'",
        ),
        ("alter role bob with password 'x1'", "alter role bob with password '<redacted:password>'"),
        (
            "Rubeus asktgt /user:bob /rc4:0123456789abcdef0123456789abcdef /ptt",
            "Rubeus asktgt /user:bob /rc4:<redacted:hash> /ptt",
        ),
        ("bob:$6$abcdefgh$0123456789abcdefghij:19000", "bob:<redacted:hash>:19000"),
        ("paid with 4111 1111 1111 1111.", "paid with <redacted:card_number>."),
        ("pan=378282246310005,x", "pan=<redacted:card_number>,x"),
    ] {
        assert_eq!(clean(text), expected, "{text}");
    }
}

/// Ordinary lines of many kinds, each with something that looks like a secret at first sight.
#[test]
fn no_false_hits() {
    let hmac = format!("client_token: hmac-sha256:{}", "0a".repeat(32));
    for text in [
        "pam_unix(chpasswd:chauthtok): password changed for bob",
        "pam_unix(passwd:chauthtok): user \"bob\" does not exist",
        "Access denied for user 'bob'@'192.0.2.1' (using password: YES)",
        "Failed password for invalid user admin from 192.0.2.1 port 22 ssh2",
        "Accepted password for bob from 192.0.2.1 port 22 ssh2",
        "chrome.exe --type=renderer --service-pipe-token=12345678901 --lang=en",
        "--service-request-channel-token=1234567890123 --renderer-client-id=3",
        "function f { [string]$Password, $token = @{ type = \"str\" } }",
        "url_password = @{ type=\"str\"; no_log=$true }",
        "DavSetCookie 192.0.2.1 http://192.0.2.1/x",
        "Cookie: mstshash=bob",
        "type=ANOM_ABEND msg=audit(1795334400.123:45): sig=11 res=1 key=\"pwd\" cwd=\"/root\"",
        "options 2251803035049992 and interface index 0",
        "instance 4520031799277581759 id 4111111111111112",
        "GET /app.js?v=3&sort=key&page=2 HTTP/1.1",
        "ecs.version=8.11 event.code=4688 user.id=S-1-5-18",
        "Token Elevation Type:\tTokenElevationTypeDefault (1)",
        "tokens: 512 max_tokens=1024 next_token: none",
        "{{ password }} ${DB_PASSWORD} $(cat /run/secret) %PASSWORD%",
        "password: <redacted:password> token=<redacted:token>",
        "authorization.k8s.io/decision: allow",
        "password=[FILTERED]&token=***",
        "SSHA1 c2lnbmF0dXJl signature: Microsoft Windows",
        "/usr/lib/jvm/java-17/lib/security/cacerts -storetype JKS",
        "https://schemas.microsoft.com/win/2004/08/events/event",
        "mailto:bob@example.org see http://host:8080/path@v2",
        "docker login registry.example.org",
        "commit 0123456789abcdef0123456789abcdef01234567 in .ghp_config",
        "C:\\Users\\bob\\AppData\\Local\\Google\\Chrome\\User Data\\Default\\Cookies",
        "net user bob /domain\\r\\nCurrentDirectory: C:\\\\Users\\r\\nUser: CORP",
        "{12345678-1234-1234-1234-123456789012}",
        &hmac,
    ] {
        assert_eq!(clean(text), text);
    }
}

#[test]
fn of_two_secrets_the_one_that_holds_the_other_is_replaced() {
    assert_eq!(clean("--password \"x https://u:p@h y\""), "--password \"<redacted:password>\"");
    let mut counts = Counts::new();
    let text = "Authorization: Bearer eyJhbGciOiJI.eyJzdWIiOiIx.c2ln";
    assert_eq!(redactor().text(text, &mut counts), "Authorization: Bearer <redacted:jwt>");
    assert_eq!(counts.len(), 1);
    assert_eq!(redactor().copy(text), "Authorization: Bearer <redacted:jwt>");
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
    let off = Redactor::new(&RedactConfig { secrets: false, ..Default::default() }).unwrap();
    assert_eq!(off.text(text, &mut counts), text);
}

#[test]
fn own_patterns_and_bad_ones() {
    let own = |kind: &str, pattern: &str| {
        Redactor::new(&RedactConfig {
            secrets: false,
            patterns: vec![(kind.to_owned(), pattern.to_owned())],
            ..Default::default()
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
    let record = r#"{"a" : 1.50,"cmd":"net user bob \"Hunter2!\" \/add","password":"p\u0041ss","n":null,"pwd": 123456 ,"passwd":{"password":12},"list":[777777]}"#;
    let redaction = Redaction::new(redactor, record.as_bytes());
    let mut counts = Counts::new();
    assert_eq!(redaction.whole("pAss", "password", &mut counts), "<redacted:password>");
    assert_eq!(
        redaction.json(record),
        r#"{"a" : 1.50,"cmd":"net user bob \"<redacted:password>\" /add","password":"<redacted:password>","n":null,"pwd": "<redacted:password>" ,"passwd":{"password":12},"list":[777777]}"#
    );
}

#[test]
fn values_by_their_key() {
    let redaction = Redaction::new(redactor(), b"");
    let mut counts = Counts::new();
    let mut value = |key: &str, value: Value<'static>| {
        redaction.value(key, value, &mut counts).map(Cow::into_owned)
    };
    let mark = |kind: &str| Some(format!("<redacted:{kind}>"));
    assert_eq!(value("password", Value::Str("x")), mark("password"));
    assert_eq!(value("Cookie", Value::Str("sid=1")), mark("cookie"));
    assert_eq!(value("password", Value::Int(12_345)), mark("password"));
    for (key, known) in [
        ("password", Value::Int(1)),
        ("password", Value::Bool(true)),
        ("token", Value::Int(123_456)),
        ("count", Value::Int(123_456)),
    ] {
        assert_eq!(value(key, known), None, "{key}");
    }
    let hmac = "hmac-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    for text in ["", "yes", "***", "<redacted:token>", "Bearer <redacted:token>", hmac] {
        assert_eq!(value("authorization", Value::Str(text)), Some(text.to_owned()));
    }
    assert_eq!(counts.values().sum::<u64>(), 3, "{counts:?}");
}

proptest! {
    #[test]
    fn idempotent_for_any_text(text in "(net user |--password[= ]|mysql |-p|://|:|@|token=|[?&]sig=|Cookie: |sid=|-----BEGIN PRIVATE KEY-----|-----END PRIVATE KEY-----|Authorization: |Bearer |<password>|</|4111 1111 1111 1111|api_key|secret|[a-zA-Z0-9]{1,20}|[ \"'\\\\$/|é<>=:;,]){0,14}") {
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn any_bytes_are_fine(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let once = clean(&text);
        prop_assert_eq!(clean(&once), once);
    }

    #[test]
    fn a_text_without_words_is_untouched(text in "\\PC{0,200}") {
        if !Prefilter::shared().finds(text.as_bytes()) {
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
