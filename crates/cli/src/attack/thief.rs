//! The attacker, a process of its own: it starts with one folder and nothing else.

use std::path::Path;

use anyhow::Context as _;
use cohold_chain_evm::Address;
use cohold_chain_io::Chain;
use cohold_model::receipt::Status;
use cohold_store::ServerStore;

use super::heir::Heir;
use super::lent::Customer;
use super::lies::Liar;
use super::loot::{Goal, Known, Opened, Spoils};
use super::orders::Approved;
use super::plunder::{Loot, Stolen};
use super::{sealed, take};
use crate::client::Client;
use crate::output::Output;

/// How many requests of the past are looked at.
const REQUESTS_MAX: u32 = 100;
/// The longest wait of a node that is waited out.
const WAIT_SECONDS_MAX: u64 = 60;

/// `cohold attacker`: opens what it can, uses it, and prints what came of it.
pub(crate) async fn run(output: Output, folder: &Path) -> anyhow::Result<()> {
    let known = Known::read(folder)?;
    let spoils = rob(output, folder, &known).await?;
    output.result(&spoils, || format!("{} transactions", spoils.taken.len()))
}

async fn rob(output: Output, folder: &Path, known: &Known) -> anyhow::Result<Spoils> {
    let charter = &known.charter.document;
    let chain = Chain::new(known.rpc.parse()?)?;
    let to = take::thief_address()?;
    let loot = Loot::survey(folder)?;
    let (stolen, shut) = loot.open(charter);
    let held: Vec<&Stolen> = stolen.values().collect();
    let opened = held.iter().map(|party| Opened { party: party.party.clone(), how: party.how.clone() });
    let mut spoils = Spoils { opened: opened.collect(), ..Spoils::default() };

    let own = folder.join("own");
    let heir =
        known.mirror.as_ref().map(|mirror| Heir { output, known, mirror, folder: &own, stolen: &stolen });
    if known.beyond {
        spoils.tried.extend(sealed::try_all(&loot, &shut, charter));
        spoils.tried.push(take::too_few(charter, &chain, &held, to).await?);
        // Whoever has a quorum after all need not lie: that is told, and not used.
        if held.len() >= usize::from(charter.terms.threshold) {
            return Ok(spoils);
        }
        let approved = approved(&loot, known).await?;
        if let Some(at) = &known.coordinator {
            let mut liar = Liar::sit(&known.charter, &chain, at, &stolen, approved, to).await?;
            spoils.tried.extend(liar.tell_all().await?);
        } else if let Some(reach) = &known.server {
            spoils.tried.push(Customer::forge(known, reach, to).await?);
        }
        let inherits = known.goals.iter().any(Goal::is_everything);
        if let Some(heir) = heir.as_ref().filter(|_| !inherits) {
            spoils.tried.push(heir.try_all(&chain, to).await?);
        }
    }
    for goal in &known.goals {
        let result = match (goal, &known.server) {
            (Goal::Move, _) => move_all(known, &chain, &held, to, &mut spoils).await,
            (Goal::Reshare { delay_seconds, .. }, _) if *delay_seconds > WAIT_SECONDS_MAX => {
                let why = format!("it takes {delay_seconds} seconds, and {WAIT_SECONDS_MAX} are waited here");
                spoils.waits.push((goal.power().into(), why));
                Ok(())
            }
            (Goal::Reshare { .. }, _) => inherit(heir.as_ref(), goal, (&chain, to), &mut spoils).await,
            (_, Some(reach)) => {
                // The relay takes a party's newest login: one customer for each goal.
                match Customer::come(known, reach, &stolen).await {
                    Ok(customer) => customer.within(goal, to, &mut spoils).await,
                    Err(error) => Err(error),
                }
            }
            (_, None) => Err(anyhow::anyhow!("no server runs that could be asked")),
        };
        if let Err(error) = result {
            spoils.failed.push((goal.power().into(), format!("{error:#}")));
        }
    }
    Ok(spoils)
}

async fn move_all(
    known: &Known,
    chain: &Chain,
    held: &[&Stolen],
    to: Address,
    spoils: &mut Spoils,
) -> anyhow::Result<()> {
    spoils.taken.push(take::everything(&known.charter.document, chain, held, to).await?);
    Ok(())
}

/// Everything, by a resharing.
async fn inherit(
    heir: Option<&Heir<'_>>,
    goal: &Goal,
    (chain, to): (&Chain, Address),
    spoils: &mut Spoils,
) -> anyhow::Result<()> {
    let heir = heir.context("no server and nodes run that could be asked")?;
    let Goal::Reshare { power, lender, delay_seconds } = goal else { return Ok(()) };
    spoils.taken.push(heir.take(power, lender, *delay_seconds, (chain, to)).await?);
    Ok(())
}

/// The oldest payment that was approved and mined: from the server's database, if that was stolen, else as any
/// customer sees it.
async fn approved(loot: &Loot, known: &Known) -> anyhow::Result<Option<Approved>> {
    let account = known.charter.document.terms.account;
    let database = loot.files.iter().find(|path| path.file_name().is_some_and(|n| n == "server.sqlite"));
    if let Some(path) = database {
        let rows = ServerStore::open(path)?.request_list(Some(account), None, REQUESTS_MAX)?;
        return Ok(rows.into_iter().rfind(|row| is_mined(row.status)).map(Approved::from));
    }
    let Some(reach) = &known.server else { return Ok(None) };
    let query = cohold_api::PageQuery { account: Some(account), limit: Some(REQUESTS_MAX), cursor: None };
    let page = Client::new(&reach.url, &reach.token)?.requests(&query).await?;
    Ok(page.items.into_iter().rfind(|view| is_mined(view.status)).map(Approved::from))
}

/// Only what is mined was certainly approved and signed.
fn is_mined(status: Status) -> bool {
    matches!(status, Status::Mined | Status::Final)
}
