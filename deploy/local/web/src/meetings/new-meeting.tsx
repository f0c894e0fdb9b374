// Making a meeting: now, at a time, or again and again.

import { useMutation } from 'convex/react';
import { useState, type FormEvent } from 'react';
import { useDeed } from './deed';
import { blank, choicesOf, flawOf } from './draft';
import { Fields, useOthers } from './fields';
import { Frame, type PageProps } from './frame';
import { plane, type Kind } from './plane';

const KINDS: { kind: Kind; words: string }[] = [
  { kind: 'instant', words: 'Now' },
  { kind: 'scheduled', words: 'At a time' },
  { kind: 'recurring', words: 'Every …' },
];

export function NewMeeting(props: PageProps) {
  const create = useMutation(plane.create);
  const deed = useDeed();
  const [kind, setKind] = useState<Kind>('instant');
  const [draft, setDraft] = useState(() => blank(Date.now()));
  const others = useOthers(props);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const flaw = flawOf(draft, kind);
    if (flaw !== null) return deed.setWrong(flaw);
    void deed.run(async () => {
      const { meetingId } = await create(choicesOf(draft, kind));
      props.go({ at: 'meeting', id: meetingId });
    });
  };

  return (
    <Frame {...props} title="New meeting">
      <form className="card form" onSubmit={submit} noValidate>
        <h1>New meeting</h1>
        <div className="segments" role="radiogroup" aria-label="When">
          {KINDS.map((one) => (
            <button key={one.kind} type="button" role="radio" aria-checked={kind === one.kind} data-testid={`kind-${one.kind}`} onClick={() => setKind(one.kind)}>{one.words}</button>
          ))}
        </div>
        <Fields draft={draft} kind={kind} others={others} onChange={(change) => setDraft((now) => ({ ...now, ...change }))} />
        {deed.wrong && <p className="wrong" role="alert" data-testid="error" data-reason="not-created">{deed.wrong}</p>}
        <div className="ways">
          <button type="submit" className="primary" data-testid="create" disabled={deed.busy}>{kind === 'instant' ? 'Make it and go there' : 'Plan it'}</button>
          <button type="button" className="quiet" onClick={() => props.go({ at: 'home' })}>Back</button>
        </div>
      </form>
    </Frame>
  );
}
