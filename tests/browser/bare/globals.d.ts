// What the bare page finds on its window, and what it puts there for the tests.

type Client = typeof import('livekit-client-2.23.0');

/** The client's UMD bundle. The types are the newest version's; the page uses only what all versions have. */
declare const LivekitClient: Client;

/** Not yet in TypeScript's DOM library. */
declare class MediaStreamTrackProcessor {
  constructor(init: { track: MediaStreamTrack });
  readonly readable: ReadableStream<VideoFrame>;
}

interface Window {
  call: import('./page.js').Call;
  exchange: import('./exchange.js').Exchange;
  /** Of a page that signals nothing: its connection, and how it posts an offer. */
  peer: RTCPeerConnection;
  post(peer: RTCPeerConnection, url: string, token: string): Promise<import('../whip.test.js').Posted>;
}
