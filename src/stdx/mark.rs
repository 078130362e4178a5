//! Short marks of names: the same on every node and after every start, which the hashes of maps are not.

use std::hash::Hasher as _;

use fnv::FnvHasher;

/// The mark of these parts, one after the other (FNV-1a, 64 bits). Not for what somebody may want to collide.
pub fn of(parts: &[&[u8]]) -> u64 {
    let mut hasher = FnvHasher::default();
    parts.iter().for_each(|part| hasher.write(part));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn marks_are_those_of_the_published_vectors() {
        // Fowler, Noll, Vo, Eastlake: "The FNV Non-Cryptographic Hash Algorithm", its test vectors.
        assert_eq!(super::of(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::of(&[b"a"]), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(super::of(&[b"foo", b"", b"bar"]), 0x8594_4171_f739_67e8);
    }
}
