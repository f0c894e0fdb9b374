// What may be a name, a room and a tab's id. The page checks with these before
// asking, the page server checks with the same ones before signing.

/** Longest name and room in characters; four UTF-8 bytes each stay within the server's 256. */
export const LONGEST = 64;

/** A name's or a room's verdict: the value to use, or the reason in words.
 * @typedef {{ ok: true, value: string } | { ok: false, reason: string }} Verdict */

// Cc control, Cf invisible format marks (direction overrides among them), Zl/Zp line breaks.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const ROOM = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}._-]*$/u;
const TAB = /^[a-z0-9]{4,32}$/;

/** A display name: any script, one line, something to see.
 * @param {string | null | undefined} raw
 * @returns {Verdict} */
export function checkName(raw) {
  const value = (raw ?? '').normalize('NFC').trim().replace(/ {2,}/g, ' ');
  if (value === '') return refuse('Enter your name, so that others know who you are.');
  if (length(value) > LONGEST) return refuse(`Use a name of at most ${LONGEST} characters.`);
  if (UNSEEN.test(value)) return refuse('Use letters, digits and ordinary signs in your name.');
  return { ok: true, value };
}

/** A room: what fits into a link as it is. Spaces become dashes, so that people may write them.
 * @param {string | null | undefined} raw
 * @returns {Verdict} */
export function checkRoom(raw) {
  const value = (raw ?? '').normalize('NFC').trim().replace(/\s+/g, '-');
  if (value === '') return refuse('Enter a room. Everyone who enters the same one meets there.');
  if (length(value) > LONGEST) return refuse(`Use a room name of at most ${LONGEST} characters.`);
  if (!ROOM.test(value)) {
    return refuse('Use letters, digits, dashes, dots and underscores in the room name, and begin with a letter or digit.');
  }
  return { ok: true, value };
}

/** A tab's own id, kept while the tab lives.
 * @param {string | null | undefined} raw */
export function checkTab(raw) {
  return TAB.test(raw ?? '');
}

/** What others' clients know this participant by: readable, and different in every tab.
 * @param {string} name
 * @param {string} tab */
export function identityOf(name, tab) {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 24);
  return `${slug || 'guest'}-${tab}`;
}

/** @param {string} reason
 * @returns {Verdict} */
function refuse(reason) {
  return { ok: false, reason };
}

/** @param {string} text */
function length(text) {
  return [...text].length;
}
