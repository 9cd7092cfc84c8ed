//! One admin call: started, awaited without a thread, and answered with an event.
//!
//! This module owns the queue on which the answer arrives. It is independent of the content of the
//! request.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::Notify;

use super::super::client::Client;
use super::copied;

/// Why a call failed: librdkafka's code and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Failure {
    pub(in super::super) code: RDKafkaErrorCode,
    pub(in super::super) text: String,
}

/// A queue of a client, with a bell that rings when something comes in.
pub(super) struct Queue {
    ptr: *mut rd::rd_kafka_queue_t,
    bell: Arc<Notify>,
    /// The client must outlive its queues.
    client: Arc<Client>,
}

// SAFETY: librdkafka's queues are locked inside and may be used from any thread; the pointer is
// ours alone.
unsafe impl Send for Queue {}
// SAFETY: as above: all calls on a queue lock it.
unsafe impl Sync for Queue {}

/// Rings the bell: called by librdkafka's threads, with the queue locked, so it may call nothing of
/// the library.
unsafe extern "C" fn ring(_: *mut rd::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: `bell` is the `Notify` that `Queue::new` handed over; `Queue` holds an `Arc` of it
    // and takes the callback away before it lets go of that. Taking away locks the queue, so no
    // call is under way afterwards.
    let bell = unsafe { &*bell.cast::<Notify>() };
    bell.notify_one();
}

impl Queue {
    pub(super) fn new(client: &Arc<Client>) -> Option<Self> {
        let rk = client.consumer()?.client().native_ptr();
        let bell = Arc::new(Notify::new());
        // SAFETY: `rk` lives as long as `client`, of which `Queue` keeps an `Arc`. The bell lives
        // until the callback is taken away in `drop`.
        let ptr = unsafe {
            let ptr = rd::rd_kafka_queue_new(rk);
            if ptr.is_null() {
                return None;
            }
            rd::rd_kafka_queue_cb_event_enable(ptr, Some(ring), Arc::as_ptr(&bell).cast_mut().cast());
            ptr
        };
        Some(Self { ptr, bell, client: client.clone() })
    }

    pub(super) fn ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.ptr
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Rings when the queue was empty and is not any more: who is woken must take until nothing is
    /// left.
    pub(super) fn bell(&self) -> &Notify {
        &self.bell
    }

    fn poll(&self) -> Option<Event> {
        // SAFETY: the queue is alive; the event that comes is ours to destroy, which `Event` does.
        let ptr = unsafe { rd::rd_kafka_queue_poll(self.ptr, 0) };
        (!ptr.is_null()).then_some(Event(ptr))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive and nobody else has the pointer; calls that still answer hold
        // a reference of their own, and librdkafka throws away what is put into a queue that was
        // destroyed.
        unsafe {
            rd::rd_kafka_queue_cb_event_enable(self.ptr, None, ptr::null_mut());
            rd::rd_kafka_queue_destroy(self.ptr);
        }
    }
}

/// An answer.
pub(super) struct Event(*mut rd::rd_kafka_event_t);

// SAFETY: an event belongs to nobody but its holder; librdkafka does not care which thread reads or
// destroys it.
unsafe impl Send for Event {}
// SAFETY: it is only read.
unsafe impl Sync for Event {}

impl Event {
    pub(super) fn ptr(&self) -> *mut rd::rd_kafka_event_t {
        self.0
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is ours and alive; whatever was read from it was copied.
        unsafe { rd::rd_kafka_event_destroy(self.0) };
    }
}

/// Options of a call.
struct Options(*mut rd::rd_kafka_AdminOptions_t);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: made in `call`, destroyed once; librdkafka copies options when a call is made.
        unsafe { rd::rd_kafka_AdminOptions_destroy(self.0) };
    }
}

fn internal(what: &str) -> Failure {
    Failure { code: RDKafkaErrorCode::Fail, text: what.to_owned() }
}

/// A call that was made.
pub(super) struct Call(Result<Queue, Failure>);

/// Makes a call. `ask` is called once, before this returns, with the client, options and queue to
/// hand on; it may not keep them.
pub(super) fn call(
    client: &Arc<Client>,
    op: rd::rd_kafka_admin_op_t,
    timeout: Duration,
    ask: impl FnOnce(*mut rd::rd_kafka_t, *const rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t),
) -> Call {
    Call(begin(client, op, timeout, ask))
}

impl Call {
    /// Waits for the answer to a question whose refusal librdkafka (2.12,
    /// `DescribeUserScramCredentials`) tells by a text on a stack that is gone by then: it can be
    /// neither read nor freed. The event is left behind instead; it is small, and rare.
    pub(super) async fn answer_without_text(self) -> Result<Event, Failure> {
        let queue = self.0?;
        loop {
            if let Some(event) = queue.poll() {
                // SAFETY: the event is alive; the call only reads a number, and the text is one of
                // librdkafka's constants.
                let (code, text) = unsafe {
                    let code = rd::rd_kafka_event_error(event.ptr());
                    (code, copied(rd::rd_kafka_err2str(code)))
                };
                if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Ok(event);
                }
                std::mem::forget(event);
                return Err(Failure { code: code.into(), text });
            }
            queue.bell.notified().await;
        }
    }

    /// Waits for the answer.
    pub(super) async fn answer(self) -> Result<Event, Failure> {
        let queue = self.0?;
        loop {
            if let Some(event) = queue.poll() {
                // SAFETY: the event is alive; both calls only read it, and the text is copied.
                let (code, text) = unsafe {
                    let text = copied(rd::rd_kafka_event_error_string(event.ptr()));
                    (rd::rd_kafka_event_error(event.ptr()), text)
                };
                if code == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Ok(event);
                }
                return Err(Failure { code: code.into(), text });
            }
            queue.bell.notified().await;
        }
    }
}

fn begin(
    client: &Arc<Client>,
    op: rd::rd_kafka_admin_op_t,
    timeout: Duration,
    ask: impl FnOnce(*mut rd::rd_kafka_t, *const rd::rd_kafka_AdminOptions_t, *mut rd::rd_kafka_queue_t),
) -> Result<Queue, Failure> {
    let queue = Queue::new(client).ok_or_else(|| internal("no queue"))?;
    let rk = client.consumer().ok_or_else(|| internal("the client was closed"))?.client().native_ptr();
    // SAFETY: `rk` lives as long as `client`; the options are destroyed by their holder.
    let options = Options(unsafe { rd::rd_kafka_AdminOptions_new(rk, op) });
    if options.0.is_null() {
        return Err(internal("no options"));
    }
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut words = [0; 128];
    // SAFETY: the options are alive; `words` has the length that is told.
    let set = unsafe {
        rd::rd_kafka_AdminOptions_set_request_timeout(options.0, millis, words.as_mut_ptr(), words.len())
    };
    if set != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Err(internal("no such timeout"));
    }
    ask(rk, options.0, queue.ptr());
    Ok(queue)
}
