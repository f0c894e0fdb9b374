// All meetings that concern one: those that run, those that come, those that were;
// and the cities they are held in.

import { useQuery } from 'convex/react';
import { useMemo, useState } from 'react';
import { Cities } from './cities';
import { useFleet } from './fleet';
import { Frame, StatusPill, useNow, type PageProps } from './frame';
import { plane, type Summary } from './plane';
import { dayWords, spanWords, untilWords } from './words';

const DAY = 86_400_000;
const BEFORE = 7 * DAY;
const AHEAD = 28 * DAY;
/** More would push everything else off the page. */
const SHOWN = 12;

export function Home(props: PageProps) {
  const now = useNow(15_000);
  const [today] = useState(() => new Date().setHours(0, 0, 0, 0));
  const window = useMemo(() => ({ from: today - BEFORE, to: today + AHEAD }), [today]);
  const meetings = useQuery(plane.mine, window);
  const fleet = useFleet(undefined, undefined);
  const [all, setAll] = useState(false);

  const live = meetings?.filter(({ status }) => status === 'live') ?? [];
  const coming = meetings?.filter(({ status }) => status === 'scheduled') ?? [];
  const past = meetings?.filter(({ status }) => status === 'ended' || status === 'cancelled').reverse() ?? [];
  const shown = all ? coming : coming.slice(0, SHOWN);
  const open = (id: string) => props.go({ at: 'meeting', id });

  return (
    <Frame {...props} title="Meetings" home>
      <div className="school-columns">
        <div className="school-lists">
          <header className="list-head">
            <h1>Meetings</h1>
            <button type="button" className="primary small" data-testid="new-meeting" onClick={() => props.go({ at: 'new' })}>New meeting</button>
          </header>
          {meetings === undefined && <p role="status" className="hint">Loading your meetings …</p>}
          {meetings?.length === 0 && <p className="nothing-yet">No meetings yet. Make one, and whoever you ask will see it here.</p>}
          {live.length > 0 && (
            <section aria-label="Live now">
              <h2>Live now</h2>
              <ul className="meetings" data-testid="live">{live.map((meeting) => <Row key={meeting.meetingId} meeting={meeting} now={now} onOpen={open} />)}</ul>
            </section>
          )}
          {shown.length > 0 && (
            <section aria-label="Coming">
              <h2>Coming</h2>
              <ul className="meetings" data-testid="coming">{shown.map((meeting) => <Row key={meeting.meetingId} meeting={meeting} now={now} onOpen={open} />)}</ul>
              {shown.length < coming.length && <button type="button" className="quiet small" onClick={() => setAll(true)}>{coming.length - shown.length} more</button>}
            </section>
          )}
          {past.length > 0 && (
            <section aria-label="Past">
              <h2>Past</h2>
              <ul className="meetings" data-testid="past">{past.slice(0, SHOWN).map((meeting) => <Row key={meeting.meetingId} meeting={meeting} now={now} onOpen={open} />)}</ul>
            </section>
          )}
        </div>
        <aside className="school-aside" aria-label="Cities">
          {fleet && <Cities {...fleet} caption={captionOf(fleet.cities.filter(({ alive }) => alive).length)} />}
        </aside>
      </div>
    </Frame>
  );
}

function captionOf(alive: number): string {
  if (alive === 0) return 'No server has reported yet. Meetings can be planned; joining them waits for one.';
  return alive === 1 ? 'One server takes calls.' : `${alive} servers take calls. You join the nearest; they pass on the rest to each other.`;
}

function Row({ meeting, now, onOpen }: { meeting: Summary; now: number; onOpen: (id: string) => void }) {
  const { title, startsAt, endsAt, status } = meeting;
  const soon = status === 'scheduled' && startsAt - now < DAY;
  return (
    <li>
      <button type="button" className="meeting-row" data-testid="meeting-row" data-title={title} data-status={status} onClick={() => onOpen(meeting.meetingId)}>
        <span className="when"><strong>{dayWords(startsAt, now)}</strong><small>{new Date(startsAt).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })}</small></span>
        <span className="what">
          <strong>{title}</strong>
          <small>{meeting.hostName}{meeting.role === 'host' ? ' (you)' : ''} · {spanWords(startsAt, endsAt, now).split(', ')[1]}{meeting.kind === 'recurring' ? ' · repeats' : ''}{meeting.hasPassword ? ' · password' : ''}</small>
        </span>
        <span className="how">
          {status === 'live' && meeting.participants > 0 && <small>{meeting.participants} in</small>}
          {soon ? <small>{untilWords(startsAt, now)}</small> : <StatusPill status={status} />}
        </span>
      </button>
    </li>
  );
}
