//! The real terminal: sets it up, and restores it in every case.
//!
//! Owns: raw mode, alternate screen, line wrap, paste and focus reports, title, bell. Must not:
//! depend on what is drawn.
use std::io::{self, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::{ResetColor, force_color_output};
use ratatui::crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode,
    enable_raw_mode,
};

/// What the UI does to the terminal besides drawing.
pub trait Outside {
    /// Sets the terminal's title.
    fn title(&mut self, title: &str);
    /// Rings.
    fn bell(&mut self);
    /// Gives the terminal back and stops the program, until the shell lets it go on.
    fn suspend(&mut self);
    /// Takes the terminal again after the program was stopped.
    fn resume(&mut self) -> io::Result<()>;
}

/// Does nothing; for tests.
#[derive(Debug, Default)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn title(&mut self, _: &str) {}
    fn bell(&mut self) {}
    fn suspend(&mut self) {}
    fn resume(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How often it is looked whether the terminal is still there.
const LOOK: Duration = Duration::from_secs(2);

static ACTIVE: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Holds the terminal; gives it back when it is dropped, and before a panic is reported.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal.
    pub fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
            }));
        });
        // With NO_COLOR set, crossterm would write empty colour sequences, which reset bold and
        // reverse. The mono theme has no colours at all, so what crossterm writes need not be
        // censored again.
        force_color_output(true);
        // From here on the guard restores, also what was only half done.
        let guard = Self(());
        take()?;
        Ok(guard)
    }
}

fn take() -> io::Result<()> {
    ACTIVE.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    // A terminal that takes more columns for an emoji than we do must not go on in the next row
    // with it.
    execute!(io::stdout(), DisableLineWrap)
}

/// Done once the terminal is gone: its window was closed, and no signal said so. Whoever reads it
/// then reads nothing, for ever.
pub async fn gone() {
    let mut failed = 0;
    while failed < 2 {
        tokio::time::sleep(LOOK).await;
        failed = if ratatui::crossterm::terminal::window_size().is_err() { failed + 1 } else { 0 };
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back, once. Each step is tried, whatever became of the one before.
pub fn restore() {
    if !ACTIVE.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = execute!(out, DisableFocusChange);
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, SetTitle(""));
    let _ = execute!(out, ResetColor, Show);
    let _ = execute!(out, EnableLineWrap);
    let _ = execute!(out, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

impl Outside for Guard {
    fn title(&mut self, title: &str) {
        // What is not shown as a title is not worth an error.
        let _ = execute!(io::stdout(), SetTitle(crate::text::clean(title)));
    }

    fn bell(&mut self) {
        let mut out = io::stdout();
        let _ = out.write_all(b"\x07").and_then(|()| out.flush());
    }

    fn suspend(&mut self) {
        restore();
        #[cfg(unix)]
        // The whole job stops, as with C-z anywhere else. If it can't, we go on at once.
        if rustix::process::kill_current_process_group(rustix::process::Signal::TSTP).is_err() {
            let _ = take();
        }
    }

    fn resume(&mut self) -> io::Result<()> {
        // Whoever stopped us from outside left the terminal as the shell has it now.
        restore();
        take()
    }
}
