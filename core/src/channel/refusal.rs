//! How a channel says no: one of IRC's numerics, with its parameters and a sentence.
//!
//! It owns the form. Who is refused what is `policy`'s matter.
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};
use crate::numeric::Numeric;

/// A refusal: a numeric with its parameters and a text for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The numeric.
    pub code: String,
    /// Its parameters behind the nick, as IRC has them.
    pub params: Vec<String>,
    /// What to tell the user.
    pub text: String,
}

impl Refusal {
    /// A refusal by a numeric; if `text` is empty, with the numeric's usual text.
    pub fn new(numeric: Numeric, params: &[&str], text: &str) -> Self {
        Self {
            code: numeric.code.to_owned(),
            params: params.iter().map(|p| (*p).to_owned()).collect(),
            text: if text.is_empty() { numeric.text } else { text }.to_owned(),
        }
    }

    /// What can't be sent, because readers could not read it.
    pub fn unfit(target: &str, why: &EnvelopeError) -> Self {
        let numeric = match why {
            EnvelopeError::Limit { .. } => crate::numeric::ERR_INPUTTOOLONG,
            _ => crate::numeric::ERR_UNKNOWNERROR,
        };
        Self::new(numeric, &[target], &why.to_string())
    }

    /// As a numeric reply to a nick.
    pub fn to_envelope(&self, to: &str) -> Envelope {
        let mut out = Envelope::new(&self.code).to(to).line(&self.text);
        out.params.clone_from(&self.params);
        out
    }
}
