//! Hub and clients over real sockets on loopback.

use std::sync::Arc;
use std::time::Duration;

use cohold_model::{IdentityKey, IdentitySecret};
use cohold_relay::frame::login;
use cohold_relay::{Address, Hub, Parcel, RelayClient, socket};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn key(seed: u8) -> IdentityKey {
    IdentitySecret::from_seed(&mut [seed; 32]).public()
}

fn client(port: u16, seed: u8, signer: u8) -> RelayClient {
    let secret = IdentitySecret::from_seed(&mut [signer; 32]);
    let public = key(seed);
    let answer = move |challenge: &[u8; 32]| {
        let signed = login(challenge, &secret);
        [public.to_bytes().as_slice(), &signed[32..]].concat()
    };
    RelayClient::connect(format!("ws://127.0.0.1:{port}/"), "tester".parse().unwrap(), Arc::new(answer))
}

async fn serve(hub: Arc<Hub>, listener: TcpListener) {
    axum::serve(listener, socket::router("/", hub)).await.unwrap();
}

async fn start(
    port: u16,
) -> (Arc<Hub>, tokio::sync::mpsc::Receiver<Parcel>, u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (hub, mail) = Hub::new();
    let task = tokio::spawn(serve(Arc::clone(&hub), listener));
    (hub, mail, port, task)
}

async fn body(client: &mut RelayClient) -> Option<Vec<u8>> {
    timeout(PATIENCE, client.recv()).await.ok()?.map(|parcel| parcel.body)
}

#[tokio::test]
async fn parties_reach_each_other_and_the_coordinator() {
    let (hub, mut mail, port, _task) = start(0).await;
    let (mut a, mut b) = (client(port, 1, 1), client(port, 2, 2));
    assert!(a.link().ready(PATIENCE).await && b.link().ready(PATIENCE).await);
    let large = vec![7; 2 * 1024 * 1024];
    a.link().send(Address::Party(key(2)), large.clone()).await.unwrap();
    let got = timeout(PATIENCE, b.recv()).await.unwrap().unwrap();
    assert_eq!(got, Parcel { address: Address::Party(key(1)), body: large });
    b.link().send(Address::Coordinator, vec![1]).await.unwrap();
    let got = timeout(PATIENCE, mail.recv()).await.unwrap().unwrap();
    assert_eq!(got, Parcel { address: Address::Party(key(2)), body: vec![1] });
    hub.post(Address::Coordinator, Address::Party(key(1)), vec![2]).await;
    assert_eq!(body(&mut a).await, Some(vec![2]));
    assert!(a.link().send(Address::Coordinator, vec![0; 10 * 1024 * 1024]).await.is_err());
}

#[tokio::test]
async fn a_forged_login_gets_no_mail() {
    let (hub, _mail, port, _task) = start(0).await;
    let mut thief = client(port, 1, 2);
    hub.post(Address::Coordinator, Address::Party(key(1)), vec![1]).await;
    assert!(timeout(Duration::from_millis(500), thief.recv()).await.is_err());
    assert!(!thief.link().ready(Duration::ZERO).await);
    assert!(!hub.is_online(&key(1)));
    let mut owner = client(port, 1, 1);
    assert_eq!(body(&mut owner).await, Some(vec![1]));
}

#[tokio::test]
async fn a_client_comes_back_after_the_server_was_away() {
    let (hub, _mail, port, task) = start(0).await;
    let mut a = client(port, 1, 1);
    assert!(a.link().ready(PATIENCE).await);
    assert!(hub.is_online(&key(1)), "whoever is ready can be reached");
    let mut connections = a.link().connections();
    let first = *connections.borrow();
    task.abort();
    drop(task.await);
    // Open connections outlive the accept loop; a second login displaces the first one's mailbox.
    drop(hub);
    let (hub, _mail2, _, _task2) = start(port).await;
    drop(a);
    a = client(port, 1, 1);
    assert!(a.link().ready(PATIENCE).await);
    connections = a.link().connections();
    assert!(*connections.borrow() >= first);
    hub.post(Address::Coordinator, Address::Party(key(1)), vec![9]).await;
    assert_eq!(body(&mut a).await, Some(vec![9]));
}

#[tokio::test]
async fn junk_closes_the_connection_and_the_client_returns() {
    let (hub, _mail, port, _task) = start(0).await;
    let mut a = client(port, 1, 1);
    assert!(a.link().ready(PATIENCE).await);
    // A second login under the same identity displaces the first; the first reconnects, and so on:
    // whoever is newest gets the mail, and nobody is shut out for good.
    let twin = client(port, 1, 1);
    assert!(twin.link().ready(PATIENCE).await);
    drop(twin);
    let mut connections = a.link().connections();
    timeout(PATIENCE, connections.wait_for(|n| *n > 1)).await.unwrap().unwrap();
    hub.post(Address::Coordinator, Address::Party(key(1)), vec![3]).await;
    assert_eq!(body(&mut a).await, Some(vec![3]));
}
