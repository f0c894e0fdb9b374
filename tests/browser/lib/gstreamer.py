#!/usr/bin/python3
"""Publishes a test picture and a tone by WHIP (RFC 9725), or plays by WHEP, with GStreamer's webrtcbin.

usage: gstreamer.py publish|play URL TOKEN

Prints a line of JSON twice a second: the state of the connection, and how many pictures (video)
and pieces of sound (audio) came out of the decoders. Ends the session when it is told to end.
"""

import json
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SENT = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1 !
  vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=400000 ! rtpvp8pay picture-id-mode=15-bit !
  application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
"""
RECEIVED = (
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
)


class Session:
    """One connection, from the offer to the DELETE."""

    def __init__(self, role, url, token):
        self.url = url
        self.token = token
        self.location = None
        self.counts = {"audio": 0, "video": 0}
        if role == "publish":
            self.pipeline = Gst.parse_launch(SENT)
            self.peer = self.pipeline.get_by_name("peer")
            for index in range(2):
                transceiver = self.peer.emit("get-transceiver", index)
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        else:
            self.pipeline = Gst.Pipeline()
            self.peer = Gst.ElementFactory.make("webrtcbin")
            self.peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.peer)
            for caps in RECEIVED:
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        self.peer.connect("on-negotiation-needed", self.negotiate)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("pad-added", self.decode)
        self.pipeline.set_state(Gst.State.PLAYING)

    def negotiate(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None, None))

    def offered(self, promise, *_):
        promise.wait()
        # The description lives as long as the reply does.
        reply = promise.get_reply()
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, *_):
        if self.peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        offer = self.peer.get_property("local-description").sdp.as_text()
        with self.ask("POST", self.url, offer.encode()) as response:
            self.location = urllib.parse.urljoin(self.url, response.headers["Location"])
            answer = response.read().decode()
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())

    def ask(self, method, url, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method))

    def decode(self, _, pad):
        if pad.direction == Gst.PadDirection.SRC:
            decoder = self.added("decodebin")
            decoder.connect("pad-added", self.count)
            pad.link(decoder.get_static_pad("sink"))

    def count(self, _, pad):
        kind = pad.get_current_caps().get_structure(0).get_name().split("/")[0]

        def came(*_):
            self.counts[kind] += 1

        sink = self.added("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.connect("handoff", came)
        pad.link(sink.get_static_pad("sink"))

    def added(self, name):
        element = Gst.ElementFactory.make(name)
        self.pipeline.add(element)
        element.sync_state_with_parent()
        return element

    def tell(self):
        state = self.peer.get_property("connection-state").value_nick
        print(json.dumps({"state": state, **self.counts}), flush=True)
        return GLib.SOURCE_CONTINUE

    def end(self):
        if self.location:
            self.ask("DELETE", self.location).close()
        self.pipeline.set_state(Gst.State.NULL)


def main():
    role, url, token = sys.argv[1:]
    Gst.init(None)
    loop = GLib.MainLoop()
    session = Session(role, url, token)
    GLib.timeout_add(500, session.tell)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()
    session.end()


if __name__ == "__main__":
    main()
