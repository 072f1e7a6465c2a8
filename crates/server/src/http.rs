//! The REST API: every handler authenticates, parses, calls one operation and answers.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::extract::rejection::BytesRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{
    DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request, State, WebSocketUpgrade,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cohold_api::{
    AccountCreate, AccountView, ApprovalCreate, BODY_BYTES_MAX, BalanceQuery, BalanceView, CertificateView,
    ChainView, ChangeAnswer, ChangePropose, Changes, ConsentCreate, Health, IssuerView, Page, PageQuery,
    PartyView, RecoveryCreate, RequestCreate, RequestQuery, RequestView, ReshareCreate, ReshareView,
    StatementCreate, Statements, VetoCreate, WAIT_SECONDS_MAX, route,
};
use cohold_app::{Coordinator, Error};
use cohold_model::receipt::Receipt;
use cohold_model::{AccountId, ChangeId, Charter, PartyName, RequestId, Signed};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::problem::{Failure, Trace};

/// How long one request may take, its body included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The most requests at a time.
const REQUESTS_MAX: usize = 512;
/// How much of a body that is too large is read before the client is told.
const BODY_BYTES_DRAINED_MAX: usize = 32 * 1024 * 1024;

/// Of what is JSON already.
const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

type App = State<Arc<Coordinator>>;
type Answer<T> = Result<Json<T>, Failure>;

/// The whole API.
pub(crate) fn router(coordinator: Arc<Coordinator>) -> Router {
    let permits = Arc::new(Semaphore::new(REQUESTS_MAX));
    let behind_token = Router::new()
        .route(route::PARTIES, get(party_list))
        .route(route::CHAINS, get(chain_list))
        .route(route::ACCOUNTS, post(account_create).get(account_list))
        .route(route::ACCOUNT, get(account_show))
        .route(route::STATEMENTS, get(statement_list).post(statement_create))
        .route(route::ISSUER, get(issuer_show))
        .route(route::CERTIFICATES, post(certificate_issue).get(certificate_list))
        .route(route::CERTIFICATE, get(certificate_show))
        .route(route::CHANGES, get(change_list).post(change_propose))
        .route(route::CHANGE, delete(change_reject))
        .route(route::CONSENTS, post(consent_add))
        .route(route::CHARTERS, get(charter_list))
        .route(route::VETOES, post(veto_add))
        .route(route::RECOVERIES, post(recovery_add))
        .route(route::RESHARES, get(reshare_list).post(reshare_create).delete(reshare_cancel))
        .route(route::BALANCE, get(balance_show))
        .route(route::REQUESTS, post(request_create).get(request_list))
        .route(route::REQUEST, get(request_show).delete(request_cancel))
        .route(route::APPROVALS, post(approval_create))
        .route(route::RECEIPTS, get(receipt_list))
        .fallback(unrouted)
        .method_not_allowed_fallback(misused)
        .layer(middleware::from_fn_with_state(Arc::clone(&coordinator), authenticated));
    Router::new()
        .route(route::HEALTH, get(health))
        .route(route::RELAY, get(relay))
        .method_not_allowed_fallback(misused)
        .merge(behind_token)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(permits, traced))
        .with_state(coordinator)
}

async fn unrouted() -> Failure {
    Failure::Route
}

async fn misused() -> Failure {
    Failure::Method
}

async fn health() -> Json<Health> {
    let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    Json(Health { ok: true, version: env!("CARGO_PKG_VERSION").into(), now })
}

async fn relay(
    State(app): App,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let hub = app.hub();
    let upgrade = upgrade.map_err(|_| Failure::WebSocket)?;
    Ok(cohold_relay::socket::bounded(upgrade).on_upgrade(async move |socket| {
        tokio::select! {
            () = cohold_relay::socket::serve(socket, hub) => {}
            () = app.stopped() => {}
        }
    }))
}

async fn party_list(State(app): App) -> Answer<Vec<PartyView>> {
    Ok(Json(app.party_list().await?))
}

async fn chain_list(State(app): App) -> Json<Vec<ChainView>> {
    Json(app.chain_list())
}

async fn account_create(
    State(app): App,
    Body(create): Body<AccountCreate>,
) -> Result<(StatusCode, Json<AccountView>), Failure> {
    Ok((StatusCode::ACCEPTED, Json(app.account_create(create).await?)))
}

async fn account_list(State(app): App, Asked(query): Asked<PageQuery>) -> Answer<Page<AccountView>> {
    Ok(Json(app.account_list(query).await?))
}

async fn account_show(State(app): App, Named(account): Named<AccountId>) -> Answer<AccountView> {
    Ok(Json(app.account_show(account).await?))
}

async fn statement_list(State(app): App, Named(account): Named<AccountId>) -> Answer<Statements> {
    Ok(Json(app.statement_list(account).await?))
}

async fn statement_create(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(create): Body<StatementCreate>,
) -> Result<(StatusCode, Json<StatementCreate>), Failure> {
    app.statement_take(account, create.statement.clone()).await?;
    Ok((StatusCode::CREATED, Json(create)))
}

async fn issuer_show(State(app): App) -> Json<IssuerView> {
    Json(app.issuer_show())
}

async fn certificate_issue(State(app): App, Named(account): Named<AccountId>) -> Result<Response, Failure> {
    Ok((StatusCode::CREATED, JSON, app.certificate_issue(account).await?).into_response())
}

async fn certificate_list(
    State(app): App,
    Named(account): Named<AccountId>,
    Asked(query): Asked<PageQuery>,
) -> Answer<Page<CertificateView>> {
    Ok(Json(app.certificate_list(account, query).await?))
}

async fn certificate_show(
    State(app): App,
    Named((account, number)): Named<(AccountId, u64)>,
) -> Result<Response, Failure> {
    Ok((JSON, app.certificate_show(account, number).await?).into_response())
}

async fn change_list(State(app): App, Named(account): Named<AccountId>) -> Answer<Changes> {
    Ok(Json(app.change_list(account).await?))
}

async fn change_propose(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(propose): Body<ChangePropose>,
) -> Answer<ChangeAnswer> {
    Ok(Json(app.change_propose(account, propose).await?))
}

async fn change_reject(
    State(app): App,
    Named((account, party, change)): Named<(AccountId, PartyName, ChangeId)>,
) -> Answer<ChangeAnswer> {
    Ok(Json(app.change_reject(account, party, change).await?))
}

async fn consent_add(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(create): Body<ConsentCreate>,
) -> Answer<ChangeAnswer> {
    Ok(Json(app.consent_add(account, create.consent).await?))
}

async fn charter_list(State(app): App, Named(account): Named<AccountId>) -> Answer<Vec<Signed<Charter>>> {
    Ok(Json(app.charter_list(account).await?))
}

async fn veto_add(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(VetoCreate { party, veto }): Body<VetoCreate>,
) -> Answer<ChangeAnswer> {
    Ok(Json(app.veto_add(account, party, veto).await?))
}

async fn recovery_add(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(RecoveryCreate { party, ask }): Body<RecoveryCreate>,
) -> Answer<ChangeAnswer> {
    Ok(Json(app.recovery_add(account, party, ask).await?))
}

async fn reshare_list(State(app): App, Named(account): Named<AccountId>) -> Answer<Vec<ReshareView>> {
    Ok(Json(app.reshare_list(account).await?))
}

async fn reshare_create(
    State(app): App,
    Named(account): Named<AccountId>,
    Body(create): Body<ReshareCreate>,
) -> Result<(StatusCode, Json<ReshareView>), Failure> {
    Ok((StatusCode::ACCEPTED, Json(app.reshare_create(account, create).await?)))
}

async fn reshare_cancel(State(app): App, Named(account): Named<AccountId>) -> Answer<ReshareView> {
    Ok(Json(app.reshare_cancel(account).await?))
}

async fn balance_show(
    State(app): App,
    Named(account): Named<AccountId>,
    Asked(query): Asked<BalanceQuery>,
) -> Answer<BalanceView> {
    Ok(Json(app.balance_show(account, query).await?))
}

async fn request_create(
    State(app): App,
    headers: HeaderMap,
    Body(create): Body<RequestCreate>,
) -> Result<(StatusCode, Json<RequestView>), Failure> {
    let request = create.intent.request;
    match headers.get("idempotency-key") {
        Some(key) if key.as_bytes() != request.to_string().as_bytes() => {
            return Err(Error::IdempotencyKey(request).into());
        }
        _ => {}
    }
    Ok((StatusCode::CREATED, Json(app.request_submit(create.intent).await?)))
}

async fn request_cancel(State(app): App, Named(request): Named<RequestId>) -> Answer<RequestView> {
    Ok(Json(app.request_cancel(request).await?))
}

async fn request_list(State(app): App, Asked(query): Asked<PageQuery>) -> Answer<Page<RequestView>> {
    Ok(Json(app.request_list(query).await?))
}

async fn request_show(
    State(app): App,
    Named(request): Named<RequestId>,
    Asked(query): Asked<RequestQuery>,
) -> Answer<RequestView> {
    let Some(wanted) = query.wait_status else { return Ok(Json(app.request_show(request).await?)) };
    Ok(Json(app.request_wait(request, wanted, patience(query)).await?))
}

async fn approval_create(
    State(app): App,
    Named(request): Named<RequestId>,
    Asked(query): Asked<RequestQuery>,
    Body(approval): Body<ApprovalCreate>,
) -> Answer<RequestView> {
    let view = app.approval_add(request, approval).await?;
    let Some(wanted) = query.wait_status else { return Ok(Json(view)) };
    Ok(Json(app.request_wait(request, wanted, patience(query)).await?))
}

fn patience(query: RequestQuery) -> Duration {
    Duration::from_secs(query.wait_seconds.unwrap_or(WAIT_SECONDS_MAX).min(WAIT_SECONDS_MAX).into())
}

async fn receipt_list(State(app): App, Asked(query): Asked<PageQuery>) -> Answer<Page<Receipt>> {
    Ok(Json(app.receipt_list(query).await?))
}

/// A body of JSON.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let said = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if said.and_then(|value| value.parse::<usize>().ok()).is_some_and(|length| length > BODY_BYTES_MAX) {
            drain(request.into_body()).await;
            return Err(Failure::BodyTooLarge);
        }
        let bytes = axum::body::Bytes::from_request(request, state).await.map_err(|rejection| {
            let BytesRejection::FailedToBufferBody(rejection) = rejection else { return Failure::BodyBroken };
            match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Failure::BodyTooLarge,
                _ => Failure::BodyBroken,
            }
        })?;
        let Json(value) = Json::from_bytes(&bytes).map_err(|e| Failure::Body(plain(&e.body_text())))?;
        Ok(Self(value))
    }
}

/// Reads and forgets what a client sends: many hear an answer only after they have sent all.
async fn drain(body: axum::body::Body) {
    let mut chunks = body.into_data_stream();
    let mut left = BODY_BYTES_DRAINED_MAX;
    while let Some(Ok(chunk)) = chunks.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

/// The query.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::Query(plain(&rejection.body_text()))),
        }
    }
}

/// The id in the path.
struct Named<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::Path(plain(&rejection.body_text()))),
        }
    }
}

/// What a parser says, without its preamble, control characters and undue length.
fn plain(text: &str) -> String {
    let place = text
        .split_once("target type: ")
        .or_else(|| text.split_once("as JSON: "))
        .map_or(text, |(_, rest)| rest);
    place.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Lets through who shows a token of this server.
async fn authenticated(State(app): App, request: Request, next: Next) -> Result<Response, Failure> {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match token {
        Some(token) if app.token_check(token)? => Ok(next.run(request).await),
        _ => Err(Failure::Token),
    }
}

/// Names every request, bounds its time and their number, and turns failures into problems.
async fn traced(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let trace = Trace::random();
    // The path as the client wrote it may hold anything; the log has what is printable of its start.
    let path: String = request.uri().path().chars().filter(char::is_ascii_graphic).take(120).collect();
    let span = tracing::info_span!("http", %trace, method = %request.method(), path);
    let started = Instant::now();
    async {
        let mut response = match permits.try_acquire() {
            Ok(_permit) => match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Failure::Timeout.answer(&trace),
            },
            Err(_) => Failure::Overload.answer(&trace),
        };
        if let Some(failure) = response.extensions_mut().remove::<Arc<Failure>>() {
            response = failure.answer(&trace);
        }
        if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
            response.headers_mut().insert("x-request-id", value);
        }
        tracing::debug!(status = response.status().as_u16(), ms = started.elapsed().as_millis(), "served");
        response
    }
    .instrument(span)
    .await
}
