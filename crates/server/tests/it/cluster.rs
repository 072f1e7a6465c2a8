//! A server on a free port, a client of it, and parties that behave as they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cohold_chain_evm::{Address as EvmAddress, signing_digest};
use cohold_model::account::{Card, PartyKind, Proposal, Role, Template, Terms};
use cohold_model::charter::{Charter, KeyBinding};
use cohold_model::intent::{Action, Asset};
use cohold_model::statement::{Sealing, Statement};
use cohold_model::{
    AccountId, Approval, Digest, Document as _, Epoch, HexBytes, IdentitySecret, Intent, Plan, RequestId,
    Signed,
};
use cohold_party::Refusal;
use cohold_party::refusal::Code;
use cohold_party::wire::{FromParty, Message, SignOrder, ToParty};
use cohold_relay::frame::login;
use cohold_relay::{Address, RelayClient};
use cohold_server::{Config, Running, spawn, token_create};
use k256::ecdsa::SigningKey;
use serde::Serialize;
use serde_json::Value;

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const RECEIVER: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A server and a client that has its token.
pub(crate) struct Server {
    running: Option<Running>,
    config: Config,
    http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Server {
    pub(crate) async fn start(folder: &Path, rpc_url: Option<&str>) -> Self {
        Self::start_with(folder, rpc_url, 0).await
    }

    pub(crate) async fn start_with(folder: &Path, rpc_url: Option<&str>, confirmations: u32) -> Self {
        let chain = rpc_url.map(|url| {
            format!("[[chain]]\nid = {CHAIN}\nname = \"local\"\ncoin = \"ETH\"\nrpc_url = \"{url}\"\nconfirmations = {confirmations}\n")
        });
        let text =
            format!("listen = \"127.0.0.1:0\"\ndatabase = \"server.db\"\n{}", chain.unwrap_or_default());
        std::fs::write(folder.join("server.toml"), text).unwrap();
        let mut config = Config::load(&folder.join("server.toml")).unwrap();
        let token = token_create(&config).unwrap();
        let running = spawn(config.clone()).await.unwrap();
        config.listen = running.address;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let no_tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let http = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(no_tls).build().unwrap();
        let url = format!("http://{}", running.address);
        Self { running: Some(running), config, http, url, token }
    }

    /// Stops it and starts it again on the same port and database.
    pub(crate) async fn restart(&mut self) {
        self.running.take().unwrap().stop().await.unwrap();
        self.running = Some(spawn(self.config.clone()).await.unwrap());
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    pub(crate) async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.answer(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> (u16, Value) {
        self.answer(self.request("POST", path).json(body)).await
    }

    /// The thing at `path` once `ready` says so.
    pub(crate) async fn until(&self, path: &str, ready: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (_, found) = self.get(path).await;
            if ready(&found) {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "not in time: {found:#}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

/// How a party answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    /// Hears and says nothing.
    Silent,
    /// Makes another key than the others.
    OtherKey,
    /// Breaks this many sessions, then signs.
    Breaks(u32),
    /// Never signs.
    Refuses(Code),
    /// Sends junk in place of a signature, then the signature.
    Forges,
}

/// A party that stays connected until it is dropped.
pub(crate) struct Party {
    pub(crate) manner: Arc<Mutex<Manner>>,
    pub(crate) heard: Arc<Mutex<Vec<ToParty>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Party {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Party {
    pub(crate) fn sets(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Waits until it heard something.
    pub(crate) async fn hears(&self, what: impl Fn(&ToParty) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.heard.lock().unwrap().iter().any(&what) {
            assert!(tokio::time::Instant::now() < deadline, "not heard: {:?}", self.heard.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Device, recovery and co-signer of one account, by their seeds.
pub(crate) struct Family {
    base: u8,
}

impl Family {
    pub(crate) fn new(base: u8) -> Self {
        Self { base }
    }

    pub(crate) fn secret(&self, i: u8) -> IdentitySecret {
        IdentitySecret::from_seed(&mut [self.base + i; 32])
    }

    pub(crate) fn card(&self, i: u8) -> Card {
        let (party, entity, kind) = match i {
            0 => ("device", "ana", PartyKind::Device),
            1 => ("recovery", "ana", PartyKind::Recovery),
            _ => ("cosigner", "acme", PartyKind::Cosigner),
        };
        Card {
            party: party.parse().unwrap(),
            entity: entity.parse().unwrap(),
            kind,
            identity: self.secret(i).public(),
            seal: Digest([self.base + i; 32]),
        }
    }

    pub(crate) fn account(&self) -> AccountId {
        format!("acc_{:032x}", self.base).parse().unwrap()
    }

    pub(crate) fn proposal(&self) -> Signed<Proposal> {
        let terms = Terms {
            guardians: None,
            account: self.account(),
            template: Template::Personal,
            entities: BTreeMap::from([
                ("ana".parse().unwrap(), Role::User),
                ("acme".parse().unwrap(), Role::Provider),
            ]),
            parties: (0..3).map(|i| self.card(i)).collect(),
            threshold: 2,
            approvers: BTreeSet::from(["device".parse().unwrap()]),
        };
        let device: cohold_model::PartyName = "device".parse().unwrap();
        let proposal = Proposal { terms, proposer: device.clone(), created_at: now(), import: None };
        Signed::by(proposal, device, &self.secret(0))
    }

    pub(crate) fn address(&self) -> EvmAddress {
        EvmAddress::of_public_key(&public_key(&self.key())).unwrap()
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.base; 32].into()).unwrap()
    }

    pub(crate) fn intent(&self, request: u8, amount: u128) -> Intent {
        Intent {
            request: request_id(request),
            account: self.account(),
            chain_id: CHAIN,
            action: Action::Transfer { asset: Asset::Native, to: RECEIVER.into(), amount: amount.into() },
            requester: "device".parse().unwrap(),
            expires_at: now() + 3600,
            path: Default::default(),
        }
    }

    /// The device's approval of what a request shows.
    pub(crate) fn approval(&self, view: &Value) -> Signed<Approval> {
        let plan: Plan = serde_json::from_value(view["plan"].clone()).unwrap();
        let approval = Approval {
            account: self.account(),
            charter: Digest([0; 32]),
            plan: plan.digest(),
            approver: "device".parse().unwrap(),
            expires_at: now() + 600,
        };
        self.sign(approval)
    }

    pub(crate) fn sign(&self, approval: Approval) -> Signed<Approval> {
        Signed::by(approval, "device".parse().unwrap(), &self.secret(0))
    }

    pub(crate) fn approval_under(&self, view: &Value, charter: &Value) -> Signed<Approval> {
        let charter: Signed<Charter> = serde_json::from_value(charter.clone()).unwrap();
        let mut approval = self.approval(view).document;
        approval.charter = charter.document.digest();
        self.sign(approval)
    }

    /// Connects one party, which says hello.
    pub(crate) async fn join(&self, server: &Server, i: u8, manner: Manner) -> Party {
        let secret = self.secret(i);
        let url = format!("{}/v1/relay", server.url.replacen("http", "ws", 1));
        let answer = move |challenge: &[u8; 32]| login(challenge, &secret);
        let mut client = RelayClient::connect(url, self.card(i).party, Arc::new(answer));
        let link = client.link();
        assert!(link.ready(PATIENCE).await);
        let (manner, heard) = (Arc::new(Mutex::new(manner)), Arc::new(Mutex::new(Vec::new())));
        let (card, key, secret) = (self.card(i), self.key(), self.secret(i));
        let task = tokio::spawn({
            let (manner, heard) = (Arc::clone(&manner), Arc::clone(&heard));
            let mut connections = link.connections();
            connections.mark_changed();
            let hello = FromParty::Hello { card: Signed::by(card.clone(), card.party.clone(), &secret) };
            async move {
                loop {
                    let said = tokio::select! {
                        changed = connections.changed() => {
                            changed.unwrap();
                            vec![hello.clone()]
                        }
                        parcel = client.recv() => {
                            let Some(parcel) = parcel else { return };
                            let Ok(Message::<ToParty>::Plain(words)) = Message::decode(&parcel.body) else { continue };
                            let mut heard = heard.lock().unwrap();
                            heard.push((*words).clone());
                            answers(*words, &heard, &mut manner.lock().unwrap(), &key, &secret)
                        }
                    };
                    for words in said {
                        let body = Message::encode_plain(&words).unwrap();
                        link.send(Address::Coordinator, body).await.unwrap();
                    }
                }
            }
        });
        Party { manner, heard, task }
    }
}

pub(crate) fn request_id(i: u8) -> RequestId {
    format!("req_{i:032x}").parse().unwrap()
}

fn public_key(key: &SigningKey) -> Vec<u8> {
    key.verifying_key().to_sec1_point(true).as_bytes().to_vec()
}

fn answers(
    words: ToParty,
    heard: &[ToParty],
    manner: &mut Manner,
    key: &SigningKey,
    secret: &IdentitySecret,
) -> Vec<FromParty> {
    match (words, *manner) {
        (_, Manner::Silent) => Vec::new(),
        (ToParty::Keygen { proposal }, manner) => {
            let other = SigningKey::from_bytes(&[99; 32].into()).unwrap();
            let key = if manner == Manner::OtherKey { &other } else { key };
            let charter = charter(&proposal, &public_key(key));
            let signature = secret.sign(&charter.digest());
            vec![FromParty::CharterSigned { charter, signature }]
        }
        (ToParty::Sign(order), held) => {
            let (session, request) = (order.session(), order.intent.request);
            match held {
                Manner::Refuses(code) => {
                    let refusal = Refusal::new(code, "not by these rules");
                    vec![FromParty::Refused { session, request, refusal }]
                }
                Manner::Breaks(left) if left > 0 => {
                    *manner = Manner::Breaks(left - 1);
                    let (reason, banned) = ("a peer was silent".into(), Vec::new());
                    vec![FromParty::Broken { session, request, reason, banned }]
                }
                Manner::Forges => {
                    let junk = HexBytes(vec![1; 65]);
                    vec![FromParty::Signature { session, request, signature: junk }, signature(&order, key)]
                }
                _ => vec![signature(&order, key)],
            }
        }
        (ToParty::Statement { .. }, _) => statement(heard, secret).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The co-signer's word about the charter that it was given.
fn statement(heard: &[ToParty], secret: &IdentitySecret) -> Option<FromParty> {
    let charter = heard.iter().find_map(|words| match words {
        ToParty::Charter { charter } => Some(&charter.document),
        _ => None,
    })?;
    let statement = Statement {
        account: charter.terms.account,
        party: "cosigner".parse().unwrap(),
        charter: charter.digest(),
        epoch: Epoch::FIRST,
        sealing: Sealing::KeyFile,
        token: None,
        held_since: now(),
        requires_approval: true,
        allowances: Vec::new(),
        fees: Vec::new(),
        vouches: Vec::new(),
        receipts: Vec::new(),
        deleted: Vec::new(),
        exported_at: None,
        imported: false,
        drilled_at: None,
        resharing_delay: None,
        rules: Digest([9; 32]),
        issued_at: now(),
        expires_at: now() + 60,
    };
    Some(FromParty::Statement(Signed::by(statement, "cosigner".parse().unwrap(), secret)))
}

fn signature(order: &SignOrder, key: &SigningKey) -> FromParty {
    let (signature, id) = key.sign_prehash_recoverable(&signing_digest(&order.plan.payload.0));
    let (r, s) = signature.split_bytes();
    let signature = HexBytes([&r[..], &s[..], &[id.to_byte()]].concat());
    FromParty::Signature { session: order.session(), request: order.intent.request, signature }
}

fn charter(proposal: &Signed<Proposal>, public_key: &[u8]) -> Charter {
    let Proposal { terms, created_at, .. } = proposal.document.clone();
    let key = KeyBinding {
        public_key: HexBytes(public_key.to_vec()),
        public_shares: vec![HexBytes(public_key.to_vec()); terms.parties.len()],
        chain_code: Digest([7; 32]),
        transcript: Digest([8; 32]),
    };
    Charter::first(terms, key, created_at)
}
