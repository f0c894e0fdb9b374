// A plain word when the network is bad, and what was done about it. Says a thing
// only when it lasts, and takes it back only when it is over for a while: words
// that come and go help nobody.

import type { Because } from './usage';
import type { Profile } from './profile';

/** What can be said, worst first. */
export type Word = 'reconnecting' | 'signal-lost' | 'lost' | 'sound-only' | 'pictures-paused' | 'pictures-smaller' | 'weak';

export const WORDS: Record<Word, string> = {
  reconnecting: 'The connection broke off. Getting you back in …',
  'signal-lost': 'Your network is shaky. The call goes on; finding the server again …',
  lost: 'Your network has stopped. As soon as it is back, so is the call.',
  'sound-only': 'Your network is slow: pictures are paused, sound goes on.',
  'pictures-paused': 'Your network is slow: some pictures are paused, sound goes on.',
  'pictures-smaller': 'Your network is slow: pictures are smaller for now.',
  weak: 'Your network is weak. Sound comes first; pictures may stop at times.',
};

/** What is known of the network. */
export interface Facts {
  link: 'up' | 'signal-lost' | 'reconnecting';
  quality: 'good' | 'poor' | 'lost';
  /** Pictures that the server paused, of so many that are watched. */
  paused: number;
  watched: number;
  profile: Profile | null;
  because: Because | null;
}

export interface Weather {
  facts: Facts;
  shown: Word | null;
  /** What would be said, and since when without a break. */
  due: { word: Word | null; since: number };
}

/** A blink of a network is over before it is read. */
const LASTS_MS = 2_000;
/** A call that is broken off must be explained at once. */
const BROKEN_LASTS_MS = 500;
/** What is said stays until it has been over for so long. */
const OVER_MS = 5_000;

export function fair(now: number): Weather {
  return {
    facts: { link: 'up', quality: 'good', paused: 0, watched: 0, profile: null, because: null },
    shown: null,
    due: { word: null, since: now },
  };
}

/** The weather after some facts changed, or after time passed. */
export function observe(weather: Weather, now: number, news: Partial<Facts> = {}): Weather {
  const facts = { ...weather.facts, ...news };
  const word = wordFor(facts);
  const due = word === weather.due.word ? weather.due : { word, since: now };
  const held = { ...weather, facts, due };
  return now >= settlesAt(held) ? { ...held, shown: due.word } : held;
}

/** When to look again, if nothing else happens; null: nothing is due. */
export function nextLook(weather: Weather): number | null {
  return weather.shown === weather.due.word ? null : settlesAt(weather);
}

function settlesAt({ due }: Weather): number {
  if (due.word === null) return due.since + OVER_MS;
  return due.since + (due.word === 'reconnecting' ? BROKEN_LASTS_MS : LASTS_MS);
}

/** The worst that is so. What somebody asked for is no fault of the network. */
function wordFor({ link, quality, paused, watched, profile, because }: Facts): Word | null {
  if (link === 'reconnecting') return 'reconnecting';
  if (link === 'signal-lost') return 'signal-lost';
  if (quality === 'lost') return 'lost';
  const wanted = because === 'asked' || because === 'room';
  if (because === 'measured' && profile === 'audio_only') return 'sound-only';
  if (paused > 0 && !(wanted && profile === 'audio_only')) return paused >= watched ? 'sound-only' : 'pictures-paused';
  if (because === 'measured' && (profile === 'low' || profile === 'medium')) return 'pictures-smaller';
  return quality === 'poor' ? 'weak' : null;
}
