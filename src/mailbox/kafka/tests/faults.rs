//! What goes wrong with Kafka, and how the mailbox gets over it.
