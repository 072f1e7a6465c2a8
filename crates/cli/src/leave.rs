//! The way out: this device and its recovery files sign alone, with no server and no provider. All
//! runs in this one process, on shares that all belong to the user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_chain_evm::assemble::RawSignature;
use cohold_chain_evm::{assemble, plan};
use cohold_chain_io::{Broadcast, Chain, Endpoint};
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::{Document as _, Hashed, HexBytes, RequestId, Signed};
use cohold_mpc_ecdsa::{RecoverableSignature, SigningDigest};
use cohold_node::Keeper as _;
use cohold_party::verify::{Standing, review};
use cohold_party::wire::SignOrder;
use serde_json::{Value, json};

use crate::address::address_at;
use crate::approve::approve;
use crate::args::SendArgs;
use crate::checked::{check_plan, shown};
use crate::custody::word::recovery_opened;
use crate::home::{DEVICE, Device, Home};
use crate::output::{Exit, Failure, Output, confirm};
use crate::quorum::{self, Local};
use crate::recovery::{self, Opened};
use crate::wish::intent;

/// How long to wait for the chain.
const PATIENCE: Duration = Duration::from_secs(120);

/// Signs with the user's own shares and hands the transaction to the endpoint.
pub(crate) async fn send(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    let signed = home.account(args.account)?;
    let charter = signed.document.clone();
    let device = home.unlock()?;
    let endpoint: Endpoint = args.rpc.as_deref().context("--rpc is missing")?.parse()?;
    let chain = Chain::new(endpoint)?;
    let chain_id = chain.chain_id().await?;
    if let Some(wanted) = args.chain.filter(|wanted| *wanted != chain_id) {
        let message = format!("the endpoint serves chain {chain_id}, not chain {wanted}");
        return Err(Failure::error(Exit::Usage, "wrong-chain", message));
    }
    let request = RequestId::random(&mut cohold_node::rng());
    let intent = intent(args, &device.rules, chain_id, request)?;
    let from = address_at(&charter, &intent.path)?;
    let facts = chain.gather_facts(from, &intent).await?;
    let plan = plan(&intent, &facts)?;
    check_plan(&intent, &plan, &device.rules)?;
    let effects = shown(&intent, &plan, &device.rules.token_book(), Some(&charter))?;
    if !args.yes && !confirm(&format!("{effects}, without the provider?"))? {
        return Err(Failure::error(Exit::Failed, "not-confirmed", "not confirmed; nothing was signed"));
    }
    output.progress(&effects);

    let locals = locals(home, &device, &signed, args)?;
    let signers: Vec<PartyIndex> = locals.iter().map(|local| local.index).collect();
    let approvals = vec![approve(&device, &Hashed::new(charter.clone()), &intent, &plan)?];
    let order = SignOrder {
        charter: charter.digest(),
        intent,
        plan: plan.clone(),
        approvals,
        signers: signers.clone(),
        // The request is new, and so is the session.
        attempt: 1,
        presignature: None,
    };
    let digest = authorize(&device, &charter, order.clone())?;
    let (account, epoch, key) =
        (charter.terms.account, charter.epoch, charter.key.child(&order.intent.path)?);
    let wanted = (digest, order.intent.path);
    output.progress("setting the shares up with each other …");
    let signature =
        tokio::task::spawn_blocking(move || quorum::sign(account, epoch, &locals, order.session(), wanted))
            .await??;
    let RecoverableSignature { r, s, recovery_id } = signature;
    let signed = assemble(&plan.payload.0, &RawSignature { r, s, recovery_id }, &key.0)?;
    match chain.broadcast(&signed).await? {
        Broadcast::Accepted | Broadcast::AlreadyKnown => {}
        Broadcast::Rejected(rejection) => {
            return Err(Failure::error(
                Exit::Failed,
                "rejected",
                format!("the chain refused: {}", rejection.reason),
            ));
        }
    }
    let hash = HexBytes(signed.hash.to_vec());
    output.progress(&format!("submitted {hash}"));
    let began = Instant::now();
    loop {
        if let Some(inclusion) = chain.inclusion(&signed.hash).await? {
            anyhow::ensure!(inclusion.succeeded, "transaction {hash} was mined and failed");
            return Ok(json!({
                "request": request,
                "account": args.account,
                "status": "mined",
                "transaction_hash": hash,
                "block": inclusion.block_number,
                "effects": effects,
                "signers": signers,
            }));
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::error(
                Exit::Waiting,
                "waiting",
                format!("transaction {hash} is not mined yet: look it up by its hash"),
            ));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// This device's own stair: the same review and the same count as with a server.
fn authorize(device: &Device, charter: &Charter, order: SignOrder) -> anyhow::Result<SigningDigest> {
    let now = cohold_node::now();
    let kept = device.keeper.kept(charter.terms.account).map_err(|e| anyhow::anyhow!("{e}"))?;
    // A key that this device froze still leaves: only the user's own shares take part, in this process.
    let own = charter.terms.party(&device.card.party).map(|(index, _)| index);
    let banned = kept.banned.into_iter().filter(|party| Some(*party) != own).collect();
    let standing = Standing { charter: &kept.charter, me: &device.card.party, banned: &banned };
    let refused = |e: cohold_party::Refusal| {
        Failure::error(Exit::Failed, "refused", format!("this device refuses: {e}"))
    };
    let reviewed = review(order, standing, &device.rules, now).map_err(refused)?;
    let authorized =
        reviewed.authorize(|reservation| device.keeper.reserve(reservation, now)).map_err(refused)?;
    Ok(SigningDigest(authorized.signing_digest))
}

/// The user's shares: this device's and those of the recovery files, exactly threshold many.
fn locals(
    home: &Home,
    device: &Device,
    signed: &Signed<Charter>,
    args: &SendArgs,
) -> anyhow::Result<Vec<Local>> {
    let charter = &signed.document;
    let (index, _) = charter.terms.party(&DEVICE.parse()?).context("this device is not in the account")?;
    let kept = device.keeper.kept(charter.terms.account).map_err(|e| anyhow::anyhow!("{e}"))?;
    let key = device.keeper.open(&kept).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut locals = vec![Local { index, keys: Arc::clone(&device.keys), share: Arc::clone(&key.share) }];
    for path in &args.recovery {
        let (index, card, Opened { keys, share, .. }) =
            recovery::open_under(path, args.recovery_passphrase_file.as_deref(), signed)?;
        if locals.iter().any(|local| local.index == index) {
            let message = format!("`{}` holds a share that is given already", path.display());
            return Err(Failure::error(Exit::Usage, "wrong-recovery-file", message));
        }
        recovery_opened(home, charter.terms.account, &card.party);
        locals.push(Local { index, keys: Arc::new(keys), share: Arc::new(share) });
    }
    let threshold = usize::from(charter.terms.threshold);
    if locals.len() != threshold {
        return Err(Failure::error(
            Exit::Usage,
            "quorum",
            format!(
                "{} shares are here, the account needs {threshold}: give as many recovery files as that takes",
                locals.len()
            ),
        ));
    }
    locals.sort_by_key(|local| local.index);
    Ok(locals)
}
