// All meetings that concern one: those that run, those that come, those that were;
// and the cities they are held in.

import { useQuery } from 'convex/react';
import { useMemo, useState } from 'react';
import { Cities } from './cities';
import { useFleet } from './fleet';
import { Frame, StatusPill, useNow, type PageProps } from './frame';
import { useInvitations } from './invitations';
import { plane, type Summary } from './plane';
import { dayWords, untilWords } from './words';

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
  useInvitations(props.person, meetings);

  const live = meetings?.filter(({ status }) => status === 'live') ?? [];
  const coming = seriesOf(meetings?.filter(({ status }) => status === 'scheduled') ?? []);
  const past = meetings?.filter(({ status }) => status === 'ended' || status === 'cancelled').reverse() ?? [];
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
          {coming.length > 0 && (
            <section aria-label="Coming">
              <h2>Coming</h2>
              <ul className="meetings" data-testid="coming">
                {coming.map(([first, ...again]) => first && <Row key={first.meetingId} meeting={first} again={again} now={now} onOpen={open} />)}
              </ul>
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

/** Meetings that repeat stand once, with their other times behind. */
function seriesOf(coming: Summary[]): Summary[][] {
  const series = new Map<string, Summary[]>();
  for (const meeting of coming) {
    const key = `${meeting.title} ${meeting.hostName} ${clock(meeting.startsAt)}`;
    series.set(key, [...(series.get(key) ?? []), meeting]);
  }
  return [...series.values()];
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

interface RowProps {
  meeting: Summary;
  again?: Summary[];
  now: number;
  onOpen: (id: string) => void;
}

function Row({ meeting, again = [], now, onOpen }: RowProps) {
  const { title, startsAt, endsAt, status } = meeting;
  const facts = [
    `${meeting.hostName}${meeting.role === 'host' ? ' (you)' : ''}`, `to ${clock(endsAt)}`,
    ...(meeting.hasPassword ? ['password'] : []), ...(meeting.waitingRoom ? ['waiting room'] : []),
  ];
  return (
    <li>
      <button type="button" className="meeting-row" data-testid="meeting-row" data-title={title} data-status={status} onClick={() => onOpen(meeting.meetingId)}>
        <span className="when"><strong>{dayWords(startsAt, now)}</strong><small>{clock(startsAt)}</small></span>
        <span className="what">
          <strong>{title}</strong>
          <small>{facts.join(' · ')}</small>
        </span>
        <span className="how">
          {status === 'scheduled' ? <small>{untilWords(startsAt, now)}</small> : <StatusPill status={status} />}
        </span>
      </button>
      {again.length > 0 && <Again meetings={again} now={now} onOpen={onOpen} />}
    </li>
  );
}

/** The next times of a series, each a way to it. */
function Again({ meetings, now, onOpen }: { meetings: Summary[]; now: number; onOpen: (id: string) => void }) {
  const [all, setAll] = useState(false);
  const shown = all ? meetings : meetings.slice(0, AGAIN);
  return (
    <p className="again">
      <span>and</span>
      {shown.map(({ meetingId, startsAt }) => <button key={meetingId} type="button" onClick={() => onOpen(meetingId)}>{dayWords(startsAt, now)}</button>)}
      {shown.length < meetings.length && <button type="button" onClick={() => setAll(true)}>{meetings.length - shown.length} more</button>}
    </p>
  );
}

const AGAIN = 3;
