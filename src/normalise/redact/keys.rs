//! Keys of JSON and of other pairs whose value is a secret as a whole.

/// A longer key names something else.
const KEY_BYTES_MAX: usize = 40;
/// Digits that a number under such a key has at least: fewer are a switch or a count.
pub const NUMBER_DIGITS_MIN: usize = 4;

/// The kind of secret that a key alone announces, in any writing (`dbPassword`, `api-key`, `Set-Cookie`).
pub fn secret_key(key: &str) -> Option<&'static str> {
    // Every kind of key ends in one of these; this runs for every text of every object.
    let last = key.bytes().rev().find(u8::is_ascii_alphanumeric)? | 0x20;
    if key.len() > KEY_BYTES_MAX
        || !matches!(last, b'd' | b'e' | b'h' | b'n' | b'p' | b's' | b't' | b'y')
    {
        return None;
    }
    let mut plain = [0_u8; KEY_BYTES_MAX];
    let mut length = 0;
    for byte in key.bytes().filter(u8::is_ascii_alphanumeric) {
        if let Some(slot) = plain.get_mut(length) {
            *slot = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    let plain = plain.get(..length).unwrap_or_default();
    let ends = |words: &[&str]| words.iter().any(|word| plain.ends_with(word.as_bytes()));
    let is = |words: &[&str]| words.iter().any(|word| plain == word.as_bytes());
    if ends(&["password", "passwd", "passphrase", "passcode", "passwordhash", "userpwd"])
        || is(&["pwd", "pass", "dbpass"])
    {
        Some("password")
    } else if ends(&[
        "apikey",
        "secretkey",
        "privatekey",
        "accountkey",
        "sharedaccesskey",
        "encryptionkey",
        "signingkey",
        "masterkey",
        "storagekey",
        "functionskey",
    ]) {
        Some("key")
    } else if ends(&["setcookie"]) || is(&["cookie"]) {
        Some("cookie")
    } else if ends(&[
        "authtoken",
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "sessiontoken",
        "securitytoken",
        "bearertoken",
        "vaulttoken",
        "clienttoken",
        "apitoken",
        "csrftoken",
        "xsrftoken",
        "webhooksecret",
        "clientsecret",
        "appsecret",
        "signingsecret",
        "sharedsecret",
        "authorization",
    ]) || is(&["token", "secret", "otp", "totp"])
    {
        Some("token")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_writing() {
        for (key, kind) in [
            ("dbPassword", "password"),
            ("PASS", "password"),
            ("api-key", "key"),
            ("X-API-Key", "key"),
            ("private_key", "key"),
            ("Set-Cookie", "cookie"),
            ("authorization", "token"),
            ("Proxy-Authorization", "token"),
            ("access_token", "token"),
            ("client_secret", "token"),
            ("X-Vault-Token", "token"),
            ("aws_session_token", "token"),
        ] {
            assert_eq!(secret_key(key), Some(kind), "{key}");
        }
        for key in [
            "",
            "-",
            "message",
            "PublicKeyToken",
            "max_tokens",
            "nextToken",
            "private_key_id",
            "passwordLastSet",
            "secretName",
            "TokenElevationType",
            "bypass",
            "compass",
            "key",
            "a_very_long_name_that_no_secret_would_have_password",
        ] {
            assert_eq!(secret_key(key), None, "{key}");
        }
    }
}
