//! `cohold send`: from the wish to the receipt, as the device sees it. What is shown and approved is
//! decoded from the plan's bytes; the server's word for it is never taken.

use std::time::{Duration, Instant};

use cohold_api::{ApprovalCreate, RequestCreate, RequestView};
use cohold_chain_evm::TokenBook;
use cohold_model::account::PartyKind;
use cohold_model::charter::Charter;
use cohold_model::ids::PartyIndex;
use cohold_model::receipt::Status;
use cohold_model::{Document as _, Hashed, Intent, PartyName, RequestId};
use cohold_node::Keeper as _;
use serde_json::Value;

use crate::approve::{approve, let_go, own_card};
use crate::args::{SendArgs, WaitArg};
use crate::balance::shortage;
use crate::checked::{Followed, check_plan, own, shown};
use crate::client::{Client, Patience};
use crate::home::{DEVICE, Device, Home};
use crate::output::{Exit, Failure, Output, confirm};
use crate::request::{value, words};
use crate::succession::{Standing, catch_up, out};
use crate::wish::{chain_id, intent};

/// How long to wait for signing and mining.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a payment is planned before others are let go first for good.
const PLANS_MAX: u32 = 5;
/// The code of a plan that another request of the account has outdated.
const OUTDATED: &str = "plan-outdated";
/// The code of an approval that the server does not take.
const REFUSED: &str = "approval-refused";
/// The code of a payment that the account has too little for.
const SHORT: &str = "insufficient-balance";
/// How long to pause when the server would not wait.
const PAUSE: Duration = Duration::from_millis(200);

/// `cohold send`.
pub(crate) async fn send(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<()> {
    let value = if args.recovery.is_empty() {
        with_server(output, home, args).await?
    } else {
        crate::leave::send(output, home, args).await?
    };
    output.result(&value, || words(&value))
}

/// Sends through the coordinator; returns the request as it stands at the end. A plan that another
/// request of the account has outdated is never signed, so that it may be asked for anew.
pub(crate) async fn with_server(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    for _ in 1..PLANS_MAX {
        match once(output, home, args).await {
            Err(error) if args.request.is_none() && is_outdated(&error) => {
                output.progress("another payment of this account came first; planning again …");
            }
            ended => return ended,
        }
    }
    once(output, home, args).await
}

fn is_outdated(error: &anyhow::Error) -> bool {
    is(error, OUTDATED)
}

fn is(error: &anyhow::Error, code: &str) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.code == code)
}

/// One request on its way, as this device follows it.
struct Payment<'a> {
    output: Output,
    client: &'a Client,
    patience: &'a Patience,
    device: &'a Device,
    charter: &'a Charter,
    book: &'a TokenBook,
    followed: Followed<'a>,
}

async fn once(output: Output, home: &Home, args: &SendArgs) -> anyhow::Result<Value> {
    let client = home.client()?;
    let charter = home.account(args.account)?.document;
    let patience = Patience::new(output);
    let request = args.request.unwrap_or_else(|| RequestId::random(&mut cohold_node::rng()));
    let chain = chain_id(&client, args.chain).await?;
    let wanted = intent(args, &home.rules()?, chain, request)?;
    let signers = signers(&charter, &args.with)?;
    let device = home.unlock()?;
    let found = match args.request {
        Some(request) => client.request_find(request).await?,
        None => None,
    };
    let view = match found {
        Some(view) => own(view, &wanted)?,
        None => match plan_it(output, &client, &patience, &wanted).await {
            Err(error) if is(&error, SHORT) => {
                let told = shortage(&client, &charter, &wanted, &device.rules).await;
                return Err(told.map_or(error, |told| Failure::error(Exit::Failed, SHORT, told)));
            }
            planned => planned?,
        },
    };
    let approved = device.keeper.store().approval_exists(args.account, request)?;
    let book = device.rules.token_book();
    let payment = Payment {
        output,
        client: &client,
        patience: &patience,
        device: &device,
        charter: &charter,
        book: &book,
        followed: Followed { wanted: &wanted, plan: view.plan.digest(), charter: &charter, approved },
    };
    let view = payment.followed.check(view)?;
    match view.status {
        Status::Pending => payment.approve(view, args, signers).await,
        Status::Approved => {
            // This device approved these bytes before and was cut off; its share is still needed.
            check_plan(&view.intent, &view.plan, &device.rules)?;
            output.progress(&shown(&view.intent, &view.plan, &book, Some(&charter))?);
            let _online = payment.join().await?;
            payment.follow(view, args.wait).await
        }
        _ => payment.follow(view, args.wait).await,
    }
}

/// Asks for a plan of a request that the server does not know.
async fn plan_it(
    output: Output,
    client: &Client,
    patience: &Patience,
    wanted: &Intent,
) -> anyhow::Result<RequestView> {
    output.progress(&format!("request {}", wanted.request));
    let body = RequestCreate { intent: wanted.clone() };
    let view = own(patience.call(async || client.request_create(&body).await).await?, wanted)?;
    if view.intent.expires_at > wanted.expires_at {
        return Err(Failure::error(
            Exit::Failed,
            "plan-refused",
            "the server's plan is refused: it is good for longer than was asked for",
        ));
    }
    Ok(view)
}

impl Payment<'_> {
    /// Shows what the plan's bytes do, asks, approves, and follows the request to its end.
    async fn approve(
        mut self,
        view: RequestView,
        args: &SendArgs,
        signers: Option<Vec<PartyIndex>>,
    ) -> anyhow::Result<Value> {
        let request = view.request;
        if let Err(error) = check_plan(&view.intent, &view.plan, &self.device.rules) {
            self.decline(request).await;
            return Err(error);
        }
        let effects = shown(&view.intent, &view.plan, self.book, Some(self.charter))?;
        if !args.yes && !confirm(&format!("{effects}?"))? {
            self.decline(request).await;
            return Err(Failure::error(
                Exit::Failed,
                "not-confirmed",
                "not confirmed; nothing was signed (`--yes` confirms in scripts)",
            ));
        }
        self.output.progress(&effects);
        let _online = self.join().await?;
        let approval = approve(self.device, &Hashed::new(self.charter.clone()), &view.intent, &view.plan)?;
        self.followed.approved = true;
        let body = ApprovalCreate { approval, signers };
        let ended = async {
            let answer = self.patience.call(async || self.client.approve(request, &body).await).await?;
            self.follow(answer, args.wait).await
        };
        match ended.await {
            Err(error) if is_outdated(&error) => Err(self.outdated(error)?),
            Err(error) if is(&error, REFUSED) => Err(self.caught_up(error).await),
            Err(error) => Err(approved_already(error, request)),
            done => done,
        }
    }

    /// The server takes approvals under another charter only: perhaps the account came to its next epoch while
    /// this device was away. What it approved stays tied to the request's one nonce.
    async fn caught_up(&self, error: anyhow::Error) -> anyhow::Error {
        match self.gone_on().await {
            Ok(None) => error,
            Ok(Some(error)) | Err(error) => error,
        }
    }

    /// Whether the account is under another charter by now than the one that this payment began under.
    async fn gone_on(&self) -> anyhow::Result<Option<anyhow::Error>> {
        let account = self.charter.terms.account;
        if let Standing::Out(charter) = catch_up(self.client, self.device, account).await? {
            return Ok(Some(out(&charter.document)));
        }
        let kept = self.device.keeper.kept(account)?;
        let same = kept.charter.digest() == self.charter.digest();
        Ok((!same).then(|| next_epoch(self.followed.wanted.request)))
    }

    /// Gives a request up that was not approved: its place in the account's order goes to whoever comes
    /// next. One that was approved before keeps it.
    async fn decline(&self, request: RequestId) {
        if self.followed.approved {
            return;
        }
        if let Err(error) = self.client.request_cancel(request).await {
            self.output.progress(&format!("the request could not be given up: {error:#}"));
        }
    }

    /// Puts the device's party to work on the relay.
    async fn join(&self) -> anyhow::Result<crate::home::Online> {
        let (runtime, online) = self.device.online(self.client, own_card(self.device, self.charter)?);
        anyhow::ensure!(
            runtime.ready(Duration::from_secs(10)).await,
            "the relay at the server does not answer"
        );
        Ok(online)
    }

    /// Before a wish is planned under another id: the server's word that this request is outdated is
    /// not enough.
    fn outdated(&self, error: anyhow::Error) -> anyhow::Result<anyhow::Error> {
        let request = self.followed.wanted.request;
        if let_go(self.device, self.charter, request)? {
            return Ok(error);
        }
        Ok(Failure::error(
            Exit::Waiting,
            "maybe-signed",
            format!(
                "the server says that another payment came before request `{request}`, but it may have been signed: look at `cohold request show {request}` and at the account before you pay again"
            ),
        ))
    }

    /// Waits until the request has come as far as was asked for.
    async fn follow(&self, view: RequestView, wait: WaitArg) -> anyhow::Result<Value> {
        let request = self.followed.wanted.request;
        let began = Instant::now();
        let (mut view, mut told) = (self.followed.check(view)?, Status::Pending);
        loop {
            if view.status != told {
                told = view.status;
                self.output.progress(&format!("{request} is {told}"));
            }
            match view.status {
                Status::Refused | Status::Expired | Status::Reverted => return Err(self.ended(&view)?),
                status if status >= enough(wait) => return value(&view, self.book),
                _ if began.elapsed() > PATIENCE => {
                    let why = view.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                    return Err(Failure::error(
                        Exit::Waiting,
                        "waiting",
                        format!(
                            "the request is still {}{why}: look again with `cohold request show {request}`",
                            view.status
                        ),
                    ));
                }
                // Approved before, and not any more; or the server has not heard of it, or does not say so.
                Status::Pending if self.followed.approved => {
                    if let Some(error) = self.gone_on().await? {
                        return Err(error);
                    }
                }
                _ => {}
            }
            let asked = Instant::now();
            let look = async || self.client.request_wait(request, next(view.status)).await;
            view = self.followed.check(self.patience.call(look).await?)?;
            if view.status == told && asked.elapsed() < PAUSE {
                // A busy server answers at once.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Why a request came to nothing, by the server's word, and whether this device can be sure.
    fn ended(&self, view: &RequestView) -> anyhow::Result<anyhow::Error> {
        let why = view.reason.clone().unwrap_or_else(|| "no reason was given".into());
        let early = view.status == Status::Expired && cohold_node::now() < view.intent.expires_at;
        let code = if early { OUTDATED } else { status_code(view.status) };
        let is_over = view.status == Status::Reverted
            || !self.followed.approved
            || let_go(self.device, self.charter, view.request)?;
        let caution = if is_over {
            ""
        } else {
            "; this is the server's word, and what you approved may still be signed: see that the balance is whole before you pay again"
        };
        Ok(Failure::error(Exit::Failed, code, format!("the request is {}: {why}{caution}", view.status)))
    }
}

/// Who is named signs, with this device where others are wanting.
fn signers(charter: &Charter, names: &[PartyName]) -> anyhow::Result<Option<Vec<PartyIndex>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let me: PartyName = DEVICE.parse()?;
    let mut signers = Vec::new();
    let own = (names.len() < usize::from(charter.terms.threshold)).then_some(&me);
    for name in names.iter().chain(own) {
        let (index, card) = charter.terms.party(name).ok_or_else(|| {
            Failure::error(Exit::Usage, "unknown-party", format!("`{name}` is no party of this account"))
        })?;
        if card.kind == PartyKind::Recovery {
            let asleep = format!(
                "`{name}` sleeps in its file and signs with nobody's server: give the file with --recovery, and --rpc"
            );
            return Err(Failure::error(Exit::Usage, "party-asleep", asleep));
        }
        signers.push(index);
    }
    signers.sort();
    signers.dedup();
    Ok(Some(signers))
}

/// That a payment must be approved under the charter of the next epoch.
fn next_epoch(request: RequestId) -> anyhow::Error {
    Failure::error(
        Exit::Waiting,
        "next-epoch",
        format!(
            "the account came to its next epoch before this was signed: approve it again with `--request {request}`, which pays once"
        ),
    )
}

/// An answer that broke off or makes no sense says nothing of what was approved before.
fn approved_already(error: anyhow::Error, request: RequestId) -> anyhow::Error {
    match error.downcast::<Failure>() {
        Ok(Failure { exit: Exit::Failed, code, message }) if !is_end(&code) => Failure::error(
            Exit::Failed,
            &code,
            format!(
                "{message} (it was approved: repeat the command with `--request {request}`, which pays once)"
            ),
        ),
        Ok(failure) => failure.into(),
        Err(error) => error.context(format!(
            "it was approved: repeat the command with `--request {request}`, which pays once"
        )),
    }
}

/// Whether nothing is left to repeat.
fn is_end(code: &str) -> bool {
    matches!(code, "refused" | "expired" | "reverted" | "second-nonce" | "given-up" | "idempotency-mismatch")
}

fn status_code(status: Status) -> &'static str {
    match status {
        Status::Refused => "refused",
        Status::Expired => "expired",
        _ => "reverted",
    }
}

/// How far a request must come.
fn enough(wait: WaitArg) -> Status {
    match wait {
        WaitArg::Submitted => Status::Submitted,
        WaitArg::Mined => Status::Mined,
        WaitArg::Final => Status::Final,
    }
}

/// What a request comes to next, if all goes well.
fn next(status: Status) -> Status {
    match status {
        Status::Pending => Status::Approved,
        Status::Approved => Status::Signed,
        Status::Signed => Status::Submitted,
        Status::Submitted => Status::Mined,
        _ => Status::Final,
    }
}
