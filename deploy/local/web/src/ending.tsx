// After a call, or after joining failed: what happened, what to do, the way back.

import { useEffect, useRef } from 'react';
import type { Failure } from './failures';
import { Brand } from './brand';

interface Props {
  room: string;
  failure: Failure | null;
  /** Where the second way leads, in words. */
  change?: string;
  onRejoin: () => void;
  onChange: () => void;
}

export function Ending({ room, failure, change = 'Change name or room', onRejoin, onChange }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    document.title = failure ? `${failure.title} · TOF Meet` : 'You left · TOF Meet';
  }, [failure]);

  return (
    <main className="ending">
      <Brand />
      {failure ? (
        <section className="card" role="alert" data-testid="error" data-reason={failure.reason}>
          <p className="eyebrow warning">{room}</p>
          <h1 ref={heading} tabIndex={-1}>{failure.title}</h1>
          <p>{failure.what}</p>
          <h2>What to do</h2>
          <ul>{failure.todo.map((step) => <li key={step}>{step}</li>)}</ul>
          {failure.detail && (
            <details>
              <summary>For whoever looks after the server</summary>
              <code>{failure.reason}: {failure.detail}</code>
            </details>
          )}
          <Ways again="Try again" change={change} onRejoin={onRejoin} onChange={onChange} />
        </section>
      ) : (
        <section className="card" data-testid="left">
          <p className="eyebrow">{room}</p>
          <h1 ref={heading} tabIndex={-1}>You left the room</h1>
          <p>Camera and microphone are off. The others can go on without you.</p>
          <Ways again="Join again" change={change} onRejoin={onRejoin} onChange={onChange} />
        </section>
      )}
    </main>
  );
}

function Ways({ again, change, onRejoin, onChange }: { again: string; change: string; onRejoin: () => void; onChange: () => void }) {
  return (
    <div className="ways">
      <button type="button" className="primary" data-testid="rejoin" onClick={onRejoin}>{again}</button>
      <button type="button" className="quiet" data-testid="change" onClick={onChange}>{change}</button>
    </div>
  );
}
