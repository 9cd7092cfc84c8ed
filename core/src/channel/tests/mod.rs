//! Tests of the channel, by what they look at; `support` holds a channel that can be told stories.
mod acts;
mod brief;
mod gates;
mod modes;
mod order;
mod props;
mod ranks;
mod speech;
mod support;
