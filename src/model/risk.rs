//! The risk of an alert in words. A part is `name (why)` with its points; here they become a sum to read.

/// One line a part: `severity 60 (high)`, then `asset +15 (domain controller)` and so on. The last line says
/// what the cap took away, if it did.
pub fn lines(risk: u8, parts: &[(String, u8)]) -> Vec<String> {
    let mut lines: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(index, (what, points))| {
            let plus = if index == 0 { "" } else { "+" };
            match what.split_once(" (") {
                Some((name, why)) => format!("{name} {plus}{points} ({why}"),
                None => format!("{what} {plus}{points}"),
            }
        })
        .collect();
    let sum: u32 = parts.iter().map(|(_, points)| u32::from(*points)).sum();
    if sum > u32::from(risk) && !parts.is_empty() {
        lines.push(format!("capped at {risk} (the sum is {sum})"));
    }
    lines
}

/// All of it in one line: `75 = severity 60 (high), asset +15 (domain controller)`.
pub fn sentence(risk: u8, parts: &[(String, u8)]) -> String {
    if parts.is_empty() {
        return risk.to_string();
    }
    format!("{risk} = {}", lines(risk, parts).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_reads_as_words_and_says_when_it_is_capped() {
        let parts = vec![
            ("severity (critical)".to_owned(), 80),
            ("asset (domain controller)".to_owned(), 15),
            ("plain".to_owned(), 10),
        ];
        assert_eq!(
            sentence(100, &parts),
            "100 = severity 80 (critical), asset +15 (domain controller), plain +10, capped at 100 (the sum is 105)"
        );
        assert_eq!(
            sentence(95, parts.get(..2).unwrap()),
            "95 = severity 80 (critical), asset +15 (domain controller)"
        );
        assert_eq!(sentence(7, &[]), "7");
    }
}
