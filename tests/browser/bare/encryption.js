// @ts-check
/** End-to-end encryption by a secret that all of a call know, done by the client's own worker script. */

/** @typedef {import('livekit-client-2.23.0').RoomOptions} RoomOptions */

/**
 * Options for a room whose media, and data where the client can do that, only those read who know `secret`.
 * @param {string} secret
 * @returns {Promise<Partial<RoomOptions>>}
 */
export async function encryptedBy(secret) {
  const keyProvider = new LivekitClient.ExternalE2EEKeyProvider();
  await keyProvider.setKey(secret);
  const encryption = { keyProvider, worker: new Worker('livekit-client.e2ee.worker.js') };
  // The oldest client knows only the second name, under which data stay as they are.
  return { encryption, e2ee: encryption };
}
