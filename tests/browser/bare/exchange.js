// @ts-check
/**
 * Everything that a participant sends and gets besides media, chat and short messages: calls of methods, long texts and
 * files, frames of data tracks. Contents are made and summed up here, so that no test carries megabytes across.
 */

const { RoomEvent } = LivekitClient;

const TEXT = 'texts';
const FILE = 'files';
const METHOD = 'reverse';

/** @typedef {import('livekit-client-2.23.0').Room} ClientRoom */
/** @typedef {'prose' | 'noise'} Kind what can be compressed well, and what cannot */
/** @typedef {{ from: string, what: string, length: number, sha256: string, failure: string }} Gotten */
/** @typedef {{ from: string, name: string, state: 'published' | 'open' | 'closed', frames: number[][] }} HeardTrack */

export class Exchange {
  /** @type {Gotten[]} */
  gotten = [];
  /** @type {{ from: string, sid: string }[]} */
  calls = [];
  /** @type {Map<string, HeardTrack>} by the id of the track */
  tracks = new Map();
  /** @type {Map<string, import('livekit-client-2.23.0').LocalDataTrack>} by name */
  ownTracks = new Map();

  /** Takes texts, files and calls from here on. */
  listen() {
    const room = this.room();
    this.gotten = [];
    room.registerTextStreamHandler(TEXT, (reader, { identity }) =>
      this.take(identity, TEXT, async () => new TextEncoder().encode(await reader.readAll())),
    );
    room.registerByteStreamHandler(FILE, (reader, { identity }) =>
      this.take(identity, reader.info.name, async () => joined(await reader.readAll())),
    );
    const participant = room.localParticipant;
    participant.registerRpcMethod(METHOD, async ({ callerIdentity, payload }) => {
      if (payload === '') throw new LivekitClient.RpcError(1234, 'nothing to reverse', callerIdentity);
      return [...payload].reverse().join('');
    });
  }

  /** Opens every data track of others, published before or later. */
  openTracks() {
    const room = this.room();
    room.on(RoomEvent.DataTrackPublished, (track) => this.open(track));
    room.on(RoomEvent.DataTrackUnpublished, (sid) => {
      const track = this.tracks.get(sid);
      if (track) track.state = 'closed';
    });
    for (const participant of room.remoteParticipants.values()) {
      for (const track of participant.dataTracks.values()) this.open(track);
    }
  }

  /** @param {import('livekit-client-2.23.0').RemoteDataTrack} track */
  async open(track) {
    /** @type {HeardTrack} */
    const heard = { from: track.publisherIdentity, name: track.info.name, state: 'published', frames: [] };
    this.tracks.set(track.info.sid, heard);
    const reader = track.subscribe({ bufferSize: 1_000 }).getReader();
    // Frames sent before the client knows the track's number here are lost, and it does not tell when it does.
    const { descriptors } = /** @type {any} */ (track).manager;
    while (descriptors.get(track.info.sid)?.subscription.type !== 'active') {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    heard.state = 'open';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const { payload } = value;
      heard.frames.push([payload[0], payload.length]);
    }
  }

  /** @param {string} name */
  async publishTrack(name) {
    this.ownTracks.set(name, await this.room().localParticipant.publishDataTrack({ name }));
  }

  /**
   * One frame, filled with one number.
   * @param {string} name
   * @param {number} number
   * @param {number} length
   */
  async push(name, number, length) {
    const track = this.ownTracks.get(name);
    await track?.tryPush({ payload: new Uint8Array(length).fill(number) });
    await track?.flush();
  }

  /** @param {string} name */
  async unpublishTrack(name) {
    await this.ownTracks.get(name)?.unpublish();
  }

  /**
   * Sends a text, and answers with its sum.
   * @param {Kind} kind
   * @param {number} length in bytes; all characters have one
   * @param {string[]} [destinationIdentities]
   */
  async sendText(kind, length, destinationIdentities) {
    const bytes = content(kind, length);
    if (kind === 'noise') bytes.forEach((byte, at) => (bytes[at] = 32 + (byte % 95)));
    await this.room().localParticipant.sendText(new TextDecoder().decode(bytes), { topic: TEXT, destinationIdentities });
    return sum(bytes);
  }

  /**
   * Sends a file, and answers with its sum.
   * @param {Kind} kind
   * @param {number} length
   * @param {string[]} [destinationIdentities]
   */
  async sendFile(kind, length, destinationIdentities) {
    const bytes = content(kind, length);
    const file = new File([bytes], `${kind}.bin`, { type: 'application/octet-stream' });
    await this.room().localParticipant.sendFile(file, { topic: FILE, destinationIdentities });
    return sum(bytes);
  }

  /**
   * Streams bytes in pieces of odd lengths, and answers with their sum.
   * @param {Kind} kind
   * @param {number} length
   */
  async streamBytes(kind, length) {
    const bytes = content(kind, length);
    const writer = await this.room().localParticipant.streamBytes({ topic: FILE, name: 'stream', totalSize: length });
    for (let at = 0, piece = 1; at < length; at += piece, piece = (piece * 7 + 1) % 60_000) {
      await writer.write(bytes.slice(at, at + piece));
    }
    await writer.close();
    return sum(bytes);
  }

  /**
   * Has someone reverse a text, and answers with what came back.
   * @param {string} destinationIdentity
   * @param {string} payload
   * @param {string} [method]
   */
  async call(destinationIdentity, payload, method = METHOD) {
    try {
      return await this.room().localParticipant.performRpc({ destinationIdentity, method, payload });
    } catch (error) {
      const { code, message } = /** @type {any} */ (error);
      return `${code} ${message}`;
    }
  }

  /** Bytes sent on data channels so far: less than what was said, if it was compressed. */
  async bytesSent() {
    const { engine } = /** @type {any} */ (this.room());
    const report = await engine.pcManager.publisher.getStats();
    const channels = [...report.values()].filter(({ type }) => type === 'data-channel');
    return channels.reduce((sent, channel) => sent + channel.bytesSent, 0);
  }

  /** Everything that arrived. */
  seen() {
    return { gotten: this.gotten, tracks: [...this.tracks.values()] };
  }

  /**
   * @param {string} from
   * @param {string} what
   * @param {() => Promise<Uint8Array>} read
   */
  async take(from, what, read) {
    try {
      const bytes = await read();
      this.gotten.push({ from, what, length: bytes.length, sha256: await sum(bytes), failure: '' });
    } catch (error) {
      this.gotten.push({ from, what, length: 0, sha256: '', failure: String(error) });
    }
  }

  /** @returns {ClientRoom} */
  room() {
    return window.call.open();
  }
}

/**
 * @param {Kind} kind
 * @param {number} length
 * @returns {Uint8Array<ArrayBuffer>}
 */
function content(kind, length) {
  const bytes = new Uint8Array(length);
  if (kind === 'prose') {
    const line = new TextEncoder().encode('The quick brown fox jumps over the lazy dog, again and again. ');
    return bytes.map((_, at) => line[at % line.length]);
  }
  let state = 0x9e3779b9 ^ length;
  for (let at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** @param {Uint8Array[]} pieces */
async function joined(pieces) {
  return new Uint8Array(await new Blob(/** @type {Uint8Array<ArrayBuffer>[]} */ (pieces)).arrayBuffer());
}

/** @param {Uint8Array} bytes */
async function sum(bytes) {
  const digest = await crypto.subtle.digest('SHA-256', /** @type {Uint8Array<ArrayBuffer>} */ (bytes));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

window.exchange = new Exchange();
