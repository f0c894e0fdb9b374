// How much one wants to spend on a call, and how the server is asked for it. The
// server only ever lowers: what is asked for is a bound, not a promise.

/** What a person chooses. */
export type Wish = 'automatic' | 'medium' | 'low' | 'saver';

/** What the server sends at most, least first. */
export const PROFILES = ['audio_only', 'low', 'medium', 'high'] as const;
export type Profile = (typeof PROFILES)[number];

/** The attribute that carries the wish. */
export const PROFILE_ATTRIBUTE = 'tof.profile';

/** In the order they are offered in. */
export const WISHES: readonly { wish: Wish; title: string; what: string }[] = [
  { wish: 'automatic', title: 'Automatic', what: 'As good as the network carries.' },
  { wish: 'medium', title: 'Medium', what: 'Pictures of medium size.' },
  { wish: 'low', title: 'Low', what: 'Small pictures.' },
  { wish: 'saver', title: 'Data saver', what: 'Sound only, no pictures.' },
];

/** A wish that was kept, or the default where it is none of ours. */
export function readWish(kept: unknown): Wish {
  return WISHES.find(({ wish }) => wish === kept)?.wish ?? 'automatic';
}

/** How large one's own picture is sent at most: it is data too, and others on thin lines see no more. */
export function pictureOf(wish: Wish): { width: number; height: number } {
  switch (wish) {
    case 'automatic': return { width: 1280, height: 720 };
    case 'medium': return { width: 640, height: 360 };
    case 'low':
    case 'saver': return { width: 320, height: 180 };
  }
}

/** The attribute's value; empty takes it away. */
export function attributeOf(wish: Wish): Profile | '' {
  switch (wish) {
    case 'automatic': return '';
    case 'medium': return 'medium';
    case 'low': return 'low';
    case 'saver': return 'audio_only';
  }
}
