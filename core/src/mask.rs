//! IRC masks: `nick!user@host` with `*` and `?`. In kirc the user is the actor id and the host its cluster.

/// Completes a partial mask the way IRC servers do: `bob` is `bob!*@*`, `*@host` is `*!*@host`.
pub fn normalise(mask: &str) -> String {
    let _ = mask;
    todo!()
}

/// Whether a mask matches `nick!user@host`; case is folded; linear time for any mask.
pub fn matches(mask: &str, prefix: &str) -> bool {
    let _ = (mask, prefix);
    todo!()
}
