// Changing a meeting that is not over. Only what was changed is told, so that two hosts
// who change different things do not undo each other's.

import { useMutation, useQuery } from 'convex/react';
import { useState, type FormEvent } from 'react';
import { useDeed } from './deed';
import { changesOf, draftOf, flawOf } from './draft';
import { Fields, useOthers } from './fields';
import { Frame, type PageProps } from './frame';
import { isOver, plane, type Details } from './plane';

export function EditMeeting({ id, ...props }: PageProps & { id: string }) {
  const meeting = useQuery(plane.meeting, { meetingId: id });
  const back = () => props.go({ at: 'meeting', id });
  return (
    <Frame {...props} title={meeting ? `Change ${meeting.title}` : 'Meeting'}>
      {meeting === undefined && <p role="status" className="hint">Loading the meeting …</p>}
      {meeting !== undefined && (meeting?.viewer.leads && !isOver(meeting)
        ? <Form {...props} meeting={meeting} onDone={back} />
        : (
          <section className="card narrow" role="alert" data-testid="error" data-reason="not-changeable">
            <h1>This meeting can’t be changed</h1>
            <p>It is over, or you are not one of its hosts.</p>
            <div className="ways"><button type="button" className="primary" onClick={back}>To the meeting</button></div>
          </section>
        ))}
    </Frame>
  );
}

function Form({ meeting, onDone, ...props }: PageProps & { meeting: Details; onDone: () => void }) {
  const update = useMutation(plane.update);
  const deed = useDeed();
  // As it was when the form was opened: what others change meanwhile is not taken back.
  const [was] = useState(meeting);
  const [draft, setDraft] = useState(() => draftOf(was));
  const leads = new Set([was.host, ...was.coHosts].map(({ userId }) => userId));
  const others = useOthers(props).filter(({ userId }) => !leads.has(userId));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const flaw = flawOf(draft, was.kind);
    if (flaw !== null) return deed.setWrong(flaw);
    const changes = changesOf(draft, was);
    if (Object.keys(changes).length === 0) return onDone();
    void deed.run(async () => {
      await update({ meetingId: was.meetingId, changes });
      onDone();
    });
  };

  return (
    <form className="card form" onSubmit={submit} noValidate data-testid="edit-form">
      <h1>Change the meeting</h1>
      <Fields
        draft={draft} kind={was.kind} others={others} before={{ begun: was.status === 'live', hasPassword: was.settings.hasPassword }}
        onChange={(change) => setDraft((now) => ({ ...now, ...change }))}
      />
      {was.kind === 'recurring' && <p className="hint">Meetings of the series that are planned already keep their title, guests and door.</p>}
      {deed.wrong && <p className="wrong" role="alert" data-testid="error" data-reason="not-changed">{deed.wrong}</p>}
      <div className="ways">
        <button type="submit" className="primary" data-testid="save" disabled={deed.busy}>Save</button>
        <button type="button" className="quiet" data-testid="discard" onClick={onDone}>Back</button>
      </div>
    </form>
  );
}
