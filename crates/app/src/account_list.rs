//! Looking at accounts, parties and balances.

use cohold_api::{AccountView, BalanceQuery, BalanceView, PAGE_LIMIT_MAX, Page, PageQuery, PartyView};
use cohold_chain_evm::Address;
use cohold_model::account::Card;
use cohold_model::charter::Charter;
use cohold_model::intent::Asset;
use cohold_model::{AccountId, KeyPath, Signed};

use crate::coordinator::Coordinator;
use crate::error::Error;
use crate::view::account_view;

/// Decimals of every EVM chain's own coin.
const COIN_DECIMALS: u8 = 18;
const PAGE_LIMIT: u32 = 50;

impl Coordinator {
    /// One account, whatever its state.
    pub async fn account_show(&self, account: AccountId) -> Result<AccountView, Error> {
        let row = self.looked(|store| store.account_show(account))?;
        account_view(&row.ok_or(Error::AccountUnknown(account))?)
    }

    /// Active accounts by id.
    pub async fn account_list(&self, query: PageQuery) -> Result<Page<AccountView>, Error> {
        let limit = limit(&query)?;
        let after: Option<AccountId> = cursor(&query)?;
        if let Some(account) = query.account {
            let row = self.looked(|store| store.account_show(account))?;
            let items: Vec<AccountView> = row.iter().map(account_view).collect::<Result<_, _>>()?;
            let items = items.into_iter().filter(|view| view.charter.is_some()).collect();
            return Ok(Page { items, next_cursor: None });
        }
        let rows = self.stored(move |store| store.account_list(after, limit)).await?;
        let items = rows.iter().map(account_view).collect::<Result<Vec<_>, _>>()?;
        Ok(page(items, limit, |view| view.account.to_string()))
    }

    /// Every node that said hello, those heard last first. Devices and recovery shares are their users'
    /// own business.
    pub async fn party_list(&self) -> Result<Vec<PartyView>, Error> {
        let cards = self.stored(|store| store.party_list()).await?;
        let view = |card: Signed<Card>| PartyView { online: self.is_online(&card.document.identity), card };
        let is_node = |card: &Signed<Card>| card.document.kind.is_node();
        Ok(cards.into_iter().filter(is_node).map(view).collect())
    }

    /// What an account has, as its chain's endpoint tells it.
    pub async fn balance_show(&self, account: AccountId, query: BalanceQuery) -> Result<BalanceView, Error> {
        let charter = self.charter(account)?;
        let address = address_at(&charter.document, &query.path)?;
        let entry = self.chain(query.chain_id)?;
        let chain_id = query.chain_id;
        let view = |asset, amount, symbol, decimals| BalanceView {
            chain_id,
            address: address.to_string(),
            asset,
            amount,
            symbol,
            decimals,
        };
        match query.token {
            None => {
                let amount = entry.chain.balance(address).await;
                let amount = amount.map_err(|error| Error::ChainUnreachable(chain_id, error))?;
                Ok(view(Asset::Native, amount, entry.view.coin.clone(), COIN_DECIMALS))
            }
            Some(token) => {
                let token: Address = token.parse().map_err(Error::token_address)?;
                let failed = |error| Error::token(chain_id, error);
                let about = entry.chain.token(token).await.map_err(failed)?;
                let amount = entry.chain.token_balance(token, address).await.map_err(failed)?;
                Ok(view(Asset::Token(token.to_string()), amount, about.symbol.to_string(), about.decimals))
            }
        }
    }
}

/// The address on EVM chains of the key at a path below a charter's.
pub(crate) fn address_at(charter: &Charter, path: &KeyPath) -> Result<Address, Error> {
    let key = charter.key.child(path).map_err(Error::Path)?;
    Address::of_public_key(&key.0).map_err(|_| Error::Corrupt("a charter without a public key"))
}

/// How many items a page shall have.
pub(crate) fn limit(query: &PageQuery) -> Result<u32, Error> {
    match query.limit {
        None => Ok(PAGE_LIMIT),
        Some(limit @ 1..=PAGE_LIMIT_MAX) => Ok(limit),
        Some(other) => Err(Error::Limit(other)),
    }
}

/// Where a page shall begin.
pub(crate) fn cursor<T: std::str::FromStr>(query: &PageQuery) -> Result<Option<T>, Error> {
    query.cursor.as_deref().map(str::parse).transpose().map_err(|_| Error::Cursor)
}

/// A page that says where the next one begins, if it may have one.
pub(crate) fn page<T>(items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Page<T> {
    let full = u32::try_from(items.len()).is_ok_and(|count| count >= limit);
    let next_cursor = items.last().filter(|_| full).map(cursor);
    Page { items, next_cursor }
}
