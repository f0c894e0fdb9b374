//! How this node calls others over HTTP: the app's servers, the control plane. What is asked
//! and what answers mean is left to who calls.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// A client that waits so long for an answer and follows nobody elsewhere: the operator names
/// whom to call, not whom is called another one.
pub(crate) fn client<'a>(
    mut urls: impl Iterator<Item = &'a str>,
    answer_within: Duration,
    user_agent: &str,
) -> reqwest::Result<Client> {
    // Fails where one is chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .timeout(answer_within)
        .redirect(Policy::none())
        .user_agent(user_agent);
    let builder = if urls.any(|url| url.starts_with("https:")) {
        builder
    } else {
        // Where nobody is asked for a certificate, none need be installed.
        builder.tls_certs_only([])
    };
    builder.build()
}
