// Making a meeting: now, at a time, or again and again.

import { useMutation } from 'convex/react';
import { useEffect, useState, type FormEvent } from 'react';
import { useDeed } from './deed';
import { Frame, type PageProps } from './frame';
import { plane, type Kind } from './plane';

const KINDS: { kind: Kind; words: string }[] = [
  { kind: 'instant', words: 'Now' },
  { kind: 'scheduled', words: 'At a time' },
  { kind: 'recurring', words: 'Every …' },
];
const MINUTE = 60_000;
const SOON = 10 * MINUTE;

export function NewMeeting(props: PageProps) {
  const create = useMutation(plane.create);
  const deed = useDeed();
  const [kind, setKind] = useState<Kind>('instant');
  const [title, setTitle] = useState('');
  const [description, setDescription] = useState('');
  const [start, setStart] = useState(() => forField(Date.now() + SOON));
  const [minutes, setMinutes] = useState(60);
  const [pattern, setPattern] = useState<'daily' | 'weekly' | 'monthly'>('weekly');
  const [waitingRoom, setWaitingRoom] = useState(true);
  const [password, setPassword] = useState('');
  const others = useOthers(props);
  const [asked, setAsked] = useState<ReadonlySet<string>>(new Set());

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (title.trim() === '') return deed.setWrong('Give the meeting a title.');
    const startsAt = new Date(start).getTime();
    if (kind !== 'instant' && !Number.isFinite(startsAt)) return deed.setWrong('Say when the meeting begins.');
    void deed.run(async () => {
      const { meetingId } = await create({
        kind, title: title.trim(), waitingRoom,
        ...(description.trim() === '' ? {} : { description: description.trim() }),
        ...(kind === 'instant' ? {} : { startsAt, endsAt: startsAt + minutes * MINUTE }),
        ...(kind === 'recurring' ? { recurrence: { pattern, interval: 1 } } : {}),
        ...(waitingRoom ? { lobbyBypass: 'nobody' as const } : {}),
        ...(password === '' ? {} : { password }),
        ...(asked.size === 0 ? {} : { invited: [...asked] }),
      });
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
        <label className="field"><span>Title</span>
          <input data-testid="title" value={title} maxLength={200} autoFocus onChange={(event) => setTitle(event.target.value)} />
        </label>
        <label className="field"><span>What it is about</span>
          <textarea data-testid="description" rows={2} maxLength={5000} value={description} onChange={(event) => setDescription(event.target.value)} />
        </label>
        {kind !== 'instant' && (
          <div className="pair">
            <label className="field"><span>{kind === 'recurring' ? 'The first time' : 'Begins'}</span>
              <input type="datetime-local" data-testid="start" value={start} onChange={(event) => setStart(event.target.value)} />
            </label>
            <label className="field"><span>Lasts</span>
              <select data-testid="minutes" value={minutes} onChange={(event) => setMinutes(Number(event.target.value))}>
                {[15, 30, 45, 60, 90, 120, 180].map((length) => <option key={length} value={length}>{length} min</option>)}
              </select>
            </label>
          </div>
        )}
        {kind === 'recurring' && (
          <label className="field"><span>Again</span>
            <select data-testid="pattern" value={pattern} onChange={(event) => setPattern(event.target.value as typeof pattern)}>
              <option value="daily">every day</option><option value="weekly">every week</option><option value="monthly">every month</option>
            </select>
          </label>
        )}
        {others.length > 0 && (
          <fieldset className="asked">
            <legend>Who is asked</legend>
            {others.map(({ userId, name }) => (
              <label key={userId} data-testid="ask" data-name={name}>
                <input type="checkbox" checked={asked.has(userId)} onChange={() => setAsked((now) => toggled(now, userId))} />
                <span>{name}</span>
              </label>
            ))}
          </fieldset>
        )}
        <label className="tick">
          <input type="checkbox" data-testid="waiting-room" checked={waitingRoom} onChange={(event) => setWaitingRoom(event.target.checked)} />
          <span><strong>Waiting room</strong><small>A host lets in everybody who comes.</small></span>
        </label>
        <label className="field"><span>Password, if there is to be one</span>
          <input data-testid="password" value={password} maxLength={128} autoComplete="off" onChange={(event) => setPassword(event.target.value)} />
        </label>
        {deed.wrong && <p className="wrong" role="alert" data-testid="error" data-reason="not-created">{deed.wrong}</p>}
        <div className="ways">
          <button type="submit" className="primary" data-testid="create" disabled={deed.busy}>{kind === 'instant' ? 'Make it and go there' : 'Plan it'}</button>
          <button type="button" className="quiet" onClick={() => props.go({ at: 'home' })}>Back</button>
        </div>
      </form>
    </Frame>
  );
}

/** Everybody but oneself, as far as they can be asked. */
function useOthers({ person, directory }: PageProps): { userId: string; name: string }[] {
  const [others, setOthers] = useState<{ userId: string; name: string }[]>([]);
  useEffect(() => {
    let gone = false;
    // Without the list a meeting can still be made: its link asks people, too.
    directory().then((people) => {
      const found = people.flatMap(({ subject, userId, name }) => (userId !== undefined && subject !== person.subject ? [{ userId, name }] : []));
      if (!gone) setOthers(found);
    }, () => undefined);
    return () => { gone = true; };
  }, [directory, person.subject]);
  return others;
}

function toggled(set: ReadonlySet<string>, one: string): Set<string> {
  const changed = new Set(set);
  if (!changed.delete(one)) changed.add(one);
  return changed;
}

/** As a field for dates and times wants it: local, to the minute. */
function forField(at: number): string {
  const time = new Date(at - new Date(at).getTimezoneOffset() * MINUTE);
  return time.toISOString().slice(0, 16);
}
