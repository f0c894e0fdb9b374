// One meeting: before it the way in, during it the call, after it the register.

import { useConvex, useMutation, useQuery } from 'convex/react';
import { useCallback, useEffect, useRef, useState, type FormEvent } from 'react';
import { CheckView, DeviceChoice, useCheck } from '../check';
import { ConnectionChoice } from '../connection-choice';
import { Ending } from '../ending';
import { failure as failureOf, type Failure } from '../failures';
import type { Pass } from '../join';
import type { Visit } from '../meeting';
import { readChoices, tabId } from '../memory';
import { nearestFirst, nearRegions } from '../nearest';
import { ProfileChoice } from '../profile-choice';
import type { AskForPasses } from '../trial';
import { Call } from './call';
import { Cities } from './cities';
import { useDeed } from './deed';
import { Door } from './door';
import { useFleet } from './fleet';
import { Frame, StatusPill, useNow, type PageProps } from './frame';
import { fromHere, passTo } from './invitations';
import { isOver, plane, type Details } from './plane';
import { Register } from './register';
import type { Person } from './signin';
import { spanWords, untilWords } from './words';

/** What is told about the last call, on the page it came back to. */
type Last = 'left' | 'ended' | null;

export function MeetingPage({ id, ...props }: PageProps & { id: string }) {
  const told = useQuery(plane.meeting, { meetingId: id });
  const lastTold = useRef(told);
  if (told) lastTold.current = told;
  const [visit, setVisit] = useState<Visit | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [last, setLast] = useState<Last>(null);

  const end = useCallback((_: Visit, why: Failure | null) => {
    setVisit(null);
    // Ended for all: the page itself shows what became of the meeting.
    if (why === null || why.reason === 'room-closed') setLast(why === null ? 'left' : 'ended');
    else setFailure(why);
  }, []);

  // A call goes on with what was known, even while nobody can say anything about its meeting.
  const meeting = visit ? (told ?? lastTold.current) : told;
  if (meeting && visit) return <Call meeting={meeting} visit={visit} onEnd={end} />;
  if (meeting && failure) {
    return <Ending room={meeting.title} failure={failure} change="Back to the meeting" onRejoin={() => setFailure(null)} onChange={() => setFailure(null)} />;
  }
  return (
    <Frame {...props} title={meeting?.title ?? 'Meeting'}>
      {meeting === undefined && <p role="status" className="hint">Loading the meeting …</p>}
      {meeting === null && (
        <section className="card narrow" role="alert" data-testid="error" data-reason="unknown-meeting">
          <h1>There is no such meeting</h1>
          <p>It was deleted, or it is not open to you.</p>
          <div className="ways"><button type="button" className="primary" onClick={() => props.go({ at: 'home' })}>All meetings</button></div>
        </section>
      )}
      {meeting && (isOver(meeting) ? <Over meeting={meeting} /> : <Ahead meeting={meeting} person={props.person} last={last} onEnter={setVisit} onEdit={() => props.go({ at: 'edit', id })} />)}
    </Frame>
  );
}

function Over({ meeting }: { meeting: Details }) {
  return (
    <div className="school-lists over">
      <section className="card"><Heading meeting={meeting} /></section>
      {meeting.status === 'ended' && <Register meeting={meeting} />}
    </div>
  );
}

interface AheadProps {
  meeting: Details;
  person: Person;
  last: Last;
  onEnter: (visit: Visit) => void;
  onEdit: () => void;
}

function Ahead({ meeting, person, last, onEnter, onEdit }: AheadProps) {
  const { name, subject } = person;
  const { meetingId, viewer } = meeting;
  const [kept] = useState(readChoices);
  const check = useCheck(kept);
  // Who comes and goes is for hosts; a whole class at its door would ask anew for each.
  const fleet = useFleet(viewer.leads ? meetingId : undefined, viewer.userId);
  const waiting = useQuery(plane.waiting, viewer.leads ? { meetingId } : 'skip') ?? [];
  const enter = useEntry(meeting, subject, (pass) => onEnter({ name, room: meeting.title, ...check.handOver(name), pass }));

  return (
    <div className="meeting-columns">
      <CheckView check={check} name={name} />
      <section className="card" aria-label="Meeting">
        <Heading meeting={meeting} />
        {last && <p className="told" role="status" data-testid="left">{last === 'left' ? 'You left the call. Camera and microphone are off.' : 'The call was ended for everybody.'}</p>}
        <Door meetingId={meetingId} waiting={waiting} />
        <Entrance meeting={meeting} entry={enter} sends={check.sends} />
        <ProfileChoice wish={check.profile} onChoose={check.chooseProfile} />
        <DeviceChoice check={check} />
        <ConnectionChoice ask={usePasses()} />
        <Facts meeting={meeting} onEdit={onEdit} />
      </section>
      {fleet && <Cities {...fleet} caption={viewer.leads ? presentWords(fleet.people.length) : 'You join the nearest; it passes on the rest.'} />}
    </div>
  );
}

/** What a trial of the connection needs, from the control plane. */
function usePasses(): AskForPasses {
  const convex = useConvex();
  return useCallback(async () => {
    const answer = await convex.mutation(plane.trial, { regions: nearRegions() });
    if (answer.status === 'refused') throw { ...failureOf('server-unreachable'), title: answer.message };
    return { sending: answer.sending, watching: answer.watching, servers: answer.candidates };
  }, [convex]);
}

function presentWords(present: number): string {
  if (present === 0) return 'Nobody is in yet.';
  return present === 1 ? 'One person is in.' : `${present} people are in.`;
}

function Heading({ meeting }: { meeting: Details }) {
  const now = useNow(15_000);
  return (
    <header className="meeting-head">
      <p className="eyebrow"><StatusPill status={meeting.status} /> {spanWords(meeting.startsAt, meeting.endsAt, now)}{meeting.status === 'scheduled' ? `, ${untilWords(meeting.startsAt, now)}` : ''}</p>
      <h1>{meeting.title}</h1>
      {meeting.description && <p>{meeting.description}</p>}
    </header>
  );
}

function Facts({ meeting, onEdit }: { meeting: Details; onEdit: () => void }) {
  const end = useMutation(plane.end);
  const deed = useDeed();
  const { host, coHosts, invited, settings, viewer } = meeting;
  return (
    <details className="device-choice" open={matchMedia('(min-width: 800px)').matches} data-testid="facts">
      <summary>About this meeting</summary>
      <dl className="facts">
        <dt>Host</dt><dd>{[host, ...coHosts].map(({ name }) => name).join(', ')}</dd>
        {invited.length > 0 && <><dt>Asked</dt><dd>{invited.map(({ name }) => name).join(', ')}</dd></>}
        <dt>Door</dt><dd>{[settings.waitingRoom ? 'a host lets people in' : 'open', settings.hasPassword && 'password', settings.locked && 'locked'].filter(Boolean).join(', ')}</dd>
        {meeting.recurrence && <><dt>Repeats</dt><dd>{meeting.recurrence.pattern}</dd></>}
        {meeting.code && <><dt>Code</dt><dd data-testid="code">{meeting.code}</dd></>}
        {meeting.link && <><dt>Link</dt><dd><a href={meeting.link}>{meeting.link.replace(/^https?:\/\//, '')}</a></dd></>}
      </dl>
      {viewer.leads && (
        <div className="host-tools">
          <button type="button" className="quiet tiny" data-testid="edit" onClick={onEdit}>Change it</button>
          <button type="button" className="quiet tiny danger" data-testid="end" disabled={deed.busy} onClick={() => void deed.run(() => end({ meetingId: meeting.meetingId }))}>
            {meeting.status === 'live' ? 'End it for all' : 'Cancel the meeting'}
          </button>
        </div>
      )}
      {deed.wrong && <p className="wrong" role="alert">{deed.wrong}</p>}
    </details>
  );
}

interface EntryState {
  step: 'outside' | 'asking' | 'waiting' | 'measuring';
  ahead: number;
  refusal: { reason: string; message: string } | null;
  ask: (password?: string) => void;
  giveUp: () => void;
}

/** The way in: asks, waits at the door, measures which server is nearest, and enters. */
function useEntry(meeting: Details, subject: string, onPass: (pass: Pass) => void): EntryState {
  const convex = useConvex();
  const { meetingId } = meeting;
  const [step, setStep] = useState<EntryState['step']>('outside');
  const [refusal, setRefusal] = useState<EntryState['refusal']>(null);
  const password = useRef<string | undefined>(undefined);
  const entry = useQuery(plane.entry, step === 'waiting' ? { meetingId } : 'skip');
  const enter = useRef(onPass);
  enter.current = onPass;

  const ask = useCallback(async () => {
    setStep('asking');
    setRefusal(null);
    try {
      const asked = convex.mutation(plane.join, { meetingId, device: tabId(), regions: nearRegions(), ...(password.current ? { password: password.current } : {}) });
      const watch = watchForCut(() => convex.connectionState().isWebSocketConnected);
      const answer = await Promise.race([asked, watch.cut]).finally(watch.stop);
      if (answer === 'cut off') {
        const held = passTo(meetingId, subject, Date.now());
        if (held === null) throw new Error('no answer, and no pass is held');
        setStep('measuring');
        return enter.current(await fromHere(held));
      }
      if (answer.status === 'waiting') return setStep('waiting');
      if (answer.status === 'denied') {
        setRefusal(answer);
        return setStep('outside');
      }
      setStep('measuring');
      const candidates = answer.candidates.length > 0 ? answer.candidates : [{ node: '', region: '', url: answer.url }];
      const nearest = await nearestFirst(candidates);
      enter.current({ token: answer.token, urls: nearest.map(({ url }) => url) });
    } catch {
      setRefusal({ reason: 'unreachable', message: 'The meeting can’t be asked right now. Check the connection and try again.' });
      setStep('outside');
    }
  }, [convex, meetingId, subject]);

  const state = step === 'waiting' ? entry?.state : undefined;
  useEffect(() => {
    if (state === 'admitted') void ask();
    if (state === 'denied') {
      setRefusal({ reason: 'denied', message: 'A host did not let you in.' });
      setStep('outside');
    }
  }, [state, ask]);

  return {
    step, refusal, ahead: entry?.ahead ?? 0,
    ask: (given) => { password.current = given; void ask(); },
    giveUp: () => {
      setStep('outside');
      void convex.mutation(plane.leaveDoor, { meetingId }).catch(() => undefined);
    },
  };
}

/** When the control plane has been away for so long, something else is tried. */
const CUT_OFF_MS = 5_000;

/** `cut` settles once there has been no connection for a while. */
function watchForCut(connected: () => boolean): { cut: Promise<'cut off'>; stop: () => void } {
  let look: ReturnType<typeof setInterval> | undefined;
  const cut = new Promise<'cut off'>((settle) => {
    let since: number | null = null;
    look = setInterval(() => {
      since = connected() ? null : (since ?? Date.now());
      if (since !== null && Date.now() - since >= CUT_OFF_MS) settle('cut off');
    }, 250);
  });
  return { cut, stop: () => clearInterval(look) };
}

function Entrance({ meeting, entry, sends }: { meeting: Details; entry: EntryState; sends: boolean }) {
  const [password, setPassword] = useState('');
  const asks = meeting.settings.hasPassword && !meeting.viewer.leads;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entry.ask(asks ? password : undefined);
  };
  if (entry.step === 'waiting') {
    return (
      <div className="lobby" data-testid="lobby" role="status">
        <div className="ripple" aria-hidden="true"><span /><span /><span /></div>
        <h2>Waiting to be let in</h2>
        <p>{entry.ahead === 0 ? 'You are next. A host has been told.' : `${entry.ahead} ${entry.ahead === 1 ? 'person waits' : 'people wait'} before you.`}</p>
        <button type="button" className="quiet" data-testid="give-up" onClick={entry.giveUp}>Stop waiting</button>
      </div>
    );
  }
  const words = entry.step === 'outside' ? joinWords(meeting, sends) : entry.step === 'asking' ? 'Asking …' : 'Finding the nearest server …';
  return (
    <form className="entrance" onSubmit={submit} noValidate>
      {asks && (
        <label className="field"><span>Password</span>
          <input data-testid="password" value={password} autoComplete="off" maxLength={128} onChange={(event) => setPassword(event.target.value)} />
        </label>
      )}
      {entry.refusal && <p className="wrong" role="alert" data-testid="refusal" data-reason={entry.refusal.reason}>{entry.refusal.message}</p>}
      <button type="submit" className="primary" data-testid="join" disabled={entry.step !== 'outside'}>{words}</button>
    </form>
  );
}

function joinWords({ status, viewer }: Details, sends: boolean): string {
  if (status === 'scheduled' && viewer.leads) return 'Start the meeting';
  return sends ? 'Join now' : 'Join without camera and microphone';
}
