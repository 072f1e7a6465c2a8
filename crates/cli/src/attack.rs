//! `cohold custody attack`: from the custody model of an account, build the counter-example and run it
//! on a local chain, with exactly what the coalition's places really contain.

mod coalition;
mod heir;
mod honest;
mod lent;
mod lies;
mod loot;
mod mirror;
pub(crate) mod orders;
mod places;
mod plunder;
pub(crate) mod report;
mod run;
mod sealed;
mod strategy;
mod take;
pub(crate) mod thief;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use cohold_chain_io::Chain;
use cohold_custody::extract::Called;
use cohold_custody::{Answer, evaluate, explain};
use cohold_model::statement::Statement;
use cohold_model::{AccountId, PartyName};
use serde::Deserialize;
use serde_json::json;

use crate::args::{AttackArgs, Global};
use crate::chain::LOCAL_CHAIN_ID;
use crate::custody::{self, Drawn};
use crate::home::Home;
use crate::output::{Exit, Failure, Output, Told};
use coalition::Play;
use loot::{Goal, Reach};
use places::{Place, Places};
use report::{Attack, Outcome};
use run::{Field, Target};

pub(crate) use run::Turns;

/// Where a field's secrets come from, other than from a terminal.
pub(crate) struct Setup<'a> {
    pub(crate) dev: &'a Path,
    pub(crate) home: &'a Home,
    pub(crate) rpc: Option<&'a str>,
    pub(crate) places: Option<&'a Path>,
    pub(crate) recovery_passphrase_file: Option<&'a Path>,
    pub(crate) turns: Arc<Turns>,
}

/// `cohold custody attack`.
pub(crate) async fn run(output: Output, global: &Global, args: &AttackArgs) -> anyhow::Result<()> {
    let dev = std::path::absolute(&args.dev)?;
    let home = global.home.clone().unwrap_or_else(|| dev.join("device"));
    let home = Home::locate(&Global { home: Some(home), ..global.clone() })?;
    let setup = Setup {
        dev: &dev,
        home: &home,
        rpc: args.rpc.as_deref(),
        places: args.places.as_deref(),
        recovery_passphrase_file: args.recovery_passphrase_file.as_deref(),
        turns: Arc::default(),
    };
    let attacks = if args.all {
        all(output, &setup, args.account).await?
    } else {
        vec![one(output, &setup, args.account, &args.coalition).await?]
    };
    let ok = attacks.iter().all(|attack| attack.outcome != Outcome::Contradiction);
    output
        .result(&json!({"ok": ok, "account": args.account, "attacks": attacks}), || report::page(&attacks))?;
    if ok { Ok(()) } else { Err(Told(Exit::Failed).into()) }
}

/// Plays one coalition, whatever it can.
async fn one(
    output: Output,
    setup: &Setup<'_>,
    account: AccountId,
    coalition: &[String],
) -> anyhow::Result<Attack> {
    let (field, target) = prepare(output, setup, account).await?;
    let limits = coalition::limits(&target.model, &target.called, &target.said);
    let play = play(&field, &target, coalition, &limits)?;
    output.progress(&format!("attacking with what lies at: {} …", play.coalition.join(", ")));
    run::attack(&field, &target, &play).await
}

/// Plays every minimal coalition, and every maximal one that cannot move.
pub(crate) async fn all(
    output: Output,
    setup: &Setup<'_>,
    account: AccountId,
) -> anyhow::Result<Vec<Attack>> {
    let (field, target) = prepare(output, setup, account).await?;
    let plays = plays(&field, &target)?;
    output.progress(&format!("{} coalitions of {account} are played …", plays.len()));
    let mut attacks = Vec::new();
    for play in &plays {
        let attack = run::attack(&field, &target, play)
            .await
            .with_context(|| format!("attacking with {{{}}}", play.coalition.join(", ")))?;
        output.progress(&attack.line());
        attacks.push(attack);
    }
    Ok(attacks)
}

fn plays(field: &Field, target: &Target) -> anyhow::Result<Vec<Play>> {
    let evaluation = evaluate(&target.model)?;
    let charter = &target.charter.document;
    let mut assumptions = Vec::new();
    let mut atoms = Vec::new();
    for atom in target.model.atoms().keys() {
        let list = match field.places.place(charter, atom)? {
            Place::Assumption => &mut assumptions,
            _ => &mut atoms,
        };
        list.push(atom.clone());
    }
    let limits = coalition::limits(&target.model, &target.called, &target.said);
    let is_assumption = |atom: &str| assumptions.iter().any(|assumption| assumption == atom);
    let mut plays = coalition::minimal(&evaluation, &limits, is_assumption);
    // Whoever reshares has everything as well.
    let whole = limits.iter().filter(|(_, goal)| goal.is_everything()).map(|(power, _)| power.as_str());
    let ways = whole.chain(["move"]).filter_map(|power| evaluation.powers.get(power)).flatten();
    let ways: Vec<_> = ways.map(|way| way.coalition.to_vec()).collect();
    for coalition in coalition::maximal(&atoms, &ways)? {
        plays.push(Play {
            coalition,
            powers: Vec::new(),
            goals: Vec::new(),
            beyond: true,
            named: false,
            unplayable: None,
        });
    }
    Ok(plays)
}

/// What a coalition that somebody named can do, by the model.
fn play(
    field: &Field,
    target: &Target,
    names: &[String],
    limits: &BTreeMap<String, Goal>,
) -> anyhow::Result<Play> {
    let failure = |error: &dyn std::fmt::Display| Failure::error(Exit::Usage, "coalition", error.to_string());
    let mut powers = Vec::new();
    let wanted = ["move".to_owned()];
    let wanted: Vec<&String> = wanted.iter().chain(limits.keys()).collect();
    let asked = explain(&target.model, "move", names).map_err(|error| failure(&error))?;
    let coalition = asked.by;
    for power in wanted {
        let answer = explain(&target.model, power, &coalition).map_err(|error| failure(&error))?.answer;
        if matches!(answer, Answer::Yes { .. }) {
            powers.push(power.clone());
        }
    }
    let mut unplayable = None;
    let charter = &target.charter.document;
    let mut solid = Vec::new();
    for atom in &coalition {
        match field.places.place(charter, atom)? {
            Place::Assumption => {
                unplayable = Some(format!("`{atom}` is an assumption that cannot be made true here"));
            }
            _ => solid.push(atom.clone()),
        }
    }
    let goals = coalition::goals(&powers, limits);
    let beyond = !goals.contains(&Goal::Move);
    Ok(Play { coalition, powers, goals, beyond, named: true, unplayable })
}

/// Checks that this is a local chain, and finds out what is there.
async fn prepare(output: Output, setup: &Setup<'_>, account: AccountId) -> anyhow::Result<(Field, Target)> {
    let rpc = match setup.rpc {
        Some(rpc) => rpc.to_owned(),
        None => local_rpc(setup.dev)?,
    };
    let chain = local_chain(&rpc).await?;
    let charter = setup.home.account(account)?;
    let Drawn { model, lineage, statements, .. } = custody::drawn(output, setup.home, account).await?;
    let said: Vec<Statement> = statements.into_iter().map(|signed| signed.document).collect();
    let server = setup.home.config().ok().map(|config| Reach {
        url: config.server,
        token: config.token,
        allowances: of_each(&said, |said| &said.allowances),
        fees: of_each(&said, |said| &said.fees),
    });
    let called = Called::new(&lineage);
    let places = Places::new(
        setup.dev.into(),
        setup.home.clone(),
        setup.places,
        setup.recovery_passphrase_file.map(Path::to_path_buf),
        called.clone(),
    )?;
    if let Some(elsewhere) = server.as_ref().filter(|server| !is_here(&server.url)) {
        let message = format!(
            "the server `{}` is not on this machine: attacks are run on local set-ups only",
            elsewhere.url
        );
        return Err(Failure::error(Exit::Usage, "not-local", message));
    }
    let turns = Arc::clone(&setup.turns);
    let field = Field { places, chain, chain_id: LOCAL_CHAIN_ID, rpc, server, turns };
    Ok((field, Target { charter, model, called, said }))
}

/// What parties have said, each with its name.
fn of_each<T: Clone>(said: &[Statement], what: impl Fn(&Statement) -> &Vec<T>) -> Vec<(PartyName, T)> {
    said.iter().flat_map(|said| what(said).iter().map(|one| (said.party.clone(), one.clone()))).collect()
}

/// The endpoint of the set-up's own chain.
fn local_rpc(dev: &Path) -> anyhow::Result<String> {
    let missing = |message: String| Failure::error(Exit::Usage, "no-chain", message);
    let text = std::fs::read_to_string(dev.join("server/server.toml"));
    let text = text.map_err(|_| missing(format!("`{}` is no folder of `cohold dev`", dev.display())))?;
    let settings: ServerFile = toml::from_str(&text)?;
    let local = settings.chain.into_iter().find(|chain| chain.id == LOCAL_CHAIN_ID);
    let local = local.map(|chain| chain.rpc_url);
    local.ok_or_else(|| missing("the set-up has no local chain: start it with `cohold dev --chain`".into()))
}

/// As much of `server.toml` as names its chains.
#[derive(Deserialize)]
struct ServerFile {
    #[serde(default)]
    chain: Vec<ChainFile>,
}

#[derive(Deserialize)]
struct ChainFile {
    id: u64,
    rpc_url: String,
}

/// A chain of one's own, on this machine: there is nothing else that this touches.
async fn local_chain(rpc: &str) -> anyhow::Result<Chain> {
    let refuse = |message: String| Failure::error(Exit::Usage, "not-local", message);
    if !is_here(rpc) {
        return Err(refuse(
            "the endpoint is not on this machine: attacks are run on local chains only".into(),
        ));
    }
    let chain = Chain::new(rpc.parse()?)?;
    let id = chain.chain_id().await?;
    if id != LOCAL_CHAIN_ID {
        return Err(refuse(format!("the endpoint serves chain {id}: attacks are run on local chains only")));
    }
    Ok(chain)
}

/// Whether a URL leads to this machine.
fn is_here(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    url.is_some_and(|url| matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")))
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn only_this_machine_is_here() {
        for here in ["http://127.0.0.1:8545", "http://localhost/", "http://[::1]:1/x"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "http://127.0.0.1.example.org",
            "https://example.org",
            "127.0.0.1:8545",
            "",
            "http://localhost@example.org/",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
