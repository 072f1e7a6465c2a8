//! The exit kit: the user's shares, this program, and nothing else. No command here uses the network.

mod drill;
mod export;
pub(crate) mod noted;
mod payment;
mod shares;

use crate::args::ExitCommand;
use crate::home::Home;
use crate::output::Output;

pub(crate) async fn run(output: Output, home: &Home, command: &ExitCommand) -> anyhow::Result<()> {
    match command {
        ExitCommand::Drill(args) => drill::run(output, home, args).await,
        ExitCommand::Sign(args) => payment::run(output, home, args).await,
        ExitCommand::Export(args) => export::run(output, home, args),
    }
}
