// @ts-check
/** What the worker says to a page over its WebSockets, overheard on the way in. */

import { SignalResponse } from '@livekit/protocol';

/**
 * Listens from now on. Messages are counted by what they are, such as `join` or `offer`.
 * @param {import('playwright-core').Page} page
 * @returns {Map<string, number>}
 */
export function overhear(page) {
  /** @type {Map<string, number>} */
  const heard = new Map();
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      const { message } = typeof payload === 'string' ? SignalResponse.fromJsonString(payload) : SignalResponse.fromBinary(payload);
      const what = message.case ?? 'unknown';
      heard.set(what, (heard.get(what) ?? 0) + 1);
    });
  });
  return heard;
}
