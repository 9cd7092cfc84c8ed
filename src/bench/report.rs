//! The results as a table and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// The middle and the slow end of many times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Half were faster.
    pub p50: f64,
    /// Of a hundred, 99 were faster.
    pub p99: f64,
}

impl Spread {
    /// Of nanoseconds, in any order; zeros if there are none.
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |percent: usize| {
            let place = values.len().saturating_sub(1) * percent / 100;
            values.get(place).map_or(0.0, |v| *v as f64)
        };
        Self { p50: at(50), p99: at(99) }
    }
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// In what.
    pub unit: &'static str,
    /// The middle; for what is measured once, the value.
    pub p50: f64,
    /// The slow end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// What it is held against, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<f64>,
    /// What that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside_what: Option<&'static str>,
    /// The middle by what it is held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The goal, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<String>,
    /// Whether it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
}

impl Row {
    /// A value in some unit.
    pub fn value(what: &str, unit: &'static str, p50: f64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            p50,
            p99: None,
            beside: None,
            beside_what: None,
            ratio: None,
            goal: None,
            met: None,
        }
    }

    /// A spread of nanoseconds, said in microseconds.
    pub fn micros(what: &str, spread: Spread) -> Self {
        Self { p99: Some(spread.p99 / 1e3), ..Self::value(what, "µs", spread.p50 / 1e3) }
    }

    /// So many a second.
    pub fn rate(what: &str, rate: f64) -> Self {
        Self::value(what, "1/s", rate)
    }

    /// Held against something in the same unit.
    #[must_use]
    pub fn beside(mut self, what: &'static str, value: f64) -> Self {
        self.beside = Some(value);
        self.beside_what = Some(what);
        self.ratio = (value > 0.0).then(|| self.p50 / value);
        self
    }

    /// With a goal for the ratio, or for the value if there is none.
    #[must_use]
    pub fn goal(mut self, sign: &str, most: f64) -> Self {
        self.met = Some(self.ratio.unwrap_or(self.p50) <= most);
        self.goal = Some(format!("{sign} {most}"));
        self
    }
}

impl Row {
    /// With a goal that the ratio is to reach.
    #[must_use]
    pub fn at_least(mut self, least: f64) -> Self {
        self.met = Some(self.ratio.unwrap_or(self.p50) >= least);
        self.goal = Some(format!("ratio ≥ {least}"));
        self
    }
}

/// A whole run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The lines.
    pub rows: Vec<Row>,
    /// Bytes of a record of the log, and so of each bare append.
    pub record_bytes: usize,
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:<30} {:>4} {:>10} {:>10} {:>10} {:>6}  {:<22} {}\n",
            "what", "unit", "p50", "p99", "beside", "ratio", "beside what", "goal"
        );
        for row in &self.rows {
            let number = |n: Option<f64>| n.map_or(String::new(), short);
            let goal = match (&row.goal, row.met) {
                (Some(goal), Some(true)) => format!("{goal}: reached"),
                (Some(goal), _) => format!("{goal}: MISSED"),
                _ => String::new(),
            };
            let line = format!(
                "{:<30} {:>4} {:>10} {:>10} {:>10} {:>6}  {:<22} {goal}",
                row.what,
                row.unit,
                short(row.p50),
                number(row.p99),
                number(row.beside),
                row.ratio.map_or(String::new(), |r| format!("{r:.2}")),
                row.beside_what.unwrap_or_default(),
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        let _ = writeln!(out, "records of {} bytes", self.record_bytes);
        out
    }
}

/// A number with as many places as it deserves.
fn short(n: f64) -> String {
    match n {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n if n >= 1.0 => format!("{n:.2}"),
        n => format!("{n:.3}"),
    }
}
