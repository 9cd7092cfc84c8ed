//! Tests of the channel, by subject; `support` provides a channel to run acts on.
mod acts;
mod brief;
mod gates;
mod hosted;
mod modes;
mod order;
mod props;
mod ranks;
mod speech;
mod support;
