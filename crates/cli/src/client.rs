//! The coordinator's REST API, from the device's side. Whatever comes back is a claim.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cohold_api::{
    AccountCreate, AccountView, ApprovalCreate, BalanceQuery, BalanceView, CertificateView, ChainView,
    ChangeAnswer, ChangePropose, Changes, ConsentCreate, Health, IssuerView, Page, PageQuery, PartyView,
    Problem, RecoveryCreate, RequestCreate, RequestQuery, RequestView, ReshareCreate, ReshareView,
    StatementCreate, Statements, VetoCreate, route,
};
use cohold_model::receipt::Status;
use cohold_model::statement::Statement;
use cohold_model::{AccountId, ChangeId, Charter, PartyName, RequestId, Signed};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::{Exit, Failure, Output};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an answer may take, all of it. The server itself waits for less.
const ANSWER_MAX: Duration = Duration::from_secs(45);
/// The longest text of a server that is shown as an error.
const WORDS_MAX: usize = 1000;
/// How long a server that was there a moment ago may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);
const AWAY_PAUSE: Duration = Duration::from_millis(300);

/// A client of one coordinator.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub(crate) fn new(base: &str, token: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(ANSWER_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, base: base.trim_end_matches('/').into(), token: token.into() })
    }

    /// The relay's WebSocket URL.
    pub(crate) fn relay_url(&self) -> String {
        let base = self.base.replacen("http", "ws", 1);
        format!("{base}{}", route::RELAY)
    }

    pub(crate) async fn health(&self) -> anyhow::Result<Health> {
        self.get(route::HEALTH, &()).await
    }

    pub(crate) async fn parties(&self) -> anyhow::Result<Vec<PartyView>> {
        self.get(route::PARTIES, &()).await
    }

    pub(crate) async fn chains(&self) -> anyhow::Result<Vec<ChainView>> {
        self.get(route::CHAINS, &()).await
    }

    pub(crate) async fn account_create(&self, body: &AccountCreate) -> anyhow::Result<AccountView> {
        self.post(route::ACCOUNTS, body).await
    }

    pub(crate) async fn account(&self, account: AccountId) -> anyhow::Result<AccountView> {
        self.get(&of(route::ACCOUNT, account), &()).await
    }

    pub(crate) async fn statements(&self, account: AccountId) -> anyhow::Result<Statements> {
        self.get(&of(route::STATEMENTS, account), &()).await
    }

    /// Hands in what a party of this device says of itself.
    pub(crate) async fn statement_create(
        &self,
        account: AccountId,
        statement: Signed<Statement>,
    ) -> anyhow::Result<()> {
        let path = of(route::STATEMENTS, account);
        let _: StatementCreate = self.post(&path, &StatementCreate { statement }).await?;
        Ok(())
    }

    /// Who issues certificates, as the server says.
    pub(crate) async fn issuer(&self) -> anyhow::Result<IssuerView> {
        self.get(route::ISSUER, &()).await
    }

    /// A new certificate, byte for byte.
    pub(crate) async fn certificate_issue(&self, account: AccountId) -> anyhow::Result<Vec<u8>> {
        let path = of(route::CERTIFICATES, account);
        self.file(self.http.post(self.url(&path, &())?)).await
    }

    /// An earlier certificate, byte for byte.
    pub(crate) async fn certificate(&self, account: AccountId, number: u64) -> anyhow::Result<Vec<u8>> {
        let path = of(route::CERTIFICATE, account);
        let path = path.replace("{number}", &number.to_string());
        self.file(self.http.get(self.url(&path, &())?)).await
    }

    pub(crate) async fn certificates(
        &self,
        account: AccountId,
        query: &PageQuery,
    ) -> anyhow::Result<Page<CertificateView>> {
        self.get(&of(route::CERTIFICATES, account), query).await
    }

    /// Under which rules the account is at its nodes; the texts as they were signed.
    pub(crate) async fn changes(&self, account: AccountId) -> anyhow::Result<Changes> {
        let path = of(route::CHANGES, account);
        self.signed(self.http.get(self.url(&path, &())?)).await
    }

    pub(crate) async fn change_propose(
        &self,
        account: AccountId,
        body: &ChangePropose,
    ) -> anyhow::Result<ChangeAnswer> {
        let path = of(route::CHANGES, account);
        self.signed(self.http.post(self.url(&path, &())?).json(body)).await
    }

    pub(crate) async fn change_reject(
        &self,
        account: AccountId,
        party: &PartyName,
        change: ChangeId,
    ) -> anyhow::Result<ChangeAnswer> {
        let path = of(route::CHANGE, account);
        let path = path.replace("{party}", party.as_str()).replace("{change}", &change.to_string());
        self.signed(self.http.delete(self.url(&path, &())?)).await
    }

    pub(crate) async fn veto(&self, account: AccountId, body: &VetoCreate) -> anyhow::Result<ChangeAnswer> {
        let path = of(route::VETOES, account);
        self.signed(self.http.post(self.url(&path, &())?).json(body)).await
    }

    pub(crate) async fn consent(
        &self,
        account: AccountId,
        body: &ConsentCreate,
    ) -> anyhow::Result<ChangeAnswer> {
        let path = of(route::CONSENTS, account);
        self.signed(self.http.post(self.url(&path, &())?).json(body)).await
    }

    /// Hands a node a request that guardians confirmed; answered with the node's own word.
    pub(crate) async fn recovery(
        &self,
        account: AccountId,
        body: &RecoveryCreate,
    ) -> anyhow::Result<ChangeAnswer> {
        let path = of(route::RECOVERIES, account);
        self.signed(self.http.post(self.url(&path, &())?).json(body)).await
    }

    /// All charters of an account, oldest first.
    pub(crate) async fn charters(&self, account: AccountId) -> anyhow::Result<Vec<Signed<Charter>>> {
        self.get(&of(route::CHARTERS, account), &()).await
    }

    /// The resharings of an account, newest first, as they were signed.
    pub(crate) async fn reshares(&self, account: AccountId) -> anyhow::Result<Vec<ReshareView>> {
        let path = of(route::RESHARES, account);
        self.get(&path, &()).await
    }

    pub(crate) async fn reshare_create(
        &self,
        account: AccountId,
        body: &ReshareCreate,
    ) -> anyhow::Result<ReshareView> {
        self.post(&of(route::RESHARES, account), body).await
    }

    pub(crate) async fn reshare_cancel(&self, account: AccountId) -> anyhow::Result<ReshareView> {
        let path = of(route::RESHARES, account);
        self.answer(self.http.delete(self.url(&path, &())?)).await
    }

    pub(crate) async fn balance(
        &self,
        account: AccountId,
        query: &BalanceQuery,
    ) -> anyhow::Result<BalanceView> {
        self.get(&of(route::BALANCE, account), query).await
    }

    pub(crate) async fn request_create(&self, body: &RequestCreate) -> anyhow::Result<RequestView> {
        self.post(route::REQUESTS, body).await
    }

    pub(crate) async fn request(&self, request: RequestId) -> anyhow::Result<RequestView> {
        self.get(&route::REQUEST.replace("{request}", &request.to_string()), &()).await
    }

    /// A request, as soon as it has come to `status` or ended; after some seconds wherever it stands.
    pub(crate) async fn request_wait(
        &self,
        request: RequestId,
        status: Status,
    ) -> anyhow::Result<RequestView> {
        let query = RequestQuery { wait_status: Some(status), wait_seconds: None };
        self.get(&route::REQUEST.replace("{request}", &request.to_string()), &query).await
    }

    /// A request, if the server knows it.
    pub(crate) async fn request_find(&self, request: RequestId) -> anyhow::Result<Option<RequestView>> {
        match self.request(request).await {
            Ok(view) => Ok(Some(view)),
            Err(error) => match error.downcast_ref::<Failure>() {
                Some(failure) if failure.code == "not-found" => Ok(None),
                _ => Err(error),
            },
        }
    }

    pub(crate) async fn request_cancel(&self, request: RequestId) -> anyhow::Result<RequestView> {
        let path = route::REQUEST.replace("{request}", &request.to_string());
        self.answer(self.http.delete(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn requests(&self, query: &PageQuery) -> anyhow::Result<Page<RequestView>> {
        self.get(route::REQUESTS, query).await
    }

    /// Approves; answered once the request is signed or has ended, or after some seconds.
    pub(crate) async fn approve(
        &self,
        request: RequestId,
        body: &ApprovalCreate,
    ) -> anyhow::Result<RequestView> {
        let path = route::APPROVALS.replace("{request}", &request.to_string());
        let query = RequestQuery { wait_status: Some(Status::Signed), wait_seconds: None };
        self.answer(self.http.post(self.url(&path, &query)?).json(body)).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
    ) -> anyhow::Result<T> {
        self.answer(self.http.get(self.url(path, query)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.answer(self.http.post(self.url(path, &())?).json(body)).await
    }

    fn url(&self, path: &str, query: &(impl Serialize + ?Sized)) -> anyhow::Result<reqwest::Url> {
        let query = serde_json::to_value(query)?;
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.base))
            .with_context(|| format!("`{}` is not a URL: use http://HOST:PORT", self.base))?;
        for (name, value) in query.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(name, &text);
        }
        Ok(url)
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let body = self.file(request).await?;
        let answer = understood(&body).and_then(serde_json::from_value);
        answer.map_err(|_| self.unlike("it is not what this version of Cohold understands"))
    }

    /// An answer with texts that somebody signed, as they are: what is shown of them must be made plain.
    async fn signed<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let body = self.file(request).await?;
        serde_json::from_slice(&body)
            .map_err(|_| self.unlike("it is not what this version of Cohold understands"))
    }

    /// The body of an answer that is no problem, byte for byte.
    async fn file(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        let response = request.bearer_auth(&self.token).send().await.map_err(|e| self.unreached(&e))?;
        let status = response.status();
        let body = self.bounded(response).await?;
        if status.is_redirection() {
            return Err(self.unlike(&format!("it wants to be asked elsewhere ({status})")));
        }
        if status.is_success() {
            return Ok(body);
        }
        match understood(&body).and_then(serde_json::from_value::<Problem>) {
            Ok(problem) if is_code(&problem.code) => {
                let words: String = problem.detail.chars().take(WORDS_MAX).collect();
                Err(Failure::error(Exit::Failed, &problem.code, words))
            }
            _ => Err(Failure::error(
                Exit::Failed,
                "server-error",
                format!("the server at {} answered {status}: try again, or look at its log", self.base),
            )),
        }
    }

    async fn bounded(&self, mut response: reqwest::Response) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.broke_off(&e))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.unlike("it is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        let why = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        Failure::error(
            Exit::Failed,
            "server-unreachable",
            format!("the server at {} {why}: is `cohold dev` or `cohold server` running?", self.base),
        )
    }

    fn broke_off(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            return self.unlike("it does not come to an end");
        }
        Failure::error(Exit::Failed, "server-unreachable", "the server's answer broke off: try again")
    }

    /// An answer that no server of Cohold gives.
    fn unlike(&self, what: &str) -> anyhow::Error {
        Failure::error(
            Exit::Failed,
            "bad-answer",
            format!(
                "the server's answer is not understood: {what}; is {} the URL of a Cohold server?",
                self.base
            ),
        )
    }
}

/// An answer as JSON, of plain characters only.
fn understood(body: &[u8]) -> serde_json::Result<serde_json::Value> {
    serde_json::from_slice(body).map(|mut value| {
        plain(&mut value);
        value
    })
}

/// A code as problems have it: it is shown, and programs compare it.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// Takes out of a server's texts whatever a terminal would obey or an eye would misread.
fn plain(value: &mut serde_json::Value) {
    use serde_json::Value;
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    match value {
        Value::String(text) if text.contains(hides) => *text = text.replace(hides, " "),
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(fields) => fields.values_mut().for_each(plain),
        _ => {}
    }
}

/// Carries one command over a restart of the server.
pub(crate) struct Patience {
    output: Output,
    was_away: Cell<bool>,
    /// How long a party that is not there is waited for, though the server was never seen to be away.
    grace: Duration,
}

impl Patience {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, was_away: Cell::new(false), grace: Duration::ZERO }
    }

    /// The same, where the server may have been away just before.
    pub(crate) fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Makes a call that does no harm twice, again and again while the server is away. Parties need a
    /// moment to find a server that came back, so they are waited for as well.
    pub(crate) async fn call<T>(&self, call: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let began = Instant::now();
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let hopeful = match error.downcast_ref::<Failure>().map(|failure| failure.code.as_str()) {
                Some("server-unreachable" | "stopping") => {
                    if !self.was_away.replace(true) {
                        self.output.progress("the server is away; waiting for it to come back …");
                    }
                    true
                }
                Some("party-offline" | "signers-offline") => {
                    self.was_away.get() || began.elapsed() < self.grace
                }
                _ => false,
            };
            if !hopeful || began.elapsed() > AWAY_MAX {
                return Err(error);
            }
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }
}

/// A route under an account.
fn of(route: &str, account: AccountId) -> String {
    route.replace("{account}", &account.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_says_moves_no_cursor_and_turns_no_text_around() {
        let mut said =
            json!({"detail": "fine\u{1b}[2J\u{202e}", "items": [{"reason": "a\nb\u{200b}"}], "n": 1});
        plain(&mut said);
        assert_eq!(said, json!({"detail": "fine [2J ", "items": [{"reason": "a b "}], "n": 1}));
    }

    #[test]
    fn codes_are_short_words() {
        assert!(is_code("not-found"));
        for bad in ["", "Not", "a b", "a\n", &"a".repeat(65)] {
            assert!(!is_code(bad), "{bad}");
        }
    }
}
