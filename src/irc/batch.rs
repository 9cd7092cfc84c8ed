//! Batches: lines that belong together, for clients with the capability `batch`.

use super::codec::Line;
use super::{SERVER, caps::Cap, caps::Caps};

/// Hands out the names of batches.
#[derive(Debug, Default)]
pub struct Batches(u64);

impl Batches {
    /// Wraps lines in a batch. Clients without `batch` get them as they are.
    pub fn wrap(&mut self, caps: Caps, kind: &str, params: &[&str], lines: Vec<Line>) -> Vec<Line> {
        if !caps.has(Cap::Batch) {
            return lines;
        }
        self.0 += 1;
        let name = format!("b{}", self.0);
        let mut open = Line::new("BATCH").from(SERVER).param(format!("+{name}")).param(kind);
        open.params.extend(params.iter().map(|p| (*p).to_owned()));
        let inside = lines.into_iter().map(|line| {
            // A line of a batch inside has a name of its own already.
            let inner = line.tag_value("batch").is_some();
            if inner { line } else { line.tag("batch", &name) }
        });
        let close = Line::new("BATCH").from(SERVER).param(format!("-{name}"));
        std::iter::once(open).chain(inside).chain([close]).collect()
    }

    /// The answer to a command with a label: nothing is an `ACK`, one line carries the label
    /// itself, several are a batch.
    pub fn labeled(&mut self, caps: Caps, label: &str, mut lines: Vec<Line>) -> Vec<Line> {
        match lines.as_mut_slice() {
            [] => vec![Line::new("ACK").from(SERVER).tag("label", label)],
            [line] => {
                line.tags.push(("label".into(), label.into()));
                lines
            }
            [first, .., last] if is_batch(first, last) => {
                first.tags.push(("label".into(), label.into()));
                lines
            }
            _ => {
                let mut lines = self.wrap(caps, "labeled-response", &[], lines);
                if let Some(first) = lines.first_mut() {
                    first.tags.push(("label".into(), label.into()));
                }
                lines
            }
        }
    }
}

/// Whether these are the first and the last line of one batch.
fn is_batch(first: &Line, last: &Line) -> bool {
    let name = |line: &Line, sign| {
        line.params
            .first()
            .filter(|_| line.command == "BATCH")
            .and_then(|p| p.strip_prefix(sign).map(str::to_owned))
    };
    name(first, '+').is_some_and(|open| name(last, '-').as_ref() == Some(&open))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::to_text).collect()
    }

    #[test]
    fn answers_with_a_label_are_one_line_one_batch_or_an_ack() {
        let caps = Caps::default().with(Cap::Batch, true).with(Cap::LabeledResponse, true);
        let mut batches = Batches::default();
        assert_eq!(text(&batches.labeled(caps, "x", vec![])), [format!("@label=x :{SERVER} ACK")]);
        assert_eq!(text(&batches.labeled(caps, "x", vec![Line::new("PONG")])), ["@label=x PONG"]);
        let several = batches.labeled(caps, "x", vec![Line::new("A"), Line::new("B")]);
        assert_eq!(
            text(&several),
            [
                format!("@label=x :{SERVER} BATCH +b1 labeled-response"),
                "@batch=b1 A".into(),
                "@batch=b1 B".into(),
                format!(":{SERVER} BATCH -b1"),
            ]
        );
        let history = batches.wrap(caps, "chathistory", &["#net"], vec![Line::new("A")]);
        let labeled = batches.labeled(caps, "y", history);
        assert_eq!(labeled.len(), 3);
        assert_eq!(labeled[0].to_text(), format!("@label=y :{SERVER} BATCH +b2 chathistory #net"));
    }

    #[test]
    fn without_the_capability_lines_stay_as_they_are() {
        let lines = vec![Line::new("A"), Line::new("B")];
        assert_eq!(Batches::default().wrap(Caps::default(), "chathistory", &["#a"], lines.clone()), lines);
    }
}
