// The people at the door, for whoever may open it.

import { useMutation } from 'convex/react';
import { Avatar } from './frame';
import { useDeed } from './deed';
import { plane, type Waiting } from './plane';

export function Door({ meetingId, waiting }: { meetingId: string; waiting: Waiting[] }) {
  const admit = useMutation(plane.admit);
  const deny = useMutation(plane.deny);
  const admitAll = useMutation(plane.admitAll);
  const deed = useDeed();
  if (waiting.length === 0) return null;
  return (
    <section className="door" aria-label="Waiting room" data-testid="door">
      <header>
        <h3>{waiting.length === 1 ? 'Somebody waits' : `${waiting.length} people wait`}</h3>
        {waiting.length > 1 && <button type="button" className="plain-words" data-testid="admit-all" disabled={deed.busy} onClick={() => void deed.run(() => admitAll({ meetingId }))}>Admit all</button>}
      </header>
      <ul>
        {waiting.map(({ userId, name }) => (
          <li key={userId} data-testid="waiting-person" data-name={name}>
            <Avatar name={name} />
            <strong>{name}</strong>
            <button type="button" className="quiet tiny" data-testid="deny" disabled={deed.busy} onClick={() => void deed.run(() => deny({ meetingId, userId }))}>Deny</button>
            <button type="button" className="primary tiny" data-testid="admit" disabled={deed.busy} onClick={() => void deed.run(() => admit({ meetingId, userId }))}>Admit</button>
          </li>
        ))}
      </ul>
      {deed.wrong && <p className="wrong" role="alert">{deed.wrong}</p>}
    </section>
  );
}
