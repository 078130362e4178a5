//! National numbers of people and of their accounts, each with the check that its issuer made for it: the check digit
//! where there is one, else which numbers were ever given out.

/// A US social security number, `ddd-dd-dddd`: no check digit, but ranges that were never issued, and two numbers that
/// were printed in advertisements.
pub fn us_ssn(text: &str) -> bool {
    let digits = digits_of(text);
    let [a, b, c, d, e, f, g, h, i] = digits.as_slice() else { return false };
    let number = |digits: &[&u8]| digits.iter().fold(0_u32, |n, digit| n * 10 + u32::from(**digit));
    let (area, group, serial) = (number(&[a, b, c]), number(&[d, e]), number(&[f, g, h, i]));
    area != 0
        && area != 666
        && area < 900
        && group != 0
        && serial != 0
        && !matches!((area, group, serial), (78, 5, 1120) | (219, 9, 9999) | (123, 45, 6789))
}

/// Lengths of IBANs by country, as the registry of SWIFT says.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// How many bytes of the text, from its start, are an IBAN, in one piece or in groups with a blank between them.
pub fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?;
    let (_, length) = IBAN_LENGTHS.iter().find(|(known, _)| *known == country)?;
    let mut plain = Vec::with_capacity(*length);
    let mut end = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'A'..=b'Z' | b'0'..=b'9' => plain.push(byte),
            // Groups are of four.
            b' ' if plain.len().is_multiple_of(4) && !plain.is_empty() => continue,
            _ => return None,
        }
        if plain.len() == *length {
            end = at + 1;
            break;
        }
    }
    let next = text.as_bytes().get(end);
    if end == 0 || next.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return None;
    }
    let (head, body) = plain.split_at_checked(4)?;
    let check = body.iter().chain(head).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
    });
    (check == 1).then_some(end)
}

/// A UK national insurance number: two letters, six digits, a letter; which letters were ever used.
pub fn uk_nino(text: &str) -> bool {
    let plain: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let [one, two, digits @ .., last] = plain.as_slice() else { return false };
    let first = one.is_ascii_uppercase() && !b"DFIQUV".contains(one);
    let second = two.is_ascii_uppercase() && !b"DFIOQUV".contains(two);
    let unused = [b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
    first
        && second
        && digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && (b'A'..=b'D').contains(last)
        && !unused.iter().any(|pair| pair.as_slice() == [*one, *two])
}

/// A German tax number of a person (IdNr): one digit of the first ten stands twice or three times, the others once at
/// most, and the last is the check digit of ISO 7064 MOD 11,10.
pub fn de_tax_id(text: &str) -> bool {
    let digits = digits_of(text);
    let Some((check, body)) = digits.split_last() else { return false };
    if body.len() != 10 || body.first() == Some(&0) {
        return false;
    }
    let mut counts = [0_u8; 10];
    for digit in body {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
    }
    let repeated: Vec<&u8> = counts.iter().filter(|count| **count > 1).collect();
    if !matches!(repeated.as_slice(), [2 | 3]) {
        return false;
    }
    let product = body.iter().fold(10_u32, |product, digit| {
        let sum = match (u32::from(*digit) + product) % 10 {
            0 => 10,
            sum => sum,
        };
        2 * sum % 11
    });
    u32::from(*check) == (11 - product) % 10
}

/// A French social security number (NIR) with its key: sex, year, month, place, order, and 97 minus the rest by 97.
pub fn fr_nir(text: &str) -> bool {
    let plain: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    if plain.len() != 15 {
        return false;
    }
    // Corsica's departments are counted as 19 and 18.
    let department: &[u8] = match plain.get(5..7) {
        Some(b"2A") => b"19",
        Some(b"2B") => b"18",
        Some(digits) => digits,
        None => return false,
    };
    let parts = [plain.get(..5), Some(department), plain.get(7..13)];
    let mut number = 0_u64;
    for byte in parts.into_iter().flatten().flatten() {
        if !byte.is_ascii_digit() {
            return false;
        }
        number = number * 10 + u64::from(byte - b'0');
    }
    let key = plain.get(13..).and_then(|key| std::str::from_utf8(key).ok());
    let key: Option<u64> = key.and_then(|key| key.parse().ok());
    let month = plain.get(3..5).and_then(|month| std::str::from_utf8(month).ok());
    let month: u32 = month.and_then(|month| month.parse().ok()).unwrap_or(0);
    matches!(plain.first(), Some(b'1'..=b'4' | b'7' | b'8'))
        && matches!(month, 1..=12 | 20 | 30..=42 | 50..=99)
        && key == Some(97 - number % 97)
}

fn digits_of(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn social_security_numbers() {
        assert!(us_ssn("536-22-8716"));
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "536-00-8716",
            "536-22-0000",
            "078-05-1120",
            "123-45-678",
        ] {
            assert!(!us_ssn(text), "{text}");
        }
    }

    #[test]
    fn ibans() {
        for text in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB29NWBK60161331926819",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO9386011117947",
            "NL91ABNA0417164300",
        ] {
            assert_eq!(iban(text), Some(text.len()), "{text}");
            assert_eq!(iban(&format!("{text}, thanks")), Some(text.len()), "{text}");
        }
        for text in [
            "DE88370400440532013000",
            "DE89370400440532013000X",
            "XX89370400440532013000",
            "DE8937040044053201300",
            "DE 89370400440532013000",
            "",
        ] {
            assert_eq!(iban(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_people() {
        assert!(uk_nino("AB123456C") && uk_nino("JG 10 37 59 A"));
        for text in ["GB123456A", "QQ123456C", "AO123456C", "AB123456E", "AB12345C", "ab123456c"] {
            assert!(!uk_nino(text), "{text}");
        }
        // The sample numbers of the German and French administrations.
        assert!(
            de_tax_id("86095742719") && de_tax_id("47036892816") && de_tax_id("65 929 970 489")
        );
        for text in ["86095742718", "11111111111", "12345678901", "06095742719", "8609574271"] {
            assert!(!de_tax_id(text), "{text}");
        }
        assert!(fr_nir("255081416802538") && fr_nir("1 84 12 76 451 089 46"));
        for text in ["255081416802539", "955081416802538", "25508141680253", "255131416802538"] {
            assert!(!fr_nir(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_fine(text in "\\PC{0,40}|[A-Z0-9 -]{0,40}") {
            let _ = (us_ssn(&text), iban(&text), uk_nino(&text), de_tax_id(&text), fr_nir(&text));
        }
    }
}
