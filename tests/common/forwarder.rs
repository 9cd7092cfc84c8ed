//! A way between one node and one service that a test can cut: bytes stand still in both directions
//! until it is mended.
//!
//! It reads nothing of what it forwards.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Whether bytes go through.
#[derive(Default)]
struct Gate {
    cut: Mutex<bool>,
    mended: Condvar,
}

impl Gate {
    fn pass(&self) {
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.mended.wait_while(cut, |cut| *cut).unwrap_or_else(PoisonError::into_inner));
    }
}

/// A port of this machine that leads to another one.
pub struct Forwarder {
    /// Where to come.
    pub port: u16,
    gate: Arc<Gate>,
}

impl Forwarder {
    /// Listens on a port (0: any) and leads to another. It ends with the test's process.
    pub fn start(port: u16, to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let port = listener.local_addr().expect("a port").port();
        let gate: Arc<Gate> = Arc::default();
        let shared = gate.clone();
        std::thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                let gate = shared.clone();
                std::thread::spawn(move || {
                    gate.pass();
                    if let Ok(there) = TcpStream::connect(("127.0.0.1", to)) {
                        let pair = (here.try_clone(), there.try_clone());
                        if let (Ok(back), Ok(forth)) = pair {
                            let behind = gate.clone();
                            std::thread::spawn(move || pump(forth, back, &behind));
                            pump(here, there, &gate);
                        }
                    }
                });
            }
        });
        Self { port, gate }
    }

    /// From now on nothing goes through, and nobody is told.
    pub fn cut(&self) {
        *self.gate.cut.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// From now on all goes through again, what was held up first.
    pub fn mend(&self) {
        *self.gate.cut.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.gate.mended.notify_all();
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        gate.pass();
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}
