//! Handles key presses.
//!
//! Owns: the order in which a key is offered: prompt, overlay, key map, text. Must not: know which
//! key triggers which action (the key map does).
use ratatui::crossterm::event::{KeyEvent, KeyEventKind};

use super::{Effect, fetch, focus, help_page, submit, typing};
use crate::commands::{self, Context};
use crate::input::complete;
use crate::keymap::{self, Action, Chord};
use crate::layers::{Confirm, Decision, Handled, Layer};
use crate::text::clean_lines;

/// A paste of more lines than this is asked about.
const PASTE_LINES: usize = 5;
/// How long after an Esc an Enter belongs to it.
const ESCAPE: u64 = 500;
/// How long a second C-c leaves.
const ARMED: u64 = 3_000;

pub(super) fn key(context: &mut Context<'_>, event: KeyEvent) {
    if event.kind == KeyEventKind::Release {
        return;
    }
    context.model.touched = true;
    context.model.attended = context.model.now;
    let chord = Chord::of(&event);
    // An Esc that had nothing to do, right before: that is M-Enter, in two parts.
    let escaped = context.model.escaped.take();
    let joined = chord.is_enter() && escaped.is_some_and(|at| context.model.now < at + ESCAPE);
    let chord = if joined { chord.with_alt() } else { chord };
    if let Some(Layer::Confirm(_)) = context.model.layers.last() {
        return confirm(context, chord);
    }
    match keymap::action(chord) {
        Some(action) => act(context, action),
        None => {
            if let Some(c) = chord.typed() {
                context.model.buffers.current_mut().editor.insert(c.encode_utf8(&mut [0; 4]));
                edited(context);
            }
        }
    }
}

fn edited(context: &mut Context<'_>) {
    context.model.completion = None;
    context.model.quit_armed = None;
    typing::touched(context);
}

fn confirm(context: &mut Context<'_>, chord: Chord) {
    let yes = chord.typed() == Some('y');
    let no = chord.typed() == Some('n')
        || matches!(keymap::action(chord), Some(Action::Leave | Action::Interrupt));
    if !(yes || no) {
        return;
    }
    if let (Some(Layer::Confirm(confirm)), true) = (context.model.layers.pop(), yes) {
        match confirm.yes {
            Decision::Paste(text) => {
                context.model.buffers.current_mut().editor.insert(&text);
                edited(context);
            }
            Decision::CloseChannel(id) => submit::close_channel(context, id),
        }
    }
}

fn act(context: &mut Context<'_>, action: Action) {
    let page = usize::from(context.model.page);
    let idle = context.model.buffers.current().editor.is_empty();
    if let Some(Layer::Page(top)) = context.model.layers.last_mut() {
        match top.act(action, page, idle) {
            Handled::Consumed => return,
            Handled::Passed => {}
            Handled::Close => {
                context.model.layers.pop();
                return;
            }
            Handled::Join(name) => {
                context.model.layers.pop();
                submit::line(context, &format!("/join {name}"));
                return;
            }
        }
    }
    if !matches!(action, Action::Complete | Action::CompleteBack) {
        context.model.completion = None;
    }
    if !matches!(action, Action::Interrupt) {
        context.model.quit_armed = None;
    }
    match action {
        Action::Submit => submit::submit(context),
        Action::PageUp | Action::PageDown | Action::ScrollTop | Action::ScrollBottom => {
            scroll(context, action)
        }
        Action::NextBuffer => go(context, 1),
        Action::PrevBuffer => go(context, -1),
        Action::NextUnread => {
            if let Some(id) = context.model.buffers.next_unread() {
                focus(context.model, id);
            }
        }
        Action::GoTo(n) => {
            let found = context.model.buffers.visible().nth(usize::from(n) - 1).map(|b| b.id);
            if let Some(id) = found {
                focus(context.model, id);
            }
        }
        Action::Leave => {
            context.model.escaped = context.model.alarm.is_none().then_some(context.model.now);
            context.model.alarm = None;
            context.model.buffers.current_mut().scroll.bottoms += 1;
        }
        Action::Suspend => context.effects.push(Effect::Suspend),
        Action::Redraw => context.effects.push(Effect::Redraw),
        Action::Interrupt => interrupt(context),
        Action::Help => context.model.layers.push(Layer::Page(help_page())),
        Action::Complete => tab(context, false),
        Action::CompleteBack => tab(context, true),
        _ => edit(context, action),
    }
}

fn go(context: &mut Context<'_>, by: isize) {
    let to = context.model.buffers.neighbour(by);
    focus(context.model, to);
}

fn scroll(context: &mut Context<'_>, action: Action) {
    let step = i64::from(context.model.page.saturating_sub(2).max(1));
    let buffer = context.model.buffers.current_mut();
    match action {
        Action::PageUp => buffer.scroll.rows += step,
        Action::PageDown => buffer.scroll.rows -= step,
        Action::ScrollTop => buffer.scroll.rows += 1 << 40,
        _ => buffer.scroll.bottoms += 1,
    }
    // A buffer that fits the screen is at its top already; the past is fetched all the same.
    if action == Action::PageUp && buffer.lines.len() < usize::from(context.model.page) {
        fetch(context, true);
    }
}

fn interrupt(context: &mut Context<'_>) {
    let buffer = context.model.buffers.current_mut();
    if !buffer.editor.is_empty() {
        buffer.editor.take();
        edited(context);
    } else if context.model.quit_armed.is_some() {
        context.send(kirc_core::Envelope::new("QUIT"));
        context.effects.push(Effect::Quit);
    } else {
        context.model.quit_armed = Some(context.model.now.saturating_add(ARMED));
    }
}

fn tab(context: &mut Context<'_>, back: bool) {
    let model = &mut *context.model;
    let mut editor = std::mem::take(&mut model.buffers.current_mut().editor);
    model.completion = match model.completion.take() {
        Some(mut cycle) => {
            cycle.step(&mut editor, back);
            Some(cycle)
        }
        None => complete(model, &mut editor),
    };
    model.buffers.current_mut().editor = editor;
    typing::touched(context);
}

fn edit(context: &mut Context<'_>, action: Action) {
    let model = &mut *context.model;
    let editor = &mut model.buffers.current_mut().editor;
    let before = editor.text().to_owned();
    let mut cut = None;
    let mut yank = false;
    match action {
        Action::Newline => editor.insert("\n"),
        Action::Left => editor.left(),
        Action::Right => editor.right(),
        Action::LineStart => editor.home(),
        Action::LineEnd => editor.end(),
        Action::WordLeft => editor.word_left(),
        Action::WordRight => editor.word_right(),
        Action::Backspace => editor.backspace(),
        Action::Delete => editor.delete(),
        Action::KillWordBack => cut = Some(editor.kill_word_back()),
        Action::KillWord => cut = Some(editor.kill_word()),
        Action::KillToStart => cut = Some(editor.kill_to_start()),
        Action::KillToEnd => cut = Some(editor.kill_to_end()),
        Action::Yank => yank = true,
        Action::Transpose => editor.transpose(),
        Action::Older if !editor.row_up() => editor.older(),
        Action::Newer if !editor.row_down() => editor.newer(),
        _ => {}
    }
    if let Some(cut) = cut.filter(|c| !c.is_empty()) {
        model.killed = cut;
    }
    if yank {
        let killed = model.killed.clone();
        model.buffers.current_mut().editor.insert(&killed);
    }
    if model.buffers.current().editor.text() != before {
        edited(context);
    }
}

/// Pasted text goes into the input, never straight out. Many lines are asked about first.
pub(super) fn paste(context: &mut Context<'_>, text: &str) {
    context.model.touched = true;
    if let Some(Layer::Confirm(_)) = context.model.layers.last() {
        return;
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    if let Some(why) = commands::too_large(&lines) {
        context.tell(crate::model::Kind::Error, format!("Not pasted. {why}"));
        return;
    }
    let count = lines.len();
    let harmless = clean_lines(lines).join("\n");
    if count <= PASTE_LINES {
        context.model.buffers.current_mut().editor.insert(&harmless);
        return edited(context);
    }
    let mut ask =
        vec![format!("Paste {count} lines as one message to {}?", context.model.buffers.current().name)];
    ask.push(String::new());
    ask.extend(harmless.lines().take(3).map(|l| format!("  {l}")));
    ask.push(format!("  … and {} more", count - 3));
    context.model.layers.push(Layer::Confirm(Confirm {
        title: "Paste".to_owned(),
        text: ask,
        yes: Decision::Paste(harmless),
    }));
}
