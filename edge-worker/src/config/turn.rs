//! `[turn]`: the way in for those whose network lets nothing else through.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Tls, value};

/// Which ways clients are told of.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Over UDP, at the ports of media.
    pub udp: bool,
    /// Over TCP, at the port of signalling.
    pub tcp: bool,
    /// The same in TLS.
    pub tls: bool,
    /// Where clients find the port of signalling, by the name in its certificate; if empty, at the
    /// addresses of media.
    pub host: String,
    /// And which port that is for them.
    pub port: u16,
}

impl Turn {
    /// `http_port` is where clients find what listens there, if nobody says otherwise.
    pub(super) fn checked(
        mut self,
        tls: Option<&Tls>,
        http_port: u16,
    ) -> Result<Self, ConfigError> {
        if self.tls && tls.is_none() {
            let allowed = "false, or true where [tls] has a certificate";
            return Err(value("turn.tls", "true", allowed));
        }
        let name = url_host(&self.host);
        if (self.tls || !self.host.is_empty()) && name.is_none() {
            return Err(value(
                "turn.host",
                &self.host,
                "a host name or an address as in tls.certificate, without a port",
            ));
        }
        self.host = name.unwrap_or_default();
        if self.port == 0 {
            self.port = http_port;
        }
        Ok(self)
    }
}

/// A host as it stands in a URL, if it is one.
fn url_host(host: &str) -> Option<String> {
    if let Ok(address) = host.parse() {
        return Some(match address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        });
    }
    let url = reqwest::Url::parse(&format!("https://{host}/")).ok()?;
    let name = url.host_str()?;
    let same = name.eq_ignore_ascii_case(host) && url.port().is_none();
    same.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_else() {
        for (host, expected) in [
            ("edge.example.org", Some("edge.example.org")),
            ("Edge.example.org", Some("edge.example.org")),
            ("192.0.2.7", Some("192.0.2.7")),
            ("2001:db8::7", Some("[2001:db8::7]")),
            ("", None),
            ("edge.example.org:443", None),
            ("https://edge.example.org", None),
            ("edge.example.org/turn", None),
            ("me@edge.example.org", None),
            ("edge example", None),
        ] {
            assert_eq!(url_host(host).as_deref(), expected, "{host:?}");
        }
    }

    #[test]
    fn tls_needs_a_certificate_and_the_name_in_it() {
        let tls = Tls::default();
        let turn = |host: &str, port| Turn {
            tls: true,
            host: host.to_owned(),
            port,
            ..Turn::default()
        };
        let error = turn("a.example", 0).checked(None, 443).unwrap_err();
        assert!(error.to_string().contains("turn.tls"), "{error}");
        let error = turn("", 0).checked(Some(&tls), 443).unwrap_err();
        assert!(error.to_string().contains("turn.host"), "{error}");
        for (port, expected) in [(0, 7880), (443, 443)] {
            let checked = turn("a.example", port).checked(Some(&tls), 7880).unwrap();
            assert_eq!(checked.port, expected);
        }
    }
}
