//! Fuzzes `envelope_canonical`; what is checked stands in checks.rs, where a property test finds it
//! too.
#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    checks::envelope_canonical(data);
});
