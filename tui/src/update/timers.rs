//! State that expires by itself.
//!
//! Owns: deadlines. Must not: set timers; the driver asks when to wake.
use crate::model::Model;
use crate::when::Millis;

/// Ends what is over.
pub fn expire(model: &mut Model) {
    let now = model.now;
    if model.quit_armed.is_some_and(|until| until <= now) {
        model.quit_armed = None;
    }
    for buffer in model.buffers.iter_mut() {
        buffer.typing.retain(|(_, until)| *until > now);
    }
}

/// When something will end next. Nothing: the UI can sleep until something happens.
pub fn next_wake(model: &Model) -> Option<Millis> {
    let typing = model.buffers.current().typing.iter().map(|(_, until)| *until);
    typing.chain(model.quit_armed).min()
}
