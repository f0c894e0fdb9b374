// What the page's address says, and the link that invites others.

import { checkRoom } from './rules.mjs';

/** What a visitor's address asks for. */
export interface Address {
  /** The room of an invite link, if it holds a usable one. */
  room: string | null;
  /** Why the link's room can't be used, in words. */
  refusal: string | null;
  /** Tests ask for `window.__room`. */
  debug: boolean;
}

export function readAddress(search: string): Address {
  const query = new URLSearchParams(search);
  const debug = query.has('debug');
  const raw = query.get('room');
  if (raw === null || raw.trim() === '') return { room: null, refusal: null, debug };
  const verdict = checkRoom(raw);
  return verdict.ok
    ? { room: verdict.value, refusal: null, debug }
    : { room: null, refusal: verdict.reason, debug };
}

/** The servers of the cities that the page was told of: `lagos=wss://lagos.example abuja=…`. */
export function readCities(told: string | null | undefined): { region: string; url: string }[] {
  return (told ?? '').split(/\s+/).slice(0, MOST_CITIES).flatMap((one) => {
    const [, region, url] = /^([A-Za-z][A-Za-z0-9._-]{0,63})=(wss?:\/\/\S+)$/.exec(one) ?? [];
    return region !== undefined && url !== undefined && URL.canParse(url) ? [{ region, url }] : [];
  });
}

const MOST_CITIES = 16;

export function inviteLink(origin: string, room: string): string {
  return `${origin}/?room=${encodeURIComponent(room)}`;
}

/** Whether a link to this host means something on another machine. */
export function reachesOthers(hostname: string): boolean {
  return !(hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127\./.test(hostname));
}

const FIRST = ['calm', 'bright', 'early', 'kind', 'open', 'quiet', 'warm', 'green'];
const SECOND = ['harmattan', 'iroko', 'lagoon', 'market', 'niger', 'palm', 'savanna', 'zuma'];

/** A room nobody is likely to be in yet; `random` gives numbers from 0 up to 1. */
export function suggestRoom(random: () => number): string {
  const pick = (words: string[]) => words[Math.floor(random() * words.length)] ?? words[0];
  return `${pick(FIRST)}-${pick(SECOND)}-${100 + Math.floor(random() * 900)}`;
}
