// Internet addresses and the networks they lie in, for meetings that only some networks may join. Pure; where the
// address comes from is for others.

/** A longer list is a mistake, and each join would pay for it. */
export const NETWORKS_MAX = 64;

/** Whether `address` lies in one of `networks` (`10.0.0.0/8`, `2001:db8::/32`, or one address). */
export function inNetworks(address: string | null, networks: readonly string[]): boolean {
  if (address === null) return false;
  const bits = parseAddress(address);
  if (bits === null) return false;
  return networks.some((network) => {
    const parsed = parseNetwork(network);
    return parsed !== null && samePrefix(bits, parsed.bits, parsed.length);
  });
}

/** Whether `network` can be understood at all, for refusing it when it is entered. */
export function isNetwork(network: string): boolean {
  return parseNetwork(network) !== null;
}

function parseNetwork(text: string): { bits: number[]; length: number } | null {
  const [address, length, ...rest] = text.trim().split("/");
  if (address === undefined || rest.length > 0) return null;
  const bits = parseAddress(address);
  if (bits === null) return null;
  const full = bits.length * 8;
  if (length === undefined) return { bits, length: full };
  if (!/^\d{1,3}$/.test(length) || Number(length) > full) return null;
  return { bits, length: Number(length) };
}

function samePrefix(left: number[], right: number[], length: number): boolean {
  if (left.length !== right.length) return false;
  const whole = length >> 3;
  for (let at = 0; at < whole; at++) if (left[at] !== right[at]) return false;
  const rest = length & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((left[whole] ?? 0) & mask) === ((right[whole] ?? 0) & mask);
}

/** Bytes of an address: 4 or 16. An IPv4 address in IPv6 clothes is the IPv4 address. */
function parseAddress(text: string): number[] | null {
  const trimmed = text.trim();
  if (!trimmed.includes(":")) return parseV4(trimmed);
  const bytes = parseV6(trimmed.replace(/^\[|\]$/g, "").replace(/%.*$/, ""));
  if (bytes === null) return null;
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}

function parseV4(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte < 256) ? bytes : null;
}

function parseV6(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = groups(halves[0] ?? "");
  const tail = halves.length === 2 ? groups(halves[1] ?? "") : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The bytes of colon-separated groups, the last of which may be an IPv4 address. */
function groups(text: string): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const bytes: number[] = [];
  for (const [at, part] of parts.entries()) {
    const four = at === parts.length - 1 && part.includes(".") ? parseV4(part) : null;
    if (four !== null) bytes.push(...four);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) bytes.push(parseInt(part, 16) >> 8, parseInt(part, 16) & 0xff);
    else return null;
  }
  return bytes.length <= 16 ? bytes : null;
}
