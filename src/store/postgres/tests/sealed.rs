//! A dump of the database holds no text: real nodes talk on a store in PostgreSQL, and all of it is searched.
use super::*;
