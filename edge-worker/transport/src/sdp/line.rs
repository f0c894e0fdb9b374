//! What stands in single lines of a description; which line belongs where is left to
//! [`read`](super::read).

use media::{Mid, Rid, Ssrc};

use super::{
    Description, Direction, Extension, Limit, Msid, RidDirection, RidLine, SdpProblem, Section,
    SetupRole, Simulcast, SsrcGroup, SsrcGroupKind, SsrcLine, TransportLines,
};

/// Takes a line about the transport; `false` if it is about something else.
pub(super) fn transport_attribute(
    lines: &mut TransportLines,
    name: &str,
    value: &str,
) -> Result<bool, SdpProblem> {
    match name {
        "ice-ufrag" => lines.ufrag = Some(ice_word(value, 4, "ice-ufrag")?),
        "ice-pwd" => lines.pwd = Some(ice_word(value, 22, "ice-pwd")?),
        "ice-options" => {
            let words = value.split_ascii_whitespace().take(MAX_ICE_OPTIONS);
            lines.ice_options = words.map(str::to_owned).collect();
        }
        "fingerprint" => {
            let fingerprint = value.parse()?;
            if lines.fingerprints.len() == MAX_FINGERPRINTS {
                return Err(SdpProblem::TooMany(Limit::Fingerprints));
            }
            if !lines.fingerprints.contains(&fingerprint) {
                lines.fingerprints.push(fingerprint);
            }
        }
        "setup" => {
            lines.setup = Some(match value.trim() {
                "active" => SetupRole::Active,
                "passive" => SetupRole::Passive,
                "actpass" => SetupRole::ActPass,
                "holdconn" => SetupRole::HoldConn,
                _ => return Err(SdpProblem::Malformed("setup")),
            });
        }
        _ => return Ok(false),
    }
    Ok(true)
}

pub(super) fn payload_types<'a>(
    words: impl Iterator<Item = &'a str>,
) -> Result<Vec<u8>, SdpProblem> {
    let mut payload_types = Vec::new();
    for word in words {
        let payload_type = payload_type(Some(word))?;
        if !payload_types.contains(&payload_type) {
            bounded_push(
                &mut payload_types,
                payload_type,
                Section::MAX_CODECS,
                Limit::Codecs,
            )?;
        }
    }
    Ok(payload_types)
}

pub(super) fn payload_type(word: Option<&str>) -> Result<u8, SdpProblem> {
    match number(word, "payload type")? {
        payload_type @ 0..=127 => Ok(payload_type),
        _ => Err(SdpProblem::Malformed("payload type")),
    }
}

pub(super) fn extension(value: &str) -> Result<Extension, SdpProblem> {
    let malformed = SdpProblem::Malformed("extmap");
    let mut words = value.split_ascii_whitespace();
    let first = words.next().ok_or(malformed)?;
    let (id, direction) = match first.split_once('/') {
        None => (first, None),
        Some((id, "sendrecv")) => (id, Some(Direction::SendRecv)),
        Some((id, "sendonly")) => (id, Some(Direction::SendOnly)),
        Some((id, "recvonly")) => (id, Some(Direction::RecvOnly)),
        Some((id, "inactive")) => (id, Some(Direction::Inactive)),
        Some(_) => return Err(malformed),
    };
    Ok(Extension {
        id: number(Some(id), "extmap")?,
        direction,
        uri: words.next().ok_or(malformed)?.to_owned(),
    })
}

pub(super) fn msid(value: &str) -> Result<Msid, SdpProblem> {
    let mut words = value.split_ascii_whitespace();
    Ok(Msid {
        stream: words
            .next()
            .ok_or(SdpProblem::Malformed("msid"))?
            .to_owned(),
        track: words.next().unwrap_or_default().to_owned(),
    })
}

pub(super) fn ssrc(section: &mut Section, value: &str) -> Result<(), SdpProblem> {
    let (first, attribute) = value.split_once(' ').unwrap_or((value, ""));
    let ssrc = Ssrc(number(Some(first), "ssrc")?);
    let at = match section.ssrcs.iter().position(|line| line.ssrc == ssrc) {
        Some(at) => at,
        None => {
            let line = SsrcLine {
                ssrc,
                cname: None,
                msid: None,
            };
            bounded_push(&mut section.ssrcs, line, Section::MAX_SSRCS, Limit::Ssrcs)?;
            section.ssrcs.len() - 1
        }
    };
    let line = &mut section.ssrcs[at];
    match attribute.split_once(':') {
        Some(("cname", name)) if !name.trim().is_empty() => {
            line.cname = Some(name.trim().to_owned());
        }
        Some(("msid", names)) => line.msid = Some(msid(names)?),
        Some(_) | None => {}
    }
    Ok(())
}

pub(super) fn ssrc_group(section: &mut Section, value: &str) -> Result<(), SdpProblem> {
    let mut words = value.split_ascii_whitespace();
    let kind = match words.next() {
        Some("FID") => SsrcGroupKind::Fid,
        Some("SIM") => SsrcGroupKind::Sim,
        Some(_) => return Ok(()),
        None => return Err(SdpProblem::Malformed("ssrc-group")),
    };
    let mut ssrcs = Vec::new();
    for word in words {
        let ssrc = Ssrc(number(Some(word), "ssrc-group")?);
        bounded_push(&mut ssrcs, ssrc, Section::MAX_SSRCS, Limit::Ssrcs)?;
    }
    let group = SsrcGroup { kind, ssrcs };
    bounded_push(
        &mut section.ssrc_groups,
        group,
        Section::MAX_SSRCS,
        Limit::Ssrcs,
    )
}

pub(super) fn rid(section: &mut Section, value: &str) -> Result<(), SdpProblem> {
    let mut words = value.splitn(3, ' ');
    let rid = rid_name(words.next().unwrap_or_default())?;
    let direction = match words.next() {
        Some("send") => RidDirection::Send,
        Some("recv") => RidDirection::Recv,
        Some(_) | None => return Err(SdpProblem::Malformed("rid")),
    };
    if section.rids.iter().any(|line| line.rid == rid) {
        return Err(SdpProblem::DuplicateRid);
    }
    let line = RidLine {
        rid,
        direction,
        restrictions: words.next().unwrap_or_default().trim().to_owned(),
    };
    bounded_push(&mut section.rids, line, Section::MAX_RIDS, Limit::Rids)
}

fn rid_name(text: &str) -> Result<Rid, SdpProblem> {
    Rid::new(text.as_bytes()).ok_or(SdpProblem::Malformed("rid"))
}

pub(super) fn simulcast(value: &str) -> Result<Simulcast, SdpProblem> {
    let mut simulcast = Simulcast::default();
    let mut words = value.split_ascii_whitespace();
    while let Some(direction) = words.next() {
        let list = match direction {
            "send" => &mut simulcast.send,
            "recv" => &mut simulcast.recv,
            _ => return Err(SdpProblem::Malformed("simulcast")),
        };
        for encoding in words.next().unwrap_or_default().split(';') {
            let first = encoding.split(',').next().unwrap_or_default();
            let rid = rid_name(first.strip_prefix('~').unwrap_or(first))?;
            if list.contains(&rid) {
                return Err(SdpProblem::DuplicateRid);
            }
            bounded_push(list, rid, Section::MAX_RIDS, Limit::Rids)?;
        }
    }
    Ok(simulcast)
}

pub(super) fn bundle(mids: &str) -> Result<Vec<Mid>, SdpProblem> {
    let mut members = Vec::new();
    for name in mids.split_ascii_whitespace() {
        bounded_push(
            &mut members,
            mid(name)?,
            Description::MAX_SECTIONS,
            Limit::Sections,
        )?;
    }
    Ok(members)
}

pub(super) fn mid(text: &str) -> Result<Mid, SdpProblem> {
    Mid::new(text.trim().as_bytes()).ok_or(SdpProblem::Malformed("mid"))
}

/// Letters, digits, `+` and `/`, as many as RFC 8839 section 5.4 asks for and allows;
/// `-` and `_` too, because some stacks write them.
fn ice_word(text: &str, shortest: usize, what: &'static str) -> Result<String, SdpProblem> {
    let text = text.trim();
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b);
    let fits = (shortest..=256).contains(&text.len());
    if !fits || !text.bytes().all(legal) {
        return Err(SdpProblem::Malformed(what));
    }
    Ok(text.to_owned())
}

pub(super) fn number<N: std::str::FromStr>(
    word: Option<&str>,
    what: &'static str,
) -> Result<N, SdpProblem> {
    let digits = word.map(str::trim).filter(|word| !word.starts_with('+'));
    digits
        .and_then(|word| word.parse().ok())
        .ok_or(SdpProblem::Malformed(what))
}

pub(super) fn bounded_push<T>(
    list: &mut Vec<T>,
    item: T,
    most: usize,
    limit: Limit,
) -> Result<(), SdpProblem> {
    if list.len() >= most {
        return Err(SdpProblem::TooMany(limit));
    }
    list.push(item);
    Ok(())
}

/// Browsers write two.
const MAX_ICE_OPTIONS: usize = 8;
/// One certificate hashed several ways, or a few certificates.
const MAX_FINGERPRINTS: usize = 8;
