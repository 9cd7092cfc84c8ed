//! Rules and users on the real broker: what is allowed works, what is not is refused.
