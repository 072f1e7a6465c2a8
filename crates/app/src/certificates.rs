//! Certificates: drawn from what the parties say now, numbered, chained, signed, kept for ever.

use cohold_api::{CertificateView, IssuerView, Page, PageQuery};
use cohold_custody::certificate::{Draft, Link};
use cohold_custody::declared::Declared;
use cohold_model::{AccountId, IdentitySecret, Lineage};
use cohold_store::server::{CertificateRow, Issued};

use crate::account_list::{cursor, limit, page};
use crate::coordinator::Coordinator;
use crate::error::Error;

/// The most certificates of one account in 24 hours: each is kept for ever.
const PER_DAY_MAX: u64 = 1_000;
const DAY_SECONDS: u64 = 24 * 3600;

/// Who issues certificates here, and what the deployment declares about itself.
#[derive(Debug)]
pub struct Issuer {
    /// The server's identity. It moves no money.
    pub identity: IdentitySecret,
    /// What `custody.toml` says.
    pub declared: Declared,
}

impl Coordinator {
    /// Who issues certificates here.
    #[must_use]
    pub fn issuer_show(&self) -> IssuerView {
        let identity = self.issuer.identity.public();
        let declared = serde_json::to_value(&self.issuer.declared).unwrap_or_default();
        IssuerView { identity, fingerprint: identity.fingerprint(), declared }
    }

    /// Asks the parties and issues the account's next certificate; the file, byte for byte.
    pub async fn certificate_issue(&self, account: AccountId) -> Result<String, Error> {
        let lineage = self.lineage(account).await?;
        let since = self.now().saturating_sub(DAY_SECONDS);
        let recent = self.stored(move |store| store.certificate_count(account, since)).await?;
        if recent >= PER_DAY_MAX {
            return Err(Error::CertificatesTooMany);
        }
        let statements = self.statement_list(account).await?.statements;
        let now = self.now();
        let issuer = std::sync::Arc::clone(&self.issuer);
        let issued = self.stored(move |store| {
            let (key, declared) = (issuer.identity.public(), issuer.declared.clone());
            let draft = Draft::new(&lineage, statements, declared, key, now)?;
            store.certificate_append(account, |last| {
                let after = last.map(|row| Link { number: row.number, digest: row.digest });
                let (signed, bytes) = draft.issue(after, &issuer.identity)?;
                let Link { number, digest } = Link::of(&signed.document);
                let text =
                    String::from_utf8(bytes).map_err(|_| Error::Corrupt("a certificate that is no text"))?;
                Ok::<_, Error>(Issued { row: CertificateRow { number, digest, issued_at: now }, text })
            })
        });
        Ok(issued.await?.text)
    }

    /// All charters of the account.
    async fn lineage(&self, account: AccountId) -> Result<Lineage, Error> {
        let charters = self.charter_list(account).await?;
        Lineage::new(charters).map_err(|_| Error::Corrupt("charters that are no line"))
    }

    /// One certificate, byte for byte as it was issued.
    pub async fn certificate_show(&self, account: AccountId, number: u64) -> Result<String, Error> {
        let text = self.stored(move |store| store.certificate_show(account, number)).await?;
        text.ok_or(Error::CertificateUnknown { account, number })
    }

    /// The certificates of an account, the oldest first.
    pub async fn certificate_list(
        &self,
        account: AccountId,
        query: PageQuery,
    ) -> Result<Page<CertificateView>, Error> {
        let (limit, after) = (limit(&query)?, cursor::<u64>(&query)?.unwrap_or(0));
        let rows = self.stored(move |store| store.certificate_list(account, after, limit)).await?;
        let view = |row: CertificateRow| {
            let CertificateRow { number, digest, issued_at } = row;
            CertificateView { number, digest, issued_at }
        };
        Ok(page(rows.into_iter().map(view).collect(), limit, |view| view.number.to_string()))
    }
}
