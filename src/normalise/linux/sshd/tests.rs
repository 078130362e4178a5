//! Lines of sshd and what they become.

use super::*;

fn mapped(message: &str) -> Event {
    let mut event = Event::with_capacity(8, 128);
    assert!(map(message, &mut event), "{message}");
    event
}

fn check(message: &str, action: &str, user: Option<&str>, ip: Option<&str>, port: Option<i64>) {
    let event = mapped(message);
    assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{message}");
    assert_eq!(event.str(field::USER_NAME), user, "{message}");
    assert_eq!(event.str(field::SOURCE_IP), ip, "{message}");
    let seen = event.get(field::SOURCE_PORT).and_then(crate::model::event::Value::as_int);
    assert_eq!(seen, port, "{message}");
}

#[test]
fn outcomes_of_logins() {
    let ip = Some("192.0.2.7");
    check(
        "Failed password for invalid user admin from 192.0.2.7 port 22 ssh2",
        "ssh_login",
        Some("admin"),
        ip,
        Some(22),
    );
    check(
        "Failed password for root from 192.0.2.7 port 2233 ssh2",
        "ssh_login",
        Some("root"),
        ip,
        Some(2233),
    );
    check(
        "Failed none for invalid user  from 192.0.2.7 port 1 ssh2",
        "ssh_login",
        None,
        ip,
        Some(1),
    );
    check(
        "Failed publickey for bob from 2001:db8::7 port 22 ssh2: RSA SHA256:abc",
        "ssh_login",
        Some("bob"),
        Some("2001:db8::7"),
        Some(22),
    );
    check(
        "Accepted publickey for bob from 192.0.2.7 port 22 ssh2: RSA-CERT ID x from 203.0.113.9 port 7 (serial 0)",
        "ssh_login",
        Some("bob"),
        ip,
        Some(22),
    );
    check("Invalid user  from 192.0.2.7", "ssh_invalid_user", None, ip, None);
    check("Invalid user x y from 192.0.2.7 port 7", "ssh_invalid_user", Some("x y"), ip, Some(7));
    check(
        "error: maximum authentication attempts exceeded for invalid user a from 192.0.2.7 port 9 ssh2 [preauth]",
        "ssh_max_attempts",
        Some("a"),
        ip,
        Some(9),
    );
    check(
        "User root from 192.0.2.7 not allowed because not listed in AllowUsers",
        "ssh_user_not_allowed",
        Some("root"),
        ip,
        None,
    );
    check(
        "error: PAM: Authentication failure for illegal user bad from 192.0.2.7",
        "ssh_pam_error",
        Some("bad"),
        ip,
        None,
    );
    let failed = mapped("Failed password for invalid user admin from 192.0.2.7 port 22 ssh2");
    assert_eq!(failed.class, Class::LogonFailure);
    assert_eq!(failed.str(field::EVENT_REASON), Some("invalid user"));
}

#[test]
fn a_name_cannot_move_the_address() {
    check(
        "Failed password for invalid user X from 192.0.2.1 from 203.0.113.8 port 22 ssh2",
        "ssh_login",
        Some("X from 192.0.2.1"),
        Some("203.0.113.8"),
        Some(22),
    );
    check(
        "Failed password for invalid user X from 192.0.2.1 port 5 ssh2 from 203.0.113.8 port 22 ssh2",
        "ssh_login",
        Some("X from 192.0.2.1 port 5 ssh2"),
        Some("203.0.113.8"),
        Some(22),
    );
    check(
        "Invalid user a from 192.0.2.1 from 203.0.113.8 port 22",
        "ssh_invalid_user",
        Some("a from 192.0.2.1"),
        Some("203.0.113.8"),
        Some(22),
    );
    check(
        "Connection closed by invalid user a 192.0.2.1 port 1 203.0.113.8 port 22 [preauth]",
        "ssh_preauth_disconnect",
        Some("a 192.0.2.1 port 1"),
        Some("203.0.113.8"),
        Some(22),
    );
}

#[test]
fn disconnects_and_probes() {
    let ip = Some("192.0.2.7");
    check(
        "Received disconnect from 192.0.2.7 port 22:11: disconnected by user",
        "ssh_disconnected",
        None,
        ip,
        Some(22),
    );
    check(
        "Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]",
        "ssh_preauth_disconnect",
        None,
        ip,
        None,
    );
    check(
        "Disconnected from user bob 192.0.2.7 port 22",
        "ssh_disconnected",
        Some("bob"),
        ip,
        Some(22),
    );
    check(
        "Connection closed by authenticating user root 192.0.2.7 port 22 [preauth]",
        "ssh_preauth_disconnect",
        Some("root"),
        ip,
        Some(22),
    );
    check(
        "Connection reset by 192.0.2.7 port 22 [preauth]",
        "ssh_preauth_disconnect",
        None,
        ip,
        Some(22),
    );
    check(
        "Did not receive identification string from 192.0.2.7",
        "ssh_protocol_error",
        None,
        ip,
        None,
    );
    check(
        "Bad protocol version identification 'GET / from 10.0.0.1 port 1' from 192.0.2.7 port 80",
        "ssh_protocol_error",
        None,
        ip,
        Some(80),
    );
    check(
        "reverse mapping checking getaddrinfo for a.example [192.0.2.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
        "ssh_reverse_lookup_mismatch",
        None,
        ip,
        None,
    );
    check(
        "Address 192.0.2.7 maps to a.example, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!",
        "ssh_reverse_lookup_mismatch",
        None,
        ip,
        None,
    );
    check(
        "fatal: Timeout before authentication for 192.0.2.7 port 47056",
        "ssh_preauth_disconnect",
        None,
        ip,
        Some(47056),
    );
    check("refused connect from example.com (192.0.2.7)", "ssh_connection_refused", None, ip, None);
}

#[test]
fn keys_accounts_and_limits() {
    let ip = Some("192.0.2.7");
    check(
        "fatal: Access denied for user bob by PAM account configuration [preauth]",
        "ssh_login",
        Some("bob"),
        None,
        None,
    );
    check(
        "ROOT LOGIN REFUSED FROM 192.0.2.7 port 22",
        "ssh_user_not_allowed",
        Some("root"),
        ip,
        Some(22),
    );
    check(
        "Authentication tried for bob with correct key but not from a permitted host (host=a.example, ip=192.0.2.7, required=10.*).",
        "ssh_key_refused",
        Some("bob"),
        ip,
        None,
    );
    check(
        "Partial publickey for bob from 192.0.2.7 port 22 ssh2: RSA SHA256:a",
        "ssh_partial",
        Some("bob"),
        ip,
        Some(22),
    );
    check(
        "error: userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]",
        "ssh_key_refused",
        None,
        None,
        None,
    );
    check(
        "Disconnecting: Too many authentication failures for invalid user a b [preauth]",
        "ssh_max_attempts",
        Some("a b"),
        None,
        None,
    );
    check(
        "drop connection #10 from [192.0.2.7]:5000 on [198.51.100.1]:22 past MaxStartups",
        "ssh_connection_dropped",
        None,
        ip,
        Some(5000),
    );
    check(
        "srclimit_penalise: ipv4: new 192.0.2.7/32 deferred penalty of 5 seconds for penalty: failed authentication",
        "ssh_connection_dropped",
        None,
        ip,
        None,
    );
    check(
        "Timeout before authentication for connection from 192.0.2.7 to 198.51.100.1, pid = 77",
        "ssh_preauth_disconnect",
        None,
        ip,
        None,
    );
    check(
        "Accepted key ED25519 SHA256:a found at /home/bob/.ssh/authorized_keys:1",
        "ssh_key_found",
        None,
        None,
        None,
    );
    let event = mapped(
        "Authentication refused: bad ownership or modes for file /home/bob/.ssh/authorized_keys",
    );
    assert_eq!(event.str(field::FILE_PATH), Some("/home/bob/.ssh/authorized_keys"));
}

#[test]
fn sessions_and_files() {
    let ip = Some("192.0.2.7");
    check(
        "Starting session: shell on pts/0 for bob from 192.0.2.7 port 22 id 0",
        "ssh_session_started",
        Some("bob"),
        ip,
        Some(22),
    );
    check(
        "Starting session: subsystem 'sftp' for bob from 192.0.2.7 port 22 id 0",
        "ssh_session_started",
        Some("bob"),
        ip,
        Some(22),
    );
    check(
        "Close session: user bob from 192.0.2.7 port 22 id 0",
        "ssh_session_ended",
        Some("bob"),
        ip,
        Some(22),
    );
    check(
        "session opened for local user bob from [192.0.2.7]",
        "ssh_session_started",
        Some("bob"),
        ip,
        None,
    );
    check(
        "subsystem request for netconf by user bob failed, subsystem not found",
        "ssh_subsystem",
        Some("bob"),
        None,
        None,
    );
    for (text, action, path) in [
        (
            "open \"/home/bob/a \"b\".txt\" flags WRITE,CREATE,TRUNCATE mode 0644",
            "sftp_create",
            "/home/bob/a \"b\".txt",
        ),
        ("open \"/etc/passwd\" flags READ mode 0666", "sftp_read", "/etc/passwd"),
        ("remove name \"/tmp/x\"", "sftp_delete", "/tmp/x"),
        ("rename old \"/tmp/x\" new \"/tmp/y\"", "sftp_rename", "/tmp/y"),
        ("mkdir name \"/tmp/d\" mode 0777", "sftp_create", "/tmp/d"),
        ("opendir \"/tmp\"", "sftp_read", "/tmp"),
    ] {
        let event = mapped(text);
        assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
        assert_eq!(event.str(field::FILE_PATH), Some(path), "{text}");
    }
}

#[test]
fn noise_and_the_server_itself() {
    let ip = Some("192.0.2.7");
    for text in [
        "Corrupted MAC on input. [preauth]",
        "Bad packet length 77.",
        "error: kex_exchange_identification: client sent invalid protocol identifier \"GET / HTTP/1.1\"",
        "fatal: Unable to negotiate a key exchange method [preauth]",
        "error: kex_protocol_error: type 20 seq 2 [preauth]",
    ] {
        check(text, "ssh_protocol_error", None, None, None);
    }
    check(
        "Disconnecting: bad client public DH value [preauth]",
        "ssh_preauth_disconnect",
        None,
        None,
        None,
    );
    check(
        "Read error from remote host 192.0.2.7: Connection reset by peer",
        "ssh_protocol_error",
        None,
        ip,
        None,
    );
    check(
        "Protocol major versions differ for 192.0.2.7 port 5: SSH-2.0-x vs. SSH-1.5-y",
        "ssh_protocol_error",
        None,
        ip,
        Some(5),
    );
    check(
        "Magic value check failed (77) on obfuscated handshake from 192.0.2.7 port 5",
        "ssh_protocol_error",
        None,
        ip,
        Some(5),
    );
    check(
        "Disconnected from some user ftp 192.0.2.7 port 22 [preauth]",
        "ssh_preauth_disconnect",
        None,
        ip,
        Some(22),
    );
    check(
        "debug1: getpeername failed: Transport endpoint is not connected",
        "ssh_debug",
        None,
        None,
        None,
    );
    check(
        "debug1: channel 5: connection failed: Connection refused",
        "ssh_forward",
        None,
        None,
        None,
    );
    check("error: Could not load host key: /etc/ssh/x", "ssh_error", None, None, None);
    check("Received signal 15; terminating.", "ssh_stopped", None, None, None);
    let event = mapped("error: connect_to 10.0.0.1 port 80: failed.");
    assert_eq!(event.str(field::DESTINATION_IP), Some("10.0.0.1"));
    let event = mapped("Server listening on 0.0.0.0 port 2222.");
    assert_eq!(event.get(field::SERVER_PORT), Some(crate::model::event::Value::Int(2222)));
    assert!(!map("just a sentence", &mut Event::default()));
}
