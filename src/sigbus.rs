//! Handles the truncation of a file that this process has mapped. SQLite maps its `-shm` files, and
//! an access to a missing page raises SIGBUS, which would end the process without a message and
//! without restoring the terminal.
//!
//! This module owns the handler of that signal and the message. It cannot save anything: stored
//! data is safe, and SQLite recreates the file at the next start. It is independent of who has
//! which file open.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io::{PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

static ONCE: Once = Once::new();
/// Where the handler writes which address was touched.
static TELL: AtomicI32 = AtomicI32::new(-1);

/// From now on a file that is cut short ends the process with exit code 1: before, `farewell` is
/// called with a sentence for the user, on a thread that holds nothing; it should give the terminal
/// back. What touched the file stands still meanwhile. Does nothing when called again, or when the
/// system grants no thread or pipe.
pub fn watch(farewell: impl FnOnce(&str) + Send + 'static) {
    ONCE.call_once(|| {
        let Ok((mut reader, writer)) = std::io::pipe() else {
            return;
        };
        TELL.store(writer.into_raw_fd(), Ordering::SeqCst);
        let waits = move || {
            // It stays open: other threads may touch the file before the end, and have to be able
            // to tell.
            if let Some(address) = address(&mut reader) {
                farewell(&sentence(name(address).as_deref()));
                // SAFETY: it only ends the process. Nothing is tidied up: threads that stand still
                // may hold anything.
                unsafe { libc::_exit(1) };
            }
        };
        if std::thread::Builder::new().name("kirc-cutshort".to_owned()).spawn(waits).is_ok() {
            install();
        }
    });
}

fn address(reader: &mut PipeReader) -> Option<usize> {
    let mut bytes = [0; size_of::<usize>()];
    reader.read_exact(&mut bytes).ok()?;
    Some(usize::from_ne_bytes(bytes))
}

/// The file that is mapped there, as Linux tells; elsewhere it stays unnamed.
fn name(address: usize) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| file_at(line, address))
}

/// The file of a line of `/proc/PID/maps`, `from-to rights offset device inode file`, if the
/// address is in it.
fn file_at(line: &str, address: usize) -> Option<String> {
    let (from, rest) = line.split_once('-')?;
    let (to, rest) = rest.split_once(' ')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let file = &rest[rest.find('/')?..];
    (number(from)?..number(to)?).contains(&address).then(|| file.to_owned())
}

fn sentence(file: Option<&str>) -> String {
    let file = file.unwrap_or("a file in kirc's folders (one that ends in -shm)");
    format!(
        "{file} was cut short by another program while kirc had it open, so kirc had to stop. What it had taken in is stored. \
         Start kirc again: the file is made anew"
    )
}

fn install() {
    // SAFETY: a `sigaction` of zeros is a valid one: no flags, an empty mask. `caught` has the
    // signature that SA_SIGINFO asks for and does only what POSIX lets a handler do. Both pointers
    // live during the call; the old action is not asked for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut());
    }
}

/// Tells the waiting thread, and stands still: to return would be to touch the same place again.
extern "C" fn caught(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the system calls this with a `siginfo_t` that lives during the call, and SIGBUS fills
    // its address in. The bytes live on this stack. `write` and `pause` may be called in a handler;
    // the pipe is never closed.
    unsafe {
        let bytes = ((*info).si_addr() as usize).to_ne_bytes();
        // If it can't be told nobody would ever end this: then the signal does what it did before.
        if libc::write(TELL.load(Ordering::SeqCst), bytes.as_ptr().cast(), bytes.len()) < 0 {
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
            return;
        }
        loop {
            libc::pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_at_an_address_is_found() {
        let line = "7f00-7f10 rw-s 00000000 fe:00 42                         /home/a b/grid/mailbox.db-shm";
        assert_eq!(file_at(line, 0x7f00).as_deref(), Some("/home/a b/grid/mailbox.db-shm"));
        assert_eq!(file_at(line, 0x7f0f).as_deref(), Some("/home/a b/grid/mailbox.db-shm"));
        for outside in [0x7eff, 0x7f10, 0] {
            assert_eq!(file_at(line, outside), None);
        }
        assert_eq!(file_at("7f00-7f10 rw-p 00000000 00:00 0 [heap]", 0x7f01), None);
        assert_eq!(file_at("nothing", 1), None);
    }
}
