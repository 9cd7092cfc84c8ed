//! A channel's refusal: an IRC numeric with its parameters and a sentence.
//!
//! It owns the form. `policy` decides what is refused.
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};
use crate::numeric::Numeric;

/// A refusal: a numeric with its parameters and a text for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The numeric.
    pub code: String,
    /// The parameters after the nick, as in IRC.
    pub params: Vec<String>,
    /// The text for the user.
    pub text: String,
}

impl Refusal {
    /// A refusal with a numeric; if `text` is empty, with the numeric's default text.
    pub fn new(numeric: Numeric, params: &[&str], text: &str) -> Self {
        Self {
            code: numeric.code.to_owned(),
            params: params.iter().map(|p| (*p).to_owned()).collect(),
            text: if text.is_empty() { numeric.text } else { text }.to_owned(),
        }
    }

    /// The refusal of an act that can't be sent, because readers could not read it.
    pub fn unfit(target: &str, why: &EnvelopeError) -> Self {
        let numeric = match why {
            EnvelopeError::Limit { .. } => crate::numeric::ERR_INPUTTOOLONG,
            _ => crate::numeric::ERR_UNKNOWNERROR,
        };
        Self::new(numeric, &[target], &why.to_string())
    }

    /// Converts it into a numeric reply to a nick.
    pub fn to_envelope(&self, to: &str) -> Envelope {
        let mut out = Envelope::new(&self.code).to(to).line(&self.text);
        out.params.clone_from(&self.params);
        out
    }
}
