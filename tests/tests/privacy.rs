//! What an operator reads at `info` names nobody.

use e2e::{
    call::Call,
    node::{Node, NodeOptions},
    peer::{Peer, RELIABLE},
    tokens::{self, SECRET},
    until::{PATIENCE, until},
};
use serde_json::json;

#[tokio::test]
async fn bad_a8_the_log_of_a_call_holds_no_address_name_or_secret() {
    let node = Node::start_with(NodeOptions::default()).await.unwrap();
    let started = node.log().len();
    let mut claims = tokens::claims("hushroom", "quokka-identity");
    claims["name"] = json!("Wombat Surname");
    claims["metadata"] = json!("numbat-metadata");
    claims["attributes"] = json!({ "echidna-attribute": "bilby-value" });
    let ada = tokens::sign(&claims, SECRET).unwrap();
    let bayo = tokens::token("hushroom", "dingo-identity").unwrap();
    let refused = tokens::sign(&claims, "potoroo-secret").unwrap();

    let quokka = Peer::join_call(&node.url(), &ada).await.unwrap();
    let dingo = Peer::join_call(&node.url(), &bayo).await.unwrap();
    assert!(Peer::join_call(&node.url(), &refused).await.is_err());
    quokka.send_data(RELIABLE, b"galah-message", &[]).unwrap();
    dingo
        .until("a message", |seen| !seen.messages.is_empty())
        .await
        .unwrap();
    dingo
        .until("the call", |seen| {
            seen.sees_and_hears("quokka-identity", 50)
        })
        .await
        .unwrap();
    quokka.leave().await.unwrap();
    dingo.crash();
    until("the life of a call in the log", PATIENCE, || async {
        (node.log().len() > started).then_some(())
    })
    .await
    .unwrap();
    node.terminate().unwrap();
    let mut node = node;
    node.ended(PATIENCE).await.unwrap();

    let secret = [
        "hushroom",
        "quokka",
        "Wombat",
        "numbat",
        "echidna",
        "bilby",
        "dingo",
        "potoroo",
        "galah",
        "127.0.0.1",
        "eyJ",
        &ada,
        &bayo,
        &refused,
        "ice-pwd",
        "a=fingerprint",
        "candidate:",
    ];
    let log = node.log();
    assert!(log.len() > started, "nothing is logged");
    for line in &log[started..] {
        for word in secret {
            assert!(!line.contains(word), "{word:?} stands in {line:?}");
        }
    }
}

#[tokio::test]
async fn bad_a8_the_metrics_of_a_call_name_nobody() {
    let call = Call::start().await.unwrap();
    let metrics = call.node.metrics().await.unwrap();
    assert!(metrics.samples().len() > 5, "{metrics:?}");
    for sample in metrics.samples() {
        let line = format!("{} {}", sample.name, sample.labels);
        for word in ["ada", "bayo", "beside", "PA_", "TR_", "RM_", "127.0.0.1"] {
            // Whole words: `ada` is in no name of ours, but may come to be in a longer one.
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
            assert!(
                !words.any(|found| found == word || found.starts_with("PA_")),
                "{line}"
            );
        }
        assert!(
            sample.name.starts_with("edge_") || sample.name.starts_with("process_"),
            "{line}"
        );
    }
}
