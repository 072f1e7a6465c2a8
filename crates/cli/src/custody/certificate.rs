//! `cohold custody certificate`: asks the server for a certificate and believes none of it: what is
//! printed was verified here, against this device's own charter, its own word and the last certificate
//! that it saw.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context as _;
use cohold_api::{CertificateView, PageQuery};
use cohold_custody::certificate::{Expect, Link, Verified, VerifyError, parse, verify};
use cohold_model::charter::Charter;
use cohold_model::civil::utc;
use cohold_model::{AccountId, Signed};
use cohold_vault::file::private_replace;
use serde_json::json;

use super::issuer::trusted;
use super::word::own_word;
use crate::client::Client;
use crate::home::Home;
use crate::output::{Exit, Failure, Output};

/// The most certificates that are fetched to follow the chain from the last one that was seen.
const GAP_MAX: u64 = 10_000;
/// The most lines of `--list`.
const LISTED_MAX: usize = 100_000;

/// The last certificate of each account that this device saw.
type Seen = BTreeMap<AccountId, Link>;

/// Asks for a new certificate and prints it once it was verified.
pub(crate) async fn issue(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let charter = home.account(account)?;
    let client = home.client()?;
    // Held until the end: what was seen last is read and written by one command at a time.
    let device = home.unlock()?;
    let issuer = trusted(output, home, &client.issuer().await?)?;
    let own = own_word(home, &device, &charter.document)?;
    client.statement_create(account, own.clone()).await?;
    output.progress("asking the parties what they hold …");
    let bytes = client.certificate_issue(account).await?;
    let expect = Expect {
        at: cohold_node::now(),
        account: Some(account),
        issuer: Some(&issuer),
        charter: Some(&charter),
        statement: Some(&own),
        previous: None,
    };
    let verified = verify(&bytes, &expect).map_err(|error| refused(&error))?;
    follow(output, home, &client, &charter, &issuer, &verified).await?;
    keep(home, account, verified.link)?;
    output.progress(&format!("certificate {} of {account} holds", verified.link.number));
    print(&bytes)
}

/// Prints an earlier certificate, once it was verified as of when it was issued.
pub(crate) async fn show(output: Output, home: &Home, account: AccountId, number: u64) -> anyhow::Result<()> {
    let charter = home.account(account)?;
    let client = home.client()?;
    let issuer = trusted(output, home, &client.issuer().await?)?;
    let bytes = client.certificate(account, number).await?;
    let verified = past(home, &bytes, &charter, &issuer, None)?;
    if verified.link.number != number {
        let message = format!("the server gave certificate {} for number {number}", verified.link.number);
        return Err(Failure::error(Exit::Failed, "certificate-refused", message));
    }
    print(&bytes)
}

/// Lists the certificates of an account, as the server says.
pub(crate) async fn list(output: Output, home: &Home, account: AccountId) -> anyhow::Result<()> {
    let client = home.client()?;
    let mut all: Vec<CertificateView> = Vec::new();
    let mut query = PageQuery { limit: Some(cohold_api::PAGE_LIMIT_MAX), ..PageQuery::default() };
    loop {
        let page = client.certificates(account, &query).await?;
        let more = !page.items.is_empty() && all.len() < LISTED_MAX;
        all.extend(page.items);
        query.cursor = page.next_cursor.filter(|_| more);
        if query.cursor.is_none() {
            break;
        }
    }
    output.result(&all, || {
        let line =
            |view: &CertificateView| format!("{:>6}  {}  {}", view.number, utc(view.issued_at), view.digest);
        let lines: Vec<_> = all.iter().map(line).collect();
        if lines.is_empty() { "no certificate was issued yet".into() } else { lines.join("\n") }
    })
}

/// Walks the chain from the last certificate that this device saw to this one.
async fn follow(
    output: Output,
    home: &Home,
    client: &Client,
    charter: &Signed<Charter>,
    issuer: &str,
    verified: &Verified,
) -> anyhow::Result<()> {
    let number = verified.link.number;
    let account = charter.document.terms.account;
    let Some(mut known) = seen(home)?.remove(&account) else {
        if number > 1 {
            output.progress(&format!("this is number {number}, and the first one that this device sees"));
        }
        return Ok(());
    };
    let broken = |message: String| Failure::error(Exit::Failed, "certificate-refused", message);
    let gap = number.checked_sub(known.number).filter(|gap| *gap > 0).ok_or_else(|| {
        broken(format!(
            "the server issued number {number} after this device had seen number {}: it has forgotten \
             certificates, or shows others something else",
            known.number
        ))
    })?;
    if gap > GAP_MAX {
        return Err(broken(format!(
            "the server issued {gap} certificates since the last one that this device saw: too many to follow"
        )));
    }
    for between in known.number.saturating_add(1)..number {
        let bytes = client.certificate(account, between).await?;
        known = past(home, &bytes, charter, issuer, Some(known))?.link;
    }
    if known.is_before(&verified.certificate) {
        return Ok(());
    }
    Err(broken(format!(
        "certificate {number} does not follow number {}, which this device saw: the server shows others \
         something else",
        known.number
    )))
}

/// Verifies a certificate as of the moment at which it was issued.
/// It may be of an earlier epoch: then it must show the charter that this device was under, where it was.
fn past(
    home: &Home,
    bytes: &[u8],
    charter: &Signed<Charter>,
    issuer: &str,
    previous: Option<Link>,
) -> anyhow::Result<Verified> {
    let parsed = parse(bytes).map_err(|error| refused(&error.into()))?.document;
    let at = parsed.issued_at;
    let version = parsed.charters.last().map_or(1, |charter| charter.document.version);
    let id = charter.document.terms.account;
    let earlier = home.past(id)?;
    let own = [charter].into_iter().chain(&earlier).find(|own| own.document.version == version);
    let later = |own: &Signed<Charter>| own.document.version > version;
    let is_before = earlier.iter().all(later) && later(charter);
    // Before this device came to the account it knows no charter; what it has no own one of else is wrong.
    let charter = if is_before { None } else { own.or(Some(charter)) };
    let (issuer, account) = (Some(issuer), Some(id));
    let expect = Expect { at, account, issuer, previous, charter, statement: None };
    verify(bytes, &expect).map_err(|error| refused(&error))
}

fn refused(error: &VerifyError) -> anyhow::Error {
    let message = format!("the server's certificate is refused: {}", error.sentences().join("; "));
    Failure::error(Exit::Failed, "certificate-refused", message)
}

fn seen(home: &Home) -> anyhow::Result<Seen> {
    let path = home.path("certificates.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "`{}` is damaged: it notes the last certificate of each account; restore it",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Seen::new()),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn keep(home: &Home, account: AccountId, link: Link) -> anyhow::Result<()> {
    let mut all = seen(home)?;
    all.insert(account, link);
    Ok(private_replace(&home.path("certificates.json"), json!(all).to_string().as_bytes())?)
}

/// The file itself, byte for byte, and a line feed.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
