//! `cohold node import`: an operator gives a node its share of a key that was made elsewhere, for one
//! proposal whose terms the operator has seen.

use cohold_model::Document as _;
use cohold_node::config::NodeHome;
use cohold_node::foreign;
use serde_json::json;

use super::shares;
use crate::args::DealArgs;
use crate::output::{Exit, Failure, Output, confirm};

/// Examines the share and seals it into the node's folder; the node need not be stopped.
pub(crate) fn run(output: Output, home: &NodeHome, args: &DealArgs) -> anyhow::Result<()> {
    let (proposal, import) = shares::read_proposal(&args.proposal)?;
    let card = home.card();
    // The same review as in the ceremony, before anything is stored.
    cohold_party::create::review(proposal.clone(), &card, &home.rules, cohold_node::now())
        .map_err(|refusal| Failure::error(Exit::Failed, "proposal-refused", refusal.message))?;
    let data = shares::read(output, &args.share_file)?;
    shares::check_share(&data, &import, &card.party)?;
    output.progress(&shares::describe(&proposal));
    if !args.yes && !confirm("deal this node's share to these parties, when the proposer asks?")? {
        let message = "nothing was kept: confirm on a terminal, or give --yes";
        return Err(Failure::error(Exit::Failed, "not-confirmed", message));
    }
    foreign::seal(&home.imports, home.vault.as_ref(), &card.party, &proposal, data.share())?;
    let terms = &proposal.document.terms;
    let value = json!({
        "party": card.party,
        "account": terms.account,
        "proposal": proposal.document.digest(),
        "holder": data.share().party(),
    });
    output.result(&value, || {
        format!(
            "{} deals holder {}'s share once, for this proposal only\nkeep the file until the account is in force, then destroy it",
            card.party,
            data.share().party()
        )
    })
}
