// When the control plane can't be reached: the meetings one holds passes to, joined
// without asking anybody. Facts about them reach the control plane later.

import { useCallback, useEffect, useState } from 'react';
import { Brand } from '../brand';
import { CheckView, DeviceChoice, useCheck } from '../check';
import { Ending } from '../ending';
import type { Failure } from '../failures';
import { Meeting, type Visit } from '../meeting';
import { ProfileChoice } from '../profile-choice';
import { readChoices } from '../memory';
import { useNow } from './frame';
import { fromHere, heldBy, type Invitation } from './invitations';
import type { Person } from './signin';
import { spanWords, untilWords } from './words';

interface CutProps {
  person: Person;
  onBack: () => void;
  /** In a call: the page must stay as it is, whatever comes back meanwhile. */
  onBusy: (busy: boolean) => void;
}

export function Cut({ person, onBack, onBusy }: CutProps) {
  const now = useNow(5_000);
  const [visit, setVisit] = useState<Visit | null>(null);
  const [failure, setFailure] = useState<{ failure: Failure; title: string } | null>(null);
  useEffect(() => onBusy(visit !== null || failure !== null), [visit, failure, onBusy]);
  const end = useCallback((was: Visit, why: Failure | null) => {
    setVisit(null);
    setFailure(why && { failure: why, title: was.room });
  }, []);
  if (visit) return <Meeting visit={visit} debug={new URLSearchParams(location.search).has('debug')} onEnd={end} />;
  if (failure) return <Ending room={failure.title} failure={failure.failure} change="Back" onRejoin={() => setFailure(null)} onChange={() => setFailure(null)} />;
  return <Passes person={person} invitations={heldBy(person.subject, now)} now={now} onBack={onBack} onEnter={setVisit} />;
}

interface Props {
  person: Person;
  invitations: Invitation[];
  now: number;
  onBack: () => void;
  onEnter: (visit: Visit) => void;
}

function Passes({ person, invitations, now, onBack, onEnter }: Props) {
  const [kept] = useState(readChoices);
  const check = useCheck(kept);
  const [entering, setEntering] = useState(false);
  const enter = async ({ title, pass }: Invitation) => {
    setEntering(true);
    const nearest = await fromHere(pass);
    onEnter({ name: person.name, room: title, ...check.handOver(person.name), pass: nearest });
  };
  return (
    <div className="school">
      <header className="school-bar"><Brand /></header>
      <main className="school-main">
        <div className="meeting-columns">
          <CheckView check={check} name={person.name} />
          <section className="card" data-testid="cut" aria-label="Cut off">
            <header className="meeting-head">
              <p className="eyebrow warning">No connection to the meetings</p>
              <h1>{invitations.length > 0 ? 'You can still join' : 'The meetings can’t be reached'}</h1>
              <p>{invitations.length > 0 ? 'This browser holds your passes. The page keeps trying to reach the rest.' : 'The page keeps trying. Check the connection.'}</p>
            </header>
            <ul className="meetings">
              {invitations.map((one) => (
                <li key={one.meetingId} className="pass" data-testid="pass" data-title={one.title}>
                  <span className="what"><strong>{one.title}</strong><small>{spanWords(one.startsAt, one.endsAt, now)}</small></span>
                  {one.notBefore <= now
                    ? <button type="button" className="primary small" data-testid="join-by-pass" disabled={entering} onClick={() => void enter(one)}>Join</button>
                    : <small>opens {untilWords(one.notBefore, now)}</small>}
                </li>
              ))}
            </ul>
            <ProfileChoice wish={check.profile} onChoose={check.chooseProfile} />
            <DeviceChoice check={check} />
            <button type="button" className="quiet small" onClick={onBack}>Be somebody else</button>
          </section>
        </div>
      </main>
    </div>
  );
}
