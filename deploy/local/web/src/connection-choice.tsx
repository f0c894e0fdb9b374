// The place before a call where the connection is checked, for who asks for it.

import { lazy, Suspense, useState } from 'react';
import type { AskForPasses } from './trial';

// Few need it, and on a thin line it waits.
const ConnectionCheck = lazy(async () => ({ default: (await import('./connection-check')).ConnectionCheck }));

export function ConnectionChoice({ ask }: { ask: AskForPasses }) {
  const [open, setOpen] = useState(false);
  return (
    <details className="device-choice" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary data-testid="check-connection">Check the connection <span className="hint">(1 to 2 MB)</span></summary>
      {open && <Suspense fallback={<p role="status">One moment …</p>}><ConnectionCheck ask={ask} /></Suspense>}
    </details>
  );
}
