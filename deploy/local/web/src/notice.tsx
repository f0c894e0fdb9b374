// A failure that does not end anything: a camera that would not start, say.

import type { Failure } from './failures';
import { CloseIcon } from './icons';

export function Notice({ failure, onClose }: { failure: Failure; onClose?: () => void }) {
  return (
    <div className="notice" role="alert" data-testid="error" data-reason={failure.reason}>
      <div>
        <strong>{failure.title}</strong>
        <p>{failure.what} {failure.todo.join(' ')}</p>
      </div>
      {onClose && (
        <button type="button" className="plain" aria-label="Close this message" onClick={onClose}><CloseIcon /></button>
      )}
    </div>
  );
}
