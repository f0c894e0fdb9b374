// Which of the three pages is shown: before the call, the call, after it.

import { useCallback, useState } from 'react';
import { readAddress } from './address';
import { Ending } from './ending';
import type { Failure } from './failures';
import { renewTabId } from './memory';
import { Meeting, type Visit } from './meeting';
import { Prejoin } from './prejoin';

type Place =
  | { at: 'prejoin'; failure: Failure | null }
  | { at: 'meeting'; visit: Visit }
  | { at: 'ending'; visit: Visit; failure: Failure | null };

export function App() {
  const [address] = useState(() => readAddress(location.search));
  const [place, setPlace] = useState<Place>({ at: 'prejoin', failure: null });
  const [room, setRoom] = useState(address.room);

  const join = useCallback((visit: Visit) => {
    setRoom(visit.room);
    rememberInAddress(visit.room);
    setPlace({ at: 'meeting', visit });
  }, []);

  const end = useCallback((visit: Visit, failure: Failure | null) => {
    const wrong = failure?.reason === 'bad-name' || failure?.reason === 'bad-room';
    setPlace(wrong ? { at: 'prejoin', failure } : { at: 'ending', visit: { ...visit, tracks: [] }, failure });
  }, []);

  switch (place.at) {
    case 'prejoin':
      return <Prejoin invited={room} refusal={address.refusal} failure={place.failure} onJoin={join} />;
    case 'meeting':
      return <Meeting visit={place.visit} debug={address.debug} onEnd={end} />;
    case 'ending':
      return (
        <Ending
          room={place.visit.room}
          failure={place.failure}
          onRejoin={() => {
            // The id was copied with the tab: come back as somebody else, or the two would push each other out for ever.
            if (place.failure?.reason === 'duplicate-identity') renewTabId();
            join(place.visit);
          }}
          onChange={() => setPlace({ at: 'prejoin', failure: null })}
        />
      );
  }
}

/** A reload, or a copied address, leads back to the room. */
function rememberInAddress(room: string) {
  const url = new URL(location.href);
  url.searchParams.set('room', room);
  history.replaceState(null, '', url);
}
