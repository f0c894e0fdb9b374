//! What a client says of itself: its SDK, its protocol numbers, its device.

use media::Codec;

use crate::proto;

/// A client's software and device, as it says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Client {
    /// Its LiveKit SDK.
    pub sdk: Sdk,
    /// The SDK's version.
    pub version: String,
    /// Signalling protocol: gates what we may send.
    pub protocol: i32,
    /// Features towards other participants; only passed on.
    pub client_protocol: i32,
    /// LiveKit's numbers; only passed on.
    pub capabilities: Vec<i32>,
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
    /// Browser, if it is one.
    pub browser: String,
    /// Its version.
    pub browser_version: String,
    /// Device.
    pub device_model: String,
    /// `wifi`, `wired`, `cellular` ...; empty if not told.
    pub network: String,
}

impl Client {
    /// Fills in what it did not say of browser and system from its `User-Agent`.
    pub fn fill_from_user_agent(&mut self, user_agent: &str) {
        /// The first match counts: Chrome's text names Safari, Android's names Linux.
        const BROWSERS: [(&str, &str); 5] = [
            ("Firefox/", "firefox"),
            ("Edg/", "edge"),
            ("OPR/", "opera"),
            ("Chrome/", "chrome"),
            ("Safari/", "safari"),
        ];
        const SYSTEMS: [(&str, &str); 6] = [
            ("Android", "android"),
            ("iPhone", "ios"),
            ("iPad", "ios"),
            ("Mac OS X", "macos"),
            ("Windows", "windows"),
            ("Linux", "linux"),
        ];
        let find = |table: &[(&str, &str)]| {
            let hit = table.iter().find(|(mark, _)| user_agent.contains(mark));
            hit.map(|(_, name)| (*name).to_owned())
        };
        if self.browser.is_empty() {
            self.browser = find(&BROWSERS).unwrap_or_default();
        }
        if self.os.is_empty() {
            self.os = find(&SYSTEMS).unwrap_or_default();
        }
    }

    /// What its device does so badly that it had better not, whatever it offers: the list of
    /// LiveKit's own server, made of what its users met.
    pub(crate) fn weaknesses(&self) -> Weaknesses {
        let os = self.os.to_ascii_lowercase();
        let model = self.device_model.to_ascii_lowercase();
        let mut weak = Weaknesses::default();
        if self.browser.eq_ignore_ascii_case("safari") {
            weak.at_all.push(Codec::Av1);
            if self.browser_is_after(18, 3) {
                weak.publishing.push(Codec::Vp9);
            }
        }
        // Firefox has no encoder there, and offers it.
        let no_encoder = self.is_firefox() && (os.contains("linux") || os.contains("android"));
        let broken = model == "xiaomi 2201117ti" && os == "android";
        if no_encoder || broken {
            weak.publishing.push(Codec::H264);
        }
        weak
    }

    /// Whether its browser is newer than that one.
    fn browser_is_after(&self, major: u32, minor: u32) -> bool {
        let mut numbers = self.browser_version.split('.');
        let mut next = || numbers.next().and_then(|it| it.parse::<u32>().ok());
        next().is_some_and(|own| (own, next().unwrap_or(0)) > (major, minor))
    }

    /// Whether it is Firefox.
    pub(crate) fn is_firefox(&self) -> bool {
        self.browser.eq_ignore_ascii_case("firefox")
    }

    pub(crate) fn from_proto(client: proto::ClientInfo) -> Self {
        Self {
            sdk: Sdk::from_number(client.sdk),
            version: client.version,
            protocol: client.protocol,
            client_protocol: client.client_protocol,
            capabilities: bounded(client.capabilities),
            os: client.os,
            os_version: client.os_version,
            browser: client.browser,
            browser_version: client.browser_version,
            device_model: client.device_model,
            network: client.network,
        }
    }
}

/// Codecs that a device does badly.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Weaknesses {
    /// In either direction.
    pub(crate) at_all: Vec<Codec>,
    /// When it sends them.
    pub(crate) publishing: Vec<Codec>,
}

impl Weaknesses {
    /// Whether it had better not send `codec`.
    pub(crate) fn publishes_badly(&self, codec: Codec) -> bool {
        self.at_all.contains(&codec) || self.publishing.contains(&codec)
    }
}

/// Reads a comma list of capability names; numbers are taken too, unknown names left out.
pub(crate) fn capabilities(list: &str) -> Vec<i32> {
    let read = |word: &str| {
        let known = proto::client_info::Capability::from_str_name(word).map(i32::from);
        known.or_else(|| word.parse().ok())
    };
    bounded(
        list.split(',')
            .filter_map(|word| read(word.trim()))
            .collect(),
    )
}

/// Every participant is told the list, so it stays short.
fn bounded(mut capabilities: Vec<i32>) -> Vec<i32> {
    const MAX_CAPABILITIES: usize = 32;
    capabilities.truncate(MAX_CAPABILITIES);
    capabilities
}

/// LiveKit's client libraries.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is the name of an SDK")]
pub enum Sdk {
    #[default]
    Unknown,
    Js,
    Swift,
    Android,
    Flutter,
    Go,
    Unity,
    ReactNative,
    Rust,
    Python,
    Cpp,
    UnityWeb,
    Node,
    Unreal,
    Esp32,
    Dotnet,
}

impl Sdk {
    /// Reads the name used in queries, in any case.
    pub fn from_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "js" => Self::Js,
            "swift" | "ios" => Self::Swift,
            "android" => Self::Android,
            "flutter" => Self::Flutter,
            "go" => Self::Go,
            "unity" => Self::Unity,
            "reactnative" => Self::ReactNative,
            "rust" => Self::Rust,
            "python" => Self::Python,
            "cpp" => Self::Cpp,
            "unityweb" => Self::UnityWeb,
            "node" => Self::Node,
            "unreal" => Self::Unreal,
            "esp32" => Self::Esp32,
            "dotnet" => Self::Dotnet,
            _ => Self::Unknown,
        }
    }

    fn from_number(number: i32) -> Self {
        use proto::client_info::Sdk as Wire;
        match Wire::try_from(number).unwrap_or_default() {
            Wire::Unknown => Self::Unknown,
            Wire::Js => Self::Js,
            Wire::Swift => Self::Swift,
            Wire::Android => Self::Android,
            Wire::Flutter => Self::Flutter,
            Wire::Go => Self::Go,
            Wire::Unity => Self::Unity,
            Wire::ReactNative => Self::ReactNative,
            Wire::Rust => Self::Rust,
            Wire::Python => Self::Python,
            Wire::Cpp => Self::Cpp,
            Wire::UnityWeb => Self::UnityWeb,
            Wire::Node => Self::Node,
            Wire::Unreal => Self::Unreal,
            Wire::Esp32 => Self::Esp32,
            Wire::Dotnet => Self::Dotnet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_and_system_are_found_in_the_user_agent() {
        for (user_agent, browser, os) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36",
                "chrome",
                "linux",
            ),
            (
                "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0",
                "firefox",
                "android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
                 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
                "safari",
                "macos",
            ),
            ("curl/8", "", ""),
        ] {
            let mut client = Client::default();
            client.fill_from_user_agent(user_agent);
            assert_eq!((client.browser.as_str(), client.os.as_str()), (browser, os));
        }
    }

    #[test]
    fn what_the_client_says_wins_over_its_user_agent() {
        let mut client = Client {
            os: "plan9".into(),
            ..Client::default()
        };
        client.fill_from_user_agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0");
        assert_eq!(
            (client.browser.as_str(), client.os.as_str()),
            ("firefox", "plan9")
        );
    }

    #[test]
    fn capabilities_are_read_by_name() {
        assert_eq!(
            capabilities("CAP_PACKET_TRAILER, CAP_COMPRESSION_DEFLATE_RAW,CAP_NEW,7"),
            [1, 2, 7]
        );
        assert_eq!(capabilities(""), [0; 0]);
    }

    #[test]
    fn sdks_are_known_by_name_and_by_number() {
        for (name, number, sdk) in [
            ("js", 1, Sdk::Js),
            ("iOS", 2, Sdk::Swift),
            ("reactnative", 7, Sdk::ReactNative),
            ("Python", 9, Sdk::Python),
            ("no such", 99, Sdk::Unknown),
        ] {
            assert_eq!((Sdk::from_name(name), Sdk::from_number(number)), (sdk, sdk));
        }
    }
}
