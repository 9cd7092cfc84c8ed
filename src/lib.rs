//! kirc: the program around the core.
