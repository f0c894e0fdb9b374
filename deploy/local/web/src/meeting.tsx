// One call from joining to its end: owns the room, shows the way in, hands the
// joined room to the conference.

import { RoomContext } from '@livekit/components-react';
import { RoomEvent, type DisconnectReason, type Room } from 'livekit-client';
import { useCallback, useEffect, useState } from 'react';
import { Brand } from './brand';
import { Conference, type Company } from './conference';
import { failure as failureOf, fromDisconnect, type Failure } from './failures';
import { join, makeRoom, type Visit } from './join';

export type { Visit };

interface Props {
  visit: Visit;
  debug: boolean;
  /** Who organises the call, where somebody does. */
  company?: Company | undefined;
  onEnd: (visit: Visit, failure: Failure | null) => void;
}

export function Meeting({ visit, debug, company, onEnd }: Props) {
  const [room] = useState(() => makeRoom(visit));
  const [joined, setJoined] = useState(false);
  const [trouble, setTrouble] = useState<Failure | null>(null);

  useEffect(() => {
    if (debug) (window as { __room?: Room }).__room = room;
    document.title = `${visit.room} · TOF Meet`;
    const gone = new AbortController();
    let inside = false;
    const disconnected = (reason?: DisconnectReason) => {
      // Before joining, what `join` throws says more than the reason alone.
      if (inside && !gone.signal.aborted) onEnd(visit, fromDisconnect(reason));
    };
    room.on(RoomEvent.Disconnected, disconnected);
    join(room, visit, setTrouble, gone.signal).then(
      () => {
        inside = true;
        if (!gone.signal.aborted) setJoined(true);
      },
      (thrown: Failure) => {
        for (const track of visit.tracks) track.stop();
        if (!gone.signal.aborted) onEnd(visit, thrown.title ? thrown : failureOf('unknown', String(thrown)));
      },
    );
    return () => {
      gone.abort();
      room.off(RoomEvent.Disconnected, disconnected);
      void room.disconnect();
    };
  }, [room, visit, debug, onEnd]);

  const leave = useCallback(() => {
    for (const track of visit.tracks) track.stop();
    onEnd(visit, null);
  }, [visit, onEnd]);

  if (!joined) return <Joining room={visit.room} onCancel={leave} />;
  return (
    <RoomContext.Provider value={room}>
      <Conference
        room={room}
        name={visit.room}
        trouble={trouble}
        company={company}
        onTrouble={setTrouble}
        onLeave={leave}
      />
    </RoomContext.Provider>
  );
}

function Joining({ room, onCancel }: { room: string; onCancel: () => void }) {
  return (
    <main className="ending joining">
      <Brand />
      <section className="card">
        <div className="ripple" aria-hidden="true"><span /><span /><span /></div>
        <h1>Joining <em>{room}</em></h1>
        <p role="status" data-testid="connection-state" data-state="connecting">Connecting …</p>
        <div className="ways">
          <button type="button" className="quiet" data-testid="cancel" onClick={onCancel}>Cancel</button>
        </div>
      </section>
    </main>
  );
}
