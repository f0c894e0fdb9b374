// What the browser keeps for us: choices between visits, an id while the tab
// lives. Browsers that refuse storage get the defaults and a call all the same.

import { readWish, type Wish } from './profile';

/** What a visitor chose last time. */
export interface Choices {
  /** How much a call may use. */
  profile: Wish;
  name: string;
  camera: boolean;
  microphone: boolean;
  cameraId: string;
  microphoneId: string;
}

let unkeptChoices: Choices | null = null;

const CHOICES = 'meeting.choices';
const TAB = 'meeting.tab';
const DEFAULTS: Choices = { profile: 'automatic', name: '', camera: true, microphone: true, cameraId: '', microphoneId: '' };

export function readChoices(): Choices {
  if (unkeptChoices !== null) return unkeptChoices;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(CHOICES) ?? '{}');
    return merge(kept);
  } catch {
    return DEFAULTS;
  }
}

export function keepChoices(choices: Choices): void {
  try {
    localStorage.setItem(CHOICES, JSON.stringify(choices));
    unkeptChoices = null;
  } catch {
    // Storage is refused or full: kept while the page lives, the next visit starts from the defaults.
    unkeptChoices = choices;
  }
}

/** This tab's id: the same after a reload, another in every other tab. */
export function tabId(): string {
  try {
    const kept = sessionStorage.getItem(TAB);
    if (kept) return kept;
  } catch {
    return unkept;
  }
  return renewTabId();
}

/** A new id, for a tab that was copied together with its id. */
export function renewTabId(): string {
  const id = randomId();
  try {
    sessionStorage.setItem(TAB, id);
  } catch {
    unkept = id;
  }
  return id;
}

let unkept = randomId();

function randomId(): string {
  const letters = 'abcdefghijkmnpqrstuvwxyz23456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => letters[byte % letters.length]).join('');
}

function merge(kept: unknown): Choices {
  if (typeof kept !== 'object' || kept === null) return DEFAULTS;
  const merged: Record<string, unknown> = { ...DEFAULTS };
  for (const [key, value] of Object.entries(kept)) {
    if (key in merged && typeof value === typeof merged[key]) merged[key] = value;
  }
  return { ...(merged as unknown as Choices), profile: readWish(merged.profile) };
}
