// @ts-check
/** What the browser's own statistics say about each track that arrives or is sent. */

/** @typedef {import('livekit-client-2.23.0').RemoteParticipant} RemoteParticipant */
/** @typedef {import('livekit-client-2.23.0').LocalParticipant} LocalParticipant */
/** @typedef {Record<string, number>} Counters */

const ARRIVING = [
  'packetsReceived', 'packetsLost', 'bytesReceived', 'framesReceived', 'framesDecoded', 'framesDropped',
  'keyFramesDecoded', 'frameWidth', 'frameHeight', 'framesPerSecond', 'freezeCount', 'totalFreezesDuration',
  'nackCount', 'pliCount', 'audioLevel', 'totalAudioEnergy', 'concealedSamples', 'silentConcealedSamples',
  'totalSamplesReceived', 'jitterBufferDelay', 'jitterBufferEmittedCount',
];
const SENDING = [
  'packetsSent', 'bytesSent', 'framesEncoded', 'framesSent', 'frameWidth', 'frameHeight', 'framesPerSecond',
  'targetBitrate', 'nackCount', 'pliCount', 'retransmittedPacketsSent',
];

/**
 * One other participant, and what arrives of each track.
 * @param {RemoteParticipant} participant
 */
export async function remoteTracks(participant) {
  const publications = [...participant.trackPublications.values()];
  const tracks = await Promise.all(
    publications.map(async (publication) => {
      const [arriving] = await counted(publication.track, 'inbound-rtp', ARRIVING);
      return {
        sid: publication.trackSid,
        source: String(publication.source),
        kind: String(publication.kind),
        muted: publication.isMuted,
        subscribed: publication.isSubscribed,
        streamState: String(publication.track?.streamState ?? ''),
        encrypted: publication.isEncrypted,
        codec: arriving?.codec ?? '',
        counters: arriving?.counters ?? {},
      };
    }),
  );
  return { identity: participant.identity, sid: participant.sid, name: participant.name ?? '', tracks };
}

/**
 * What is sent, layer by layer.
 * @param {LocalParticipant} participant
 */
export async function localTracks(participant) {
  return Promise.all(
    [...participant.trackPublications.values()].map(async (publication) => ({
      sid: publication.trackSid,
      source: String(publication.source),
      muted: publication.isMuted,
      layers: await counted(publication.track, 'outbound-rtp', SENDING),
    })),
  );
}

/**
 * @param {{ getRTCStatsReport?: () => Promise<RTCStatsReport | undefined> } | undefined} track
 * @param {'inbound-rtp' | 'outbound-rtp'} type
 * @param {string[]} names
 * @returns {Promise<{ rid: string, active: boolean, codec: string, counters: Counters }[]>}
 */
async function counted(track, type, names) {
  const report = await track?.getRTCStatsReport?.();
  if (!report) return [];
  const entries = [...report.values()].filter((entry) => entry.type === type);
  return entries.map((entry) => ({
    rid: entry.rid ?? '',
    active: entry.active ?? true,
    codec: report.get(entry.codecId)?.mimeType ?? '',
    counters: Object.fromEntries(names.filter((name) => name in entry).map((name) => [name, Number(entry[name])])),
  }));
}
