//! Prints session descriptions (RFC 8866, RFC 9429 section 5.2.1).

use std::fmt::{Display, Formatter, Result};

use super::{
    CodecLine, Description, Msid, RidDirection, Section, SectionKind, Simulcast, SsrcGroupKind,
    TransportLines,
};
use media::Rid;

impl Display for Description {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(
            f,
            "v=0\r\no=- {} {} IN IP4 127.0.0.1\r\n",
            self.id, self.version
        )?;
        f.write_str("s=-\r\nt=0 0\r\n")?;
        if !self.bundle.is_empty() {
            f.write_str("a=group:BUNDLE")?;
            for mid in &self.bundle {
                write!(f, " {mid}")?;
            }
            f.write_str("\r\n")?;
        }
        if self.extmap_allow_mixed {
            f.write_str("a=extmap-allow-mixed\r\n")?;
        }
        f.write_str("a=msid-semantic: WMS *\r\n")?;
        if self.ice_lite {
            f.write_str("a=ice-lite\r\n")?;
        }
        transport(f, &self.transport)?;
        self.sections.iter().try_for_each(|each| section(f, each))
    }
}

fn transport(f: &mut Formatter<'_>, lines: &TransportLines) -> Result {
    if let Some(ufrag) = &lines.ufrag {
        write!(f, "a=ice-ufrag:{ufrag}\r\n")?;
    }
    if let Some(pwd) = &lines.pwd {
        write!(f, "a=ice-pwd:{pwd}\r\n")?;
    }
    if !lines.ice_options.is_empty() {
        write!(f, "a=ice-options:{}\r\n", lines.ice_options.join(" "))?;
    }
    for fingerprint in &lines.fingerprints {
        write!(f, "a=fingerprint:{fingerprint}\r\n")?;
    }
    if let Some(setup) = lines.setup {
        write!(f, "a=setup:{}\r\n", setup.as_str())?;
    }
    Ok(())
}

fn section(f: &mut Formatter<'_>, section: &Section) -> Result {
    media_line(f, section)?;
    f.write_str("c=IN IP4 0.0.0.0\r\n")?;
    if let Some(most) = section.bandwidth {
        write!(f, "b=TIAS:{}\r\n", most.0)?;
    }
    for candidate in &section.candidates {
        write!(f, "a={candidate}\r\n")?;
    }
    if section.end_of_candidates {
        f.write_str("a=end-of-candidates\r\n")?;
    }
    transport(f, &section.transport)?;
    if let Some(mid) = section.mid {
        write!(f, "a=mid:{mid}\r\n")?;
    }
    if section.bundle_only {
        f.write_str("a=bundle-only\r\n")?;
    }
    if section.kind == SectionKind::Application {
        return data_lines(f, section);
    }
    for extension in &section.extensions {
        write!(f, "a=extmap:{}", extension.id)?;
        if let Some(direction) = extension.direction {
            write!(f, "/{}", direction.as_str())?;
        }
        write!(f, " {}\r\n", extension.uri)?;
    }
    write!(f, "a={}\r\n", section.direction.as_str())?;
    for name in &section.msids {
        f.write_str("a=msid:")?;
        msid(f, name)?;
    }
    if section.rtcp_mux {
        f.write_str("a=rtcp-mux\r\n")?;
    }
    if section.rtcp_rsize {
        f.write_str("a=rtcp-rsize\r\n")?;
    }
    section.codecs.iter().try_for_each(|line| codec(f, line))?;
    encodings(f, section)?;
    sources(f, section)
}

fn media_line(f: &mut Formatter<'_>, section: &Section) -> Result {
    let Section { port, protocol, .. } = section;
    write!(f, "m={} {port} {protocol}", section.kind.as_str())?;
    for codec in &section.codecs {
        write!(f, " {}", codec.payload_type)?;
    }
    // A format has to stand there even if none is acceptable.
    if section.kind == SectionKind::Application {
        f.write_str(" webrtc-datachannel")?;
    } else if section.codecs.is_empty() {
        f.write_str(" 0")?;
    }
    f.write_str("\r\n")
}

fn data_lines(f: &mut Formatter<'_>, section: &Section) -> Result {
    if let Some(port) = section.sctp_port {
        write!(f, "a=sctp-port:{port}\r\n")?;
    }
    if let Some(size) = section.max_message_size {
        write!(f, "a=max-message-size:{size}\r\n")?;
    }
    Ok(())
}

fn msid(f: &mut Formatter<'_>, msid: &Msid) -> Result {
    f.write_str(&msid.stream)?;
    if !msid.track.is_empty() {
        write!(f, " {}", msid.track)?;
    }
    f.write_str("\r\n")
}

fn codec(f: &mut Formatter<'_>, codec: &CodecLine) -> Result {
    let number = codec.payload_type;
    write!(f, "a=rtpmap:{number} {}/{}", codec.name, codec.clock_rate)?;
    if let Some(channels) = codec.channels {
        write!(f, "/{channels}")?;
    }
    f.write_str("\r\n")?;
    for feedback in &codec.feedback {
        write!(f, "a=rtcp-fb:{number} {feedback}\r\n")?;
    }
    if !codec.fmtp.is_empty() {
        write!(f, "a=fmtp:{number} {}\r\n", codec.fmtp)?;
    }
    Ok(())
}

fn encodings(f: &mut Formatter<'_>, section: &Section) -> Result {
    for line in &section.rids {
        let direction = match line.direction {
            RidDirection::Send => "send",
            RidDirection::Recv => "recv",
        };
        write!(f, "a=rid:{} {direction}", line.rid)?;
        if !line.restrictions.is_empty() {
            write!(f, " {}", line.restrictions)?;
        }
        f.write_str("\r\n")?;
    }
    let Some(Simulcast { send, recv }) = &section.simulcast else {
        return Ok(());
    };
    if send.is_empty() && recv.is_empty() {
        return Ok(());
    }
    f.write_str("a=simulcast:")?;
    if !send.is_empty() {
        write!(f, "send {}", joined(send))?;
    }
    if !recv.is_empty() {
        let space = if send.is_empty() { "" } else { " " };
        write!(f, "{space}recv {}", joined(recv))?;
    }
    f.write_str("\r\n")
}

fn joined(rids: &[Rid]) -> String {
    let names: Vec<&str> = rids.iter().map(Rid::as_str).collect();
    names.join(";")
}

fn sources(f: &mut Formatter<'_>, section: &Section) -> Result {
    for group in &section.ssrc_groups {
        f.write_str(match group.kind {
            SsrcGroupKind::Fid => "a=ssrc-group:FID",
            SsrcGroupKind::Sim => "a=ssrc-group:SIM",
        })?;
        for ssrc in &group.ssrcs {
            write!(f, " {}", ssrc.0)?;
        }
        f.write_str("\r\n")?;
    }
    for line in &section.ssrcs {
        let number = line.ssrc.0;
        if let Some(cname) = &line.cname {
            write!(f, "a=ssrc:{number} cname:{cname}\r\n")?;
        }
        if let Some(names) = &line.msid {
            write!(f, "a=ssrc:{number} msid:")?;
            msid(f, names)?;
        }
        if line.cname.is_none() && line.msid.is_none() {
            write!(f, "a=ssrc:{number}\r\n")?;
        }
    }
    Ok(())
}
