// Where in the meetings one is, as the address says it: so that a reload, the way
// back and a link lead there.

import { useEffect, useState } from 'react';

export type Place = { at: 'home' } | { at: 'new' } | { at: 'meeting' | 'edit'; id: string } | { at: 'code'; code: string };

export function readPlace(pathname: string, hash: string): Place {
  const code = /^\/meetings\/join\/([^/]{1,64})$/.exec(pathname)?.[1];
  const [, meeting, edit] = /^#\/meetings\/([A-Za-z0-9]{1,64})(\/edit)?$/.exec(hash) ?? [];
  if (meeting !== undefined) return { at: edit === undefined ? 'meeting' : 'edit', id: meeting };
  if (hash === '#/new') return { at: 'new' };
  return code === undefined ? { at: 'home' } : { at: 'code', code: decoded(code) };
}

export function writePlace(place: Place): string {
  switch (place.at) {
    case 'home': return '/';
    case 'new': return '/#/new';
    case 'meeting': return `/#/meetings/${place.id}`;
    case 'edit': return `/#/meetings/${place.id}/edit`;
    case 'code': return `/meetings/join/${encodeURIComponent(place.code)}`;
  }
}

/** The place, and how to go to another. */
export function usePlace(): [Place, (place: Place) => void] {
  const [place, setPlace] = useState(() => readPlace(location.pathname, location.hash));
  useEffect(() => {
    const read = () => setPlace(readPlace(location.pathname, location.hash));
    addEventListener('popstate', read);
    addEventListener('hashchange', read);
    return () => {
      removeEventListener('popstate', read);
      removeEventListener('hashchange', read);
    };
  }, []);
  const go = (to: Place) => {
    const url = new URL(writePlace(to), location.href);
    // Whatever else was asked for in the address is still asked for.
    url.search = location.search;
    history.pushState(null, '', url);
    setPlace(to);
    scrollTo({ top: 0 });
  };
  return [place, go];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
