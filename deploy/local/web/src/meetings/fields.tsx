// The fields of a meeting's form, for making one and for changing it.

import { useEffect, useState } from 'react';
import type { Draft } from './draft';
import type { PageProps } from './frame';
import type { Kind, Named } from './plane';

interface Props {
  draft: Draft;
  kind: Kind;
  /** Who can be asked. */
  others: Named[];
  /** Of a meeting that is changed: whether it runs, and whether it has a password. */
  before?: { begun: boolean; hasPassword: boolean };
  onChange: (change: Partial<Draft>) => void;
}

const LENGTHS = [15, 30, 45, 60, 90, 120, 180];

export function Fields({ draft, kind, others, before, onChange }: Props) {
  const lengths = [...new Set([...LENGTHS, draft.minutes])].sort((a, b) => a - b);
  const times = kind !== 'instant' || before !== undefined;
  return (
    <>
      <label className="field"><span>Title</span>
        <input data-testid="title" value={draft.title} maxLength={200} autoFocus onChange={(event) => onChange({ title: event.target.value })} />
      </label>
      <label className="field"><span>What it is about</span>
        <textarea data-testid="description" rows={2} maxLength={5000} value={draft.description} onChange={(event) => onChange({ description: event.target.value })} />
      </label>
      {times && (
        <div className="pair">
          <label className="field"><span>{kind === 'recurring' ? 'The first time' : before?.begun ? 'Began' : 'Begins'}</span>
            <input type="datetime-local" data-testid="start" value={draft.start} disabled={before?.begun} onChange={(event) => onChange({ start: event.target.value })} />
          </label>
          <label className="field"><span>Lasts</span>
            <select data-testid="minutes" value={draft.minutes} onChange={(event) => onChange({ minutes: Number(event.target.value) })}>
              {lengths.map((length) => <option key={length} value={length}>{length} min</option>)}
            </select>
          </label>
        </div>
      )}
      {kind === 'recurring' && (
        <label className="field"><span>Again</span>
          <select data-testid="pattern" value={draft.pattern} onChange={(event) => onChange({ pattern: event.target.value as Draft['pattern'] })}>
            <option value="daily">every day</option><option value="weekly">every week</option><option value="monthly">every month</option>
          </select>
        </label>
      )}
      {others.length > 0 && (
        <fieldset className="asked">
          <legend>Who is asked</legend>
          {others.map(({ userId, name }) => (
            <label key={userId} data-testid="ask" data-name={name}>
              <input type="checkbox" checked={draft.asked.has(userId)} onChange={() => onChange({ asked: toggled(draft.asked, userId) })} />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      )}
      <label className="tick">
        <input type="checkbox" data-testid="waiting-room" checked={draft.waitingRoom} onChange={(event) => onChange({ waitingRoom: event.target.checked })} />
        <span><strong>Waiting room</strong><small>A host lets in everybody who comes.</small></span>
      </label>
      <label className="field"><span>{before?.hasPassword ? 'Another password, if it is to change' : 'Password, if there is to be one'}</span>
        <input data-testid="password" value={draft.password} maxLength={128} autoComplete="off" disabled={draft.open} onChange={(event) => onChange({ password: event.target.value })} />
      </label>
      {before?.hasPassword && (
        <label className="tick">
          <input type="checkbox" data-testid="no-password" checked={draft.open} onChange={(event) => onChange({ open: event.target.checked })} />
          <span><strong>No password any more</strong><small>Whoever may come needs none.</small></span>
        </label>
      )}
    </>
  );
}

/** Everybody but oneself, as far as they can be asked. */
export function useOthers({ person, directory }: PageProps): Named[] {
  const [others, setOthers] = useState<Named[]>([]);
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
