//! The comparison of names: IRC's `rfc1459` case mapping.
//!
//! Owns: case folding for look-ups. Must not: check whether a name is allowed (the node does).

/// The form under which a name is looked up.
pub fn fold(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '[' => '{',
            ']' => '}',
            '\\' => '|',
            '~' => '^',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// Whether two names are the same.
pub fn same(a: &str, b: &str) -> bool {
    fold(a) == fold(b)
}

/// Whether this names a channel rather than a person.
pub fn is_channel(name: &str) -> bool {
    name.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_letters() {
        assert!(same("Al[ice]", "al{ICE}"));
        assert!(!same("alice", "alicf"));
        assert!(is_channel("#a") && !is_channel("a"));
    }
}
