//! Shows the UI with fixed data: `cargo run -p kirc-tui --example demo`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), kirc_tui::TuiError> {
    kirc_tui::demo(kirc_tui::Options::from_env()).await
}
