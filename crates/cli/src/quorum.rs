//! Signing with shares that are all in this process: the user's own way out, and a thief's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use anyhow::Context as _;
use cohold_model::ids::PartyIndex;
use cohold_model::{AccountId, Epoch, KeyPath, SessionId};
use cohold_mpc::{PartyKeys, Protocol, Session, SessionContext};
use cohold_mpc_ecdsa::{Auxiliary, AuxiliarySetup, RecoverableSignature, Share, Signing, SigningDigest};

/// A party whose share is in this process.
pub(crate) struct Local {
    pub(crate) index: PartyIndex,
    pub(crate) keys: Arc<PartyKeys>,
    pub(crate) share: Arc<Share>,
}

/// Fresh engine data among the local shares, exactly threshold many, then the signature under the key at the
/// path.
pub(crate) fn sign(
    account: AccountId,
    epoch: Epoch,
    locals: &[Local],
    signing: SessionId,
    (digest, path): (SigningDigest, KeyPath),
) -> anyhow::Result<RecoverableSignature> {
    let setup = SessionId(cohold_model::canonical::digest("cohold/session/local-setup/v1", &signing));
    let setups = sessions(account, epoch, locals, setup, |context, local| {
        Ok(AuxiliarySetup::new(context, &local.share)?)
    })?;
    let auxiliaries: BTreeMap<PartyIndex, Auxiliary> = run(setups)?;
    let nobody = BTreeSet::new();
    let runs = sessions(account, epoch, locals, signing, |context, local| {
        let auxiliary = auxiliaries.get(&local.index).context("a setup is missing")?;
        Ok(Signing::new(context, &local.share, auxiliary, &nobody, digest)?.below(&path)?)
    })?;
    run(runs)?.into_values().next().context("no signature came out")
}

type Sessions<P> = BTreeMap<PartyIndex, Session<P>>;

fn sessions<P: Protocol>(
    account: AccountId,
    epoch: Epoch,
    locals: &[Local],
    session: SessionId,
    protocol: impl Fn(&SessionContext, &Local) -> anyhow::Result<P>,
) -> anyhow::Result<Sessions<P>> {
    let mut sessions = BTreeMap::new();
    for local in locals {
        let peers = locals.iter().filter(|other| other.index != local.index);
        let peers = peers.map(|other| (other.index, other.keys.seal_key())).collect();
        let context = SessionContext { account, epoch, session, me: local.index, peers };
        let protocol = protocol(&context, local)?;
        let run = Session::new(context, &local.keys.seal, protocol, &mut cohold_node::rng())?;
        sessions.insert(local.index, run);
    }
    Ok(sessions)
}

/// Passes envelopes around until every party has its output.
fn run<P: Protocol>(mut sessions: Sessions<P>) -> anyhow::Result<BTreeMap<PartyIndex, P::Output>> {
    let mut mail = VecDeque::new();
    for session in sessions.values_mut() {
        mail.extend(session.start(&mut cohold_node::rng())?);
    }
    while let Some(envelope) = mail.pop_front() {
        let session = sessions.get_mut(&envelope.to).context("an envelope to nobody")?;
        mail.extend(session.receive(&envelope, &mut cohold_node::rng())?);
    }
    let outputs = sessions.into_iter().map(|(index, mut session)| {
        let outcome = session.outcome().context("a local session did not finish")?;
        Ok((index, outcome.output))
    });
    outputs.collect()
}
