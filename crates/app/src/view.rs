//! From rows of the database to what the API shows.

use cohold_api::{AccountStatus, AccountView, RequestView};
use cohold_chain_evm::Address;
use cohold_store::server::{AccountRow, AccountState, RequestRow};

use crate::error::Error;

pub(crate) fn account_view(row: &AccountRow) -> Result<AccountView, Error> {
    let account = row.proposal.document.terms.account;
    let view = |status| AccountView { account, status, reason: None, charter: None, address: None };
    Ok(match &row.state {
        AccountState::Creating => view(AccountStatus::Creating),
        AccountState::Failed(reason) => {
            AccountView { reason: Some(reason.clone()), ..view(AccountStatus::Failed) }
        }
        AccountState::Active(charter) => {
            let address = Address::of_public_key(&charter.document.key.public_key.0)
                .map_err(|_| Error::Corrupt("a charter without a public key"))?;
            AccountView {
                charter: Some((**charter).clone()),
                address: Some(address.to_string()),
                ..view(AccountStatus::Active)
            }
        }
    })
}

pub(crate) fn status_word(state: &AccountState) -> &'static str {
    match state {
        AccountState::Creating => "being made",
        AccountState::Active(_) => "active",
        AccountState::Failed(_) => "failed",
    }
}

pub(crate) fn request_view(row: RequestRow) -> RequestView {
    RequestView {
        request: row.intent.request,
        account: row.intent.account,
        intent: row.intent,
        plan: row.plan,
        approvals: row.approvals,
        status: row.status,
        attempt: row.attempt,
        signers: row.signers,
        reason: row.reason,
        transaction: row.transaction,
        transaction_hash: row.transaction_hash,
        block: row.block,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
