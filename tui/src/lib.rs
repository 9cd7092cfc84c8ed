//! kirc-tui: the terminal UI.
