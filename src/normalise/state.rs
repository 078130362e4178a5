//! What a stream's decoder keeps for the commit: sections, each with a tag, so that one part can change its form without
//! the others. A section is its tag (one byte), its length (four bytes, little-endian) and its bytes.

/// The first byte. A state that begins with another one was written before there were sections.
const VERSION: u8 = 9;

/// The parts that keep something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// Syslog and audit records.
    Linux = 1,
    /// Mappings: pairs of records, columns.
    Mappings = 2,
    /// Pieces of script texts.
    Scripts = 3,
    /// Pieces of lines of containers.
    Partial = 4,
}

/// Put sections together; `None`: none of them keeps anything.
pub fn pack(sections: &[(Section, Option<Vec<u8>>)]) -> Option<Vec<u8>> {
    if sections.iter().all(|(_, bytes)| bytes.is_none()) {
        return None;
    }
    let mut state = vec![VERSION];
    for (section, bytes) in sections {
        let Some(bytes) = bytes else { continue };
        let length = u32::try_from(bytes.len()).ok()?;
        state.push(*section as u8);
        state.extend_from_slice(&length.to_le_bytes());
        state.extend_from_slice(bytes);
    }
    Some(state)
}

/// The bytes of a section. A state without sections is all Linux's.
pub fn section(state: &[u8], wanted: Section) -> Option<&[u8]> {
    let Some(mut rest) = state.strip_prefix(&[VERSION]) else {
        return Some(state).filter(|_| wanted == Section::Linux);
    };
    while let Some((tag, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk::<4>()?;
        let (bytes, left) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if *tag == wanted as u8 {
            return Some(bytes);
        }
        rest = left;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_again_and_damage_gives_none() {
        let state = pack(&[
            (Section::Linux, Some(vec![1, 2])),
            (Section::Mappings, None),
            (Section::Scripts, Some(vec![3])),
        ])
        .unwrap();
        assert_eq!(section(&state, Section::Linux), Some(&[1, 2][..]));
        assert_eq!(section(&state, Section::Mappings), None);
        assert_eq!(section(&state, Section::Scripts), Some(&[3][..]));
        for cut in 0..state.len() {
            section(&state[..cut], Section::Scripts);
        }
        assert_eq!(section(&[1, 5, 5], Section::Linux), Some(&[1, 5, 5][..]));
        assert_eq!(pack(&[(Section::Linux, None)]), None);
    }
}
