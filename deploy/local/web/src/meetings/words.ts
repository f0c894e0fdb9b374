// Times and lengths as people read them, in the place where they are.

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
const DAY = 86_400_000;

/** `14:00 to 15:30`, with the day unless it is today. */
export function spanWords(from: number, to: number, now: number): string {
  const times = `${clock.format(from)} to ${clock.format(to)}`;
  return `${dayWords(from, now)}, ${times}`;
}

export function dayWords(at: number, now: number): string {
  const days = Math.round((midnight(at) - midnight(now)) / DAY);
  if (days === 0) return 'Today';
  if (days === 1) return 'Tomorrow';
  return days === -1 ? 'Yesterday' : day.format(at);
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}

/** `7 s`, `12 min 5 s`, `1 h 4 min`: to the second where seconds matter. */
export function lengthWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function timeWords(at: number | null): string {
  return at === null ? 'never' : new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** How far away a start is: `in 9 min`, `since 3 min`, `in 2 h`. */
export function untilWords(at: number, now: number): string {
  const minutes = Math.round(Math.abs(at - now) / 60_000);
  const far = minutes < 60 ? `${minutes} min` : minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} days`;
  if (minutes === 0) return 'now';
  return at > now ? `in ${far}` : `since ${far}`;
}

/** A city as people write it. */
export function cityWords(region: string): string {
  return region.split(/[-_ ]+/).map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
}

/** What an error of a function says to the person. */
export function errorWords(error: unknown): string {
  const told = (error as { data?: { message?: unknown } } | null)?.data?.message;
  if (typeof told === 'string') return told;
  return 'That did not work. Check the connection and try again.';
}
