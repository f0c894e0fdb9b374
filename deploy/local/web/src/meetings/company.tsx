// The panel of a meeting's people during the call: who waits, who is here and where,
// what hosts may do about it, and the cities.

import { useIsMuted, useParticipantAttributes, useParticipants } from '@livekit/components-react';
import { useMutation } from 'convex/react';
import { Track, type LocalParticipant, type Participant } from 'livekit-client';
import { useEffect, useRef, useState } from 'react';
import { CloseIcon, HandIcon, MicrophoneIcon, MicrophoneOffIcon } from '../icons';
import { nearRegions } from '../nearest';
import { Cities } from './cities';
import { useDeed } from './deed';
import { Door } from './door';
import { useCities } from './fleet';
import { Avatar } from './frame';
import { HAND, plane, userOf, type Details, type Waiting } from './plane';
import { citiesOf, peopleIn, regionOf } from './whereabouts';
import { cityWords } from './words';

interface Props {
  meeting: Details;
  waiting: Waiting[];
  onClose: () => void;
}

export function CompanyPanel({ meeting, waiting, onClose }: Props) {
  const { meetingId, viewer, settings } = meeting;
  const panel = useRef<HTMLElement>(null);
  const participants = useParticipants();
  const people = peopleIn(participants);
  // Hosts see every server, and whether it is there; others those that their call needs.
  const known = useCities(viewer.leads ? 'asks' : 'asks not');
  const cities = viewer.leads ? known : citiesOf(people, nearRegions());
  const deed = useDeed();
  const lock = useMutation(plane.lock);
  const muteAll = useMutation(plane.muteAll);
  const end = useMutation(plane.end);
  useEffect(() => panel.current?.focus(), []);

  return (
    <aside className="panel company" ref={panel} tabIndex={-1} aria-label="People" data-testid="company" onKeyDown={(event) => event.key === 'Escape' && onClose()}>
      <header>
        <h2>People</h2>
        <button type="button" className="plain" aria-label="Close people" onClick={onClose}><CloseIcon /></button>
      </header>
      <div className="panel-body">
        {viewer.leads && <Door meetingId={meetingId} waiting={waiting} />}
        <ul className="company-list">
          {participants.map((participant) => (
            <Member key={participant.identity} participant={participant} meeting={meeting} region={regionOf(participant)} deed={deed} />
          ))}
        </ul>
        {deed.wrong && <p className="wrong" role="alert">{deed.wrong}</p>}
        {viewer.leads && (
          <div className="host-tools" role="group" aria-label="Host">
            <button type="button" className="quiet tiny" data-testid="mute-all" disabled={deed.busy} onClick={() => void deed.run(() => muteAll({ meetingId }))}>Mute all</button>
            <button type="button" className="quiet tiny" data-testid="lock" aria-pressed={settings.locked} disabled={deed.busy} onClick={() => void deed.run(() => lock({ meetingId, locked: !settings.locked }))}>
              {settings.locked ? 'Unlock' : 'Lock'}
            </button>
            <Sure words="End for all" sure="Really end it?" testId="end-for-all" disabled={deed.busy} onSure={() => void deed.run(() => end({ meetingId }))} />
          </div>
        )}
        {settings.locked && <p className="hint" data-testid="locked">Locked: only those who were in may come back.</p>}
        {cities && <Cities cities={cities} people={people} caption="Who is where. A picture crosses from city to city once, however many watch it there." />}
      </div>
    </aside>
  );
}

interface MemberProps {
  participant: Participant;
  meeting: Details;
  region: string;
  deed: ReturnType<typeof useDeed>;
}

function Member({ participant, meeting, region, deed }: MemberProps) {
  const { meetingId, viewer, host } = meeting;
  const mute = useMutation(plane.mute);
  const remove = useMutation(plane.remove);
  const lowerHand = useMutation(plane.lowerHand);
  const { attributes } = useParticipantAttributes({ participant });
  const raised = Boolean(attributes?.[HAND]);
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  const userId = userOf(participant.identity);
  const name = participant.name || participant.identity;
  const mine = participant.isLocal;
  const role = userId === host.userId ? 'Host' : meeting.coHosts.some((one) => one.userId === userId) ? 'Co-host' : '';
  const words = [role, region && cityWords(region)].filter(Boolean).join(' · ');
  return (
    <li data-testid="company-member" data-name={name} data-region={region} data-muted={muted} data-hand={raised}>
      <Avatar name={name} />
      <span className="register-who"><strong>{mine ? `${name} (you)` : name}</strong>{words && <small>{words}</small>}</span>
      {mine && (
        <button
          type="button" className="quiet tiny hand" data-testid="hand" aria-pressed={raised} disabled={deed.busy}
          onClick={() => void deed.run(() => (participant as LocalParticipant).setAttributes({ [HAND]: raised ? '' : String(Date.now()) }))}
        >
          <HandIcon />{raised ? 'Lower' : 'Raise'}
        </button>
      )}
      {!mine && raised && (
        <button
          type="button" className="plain raised" data-testid="raised-hand" disabled={deed.busy || !viewer.leads}
          title={viewer.leads ? `Lower the hand of ${name}` : `${name} raised a hand`} aria-label={viewer.leads ? `Lower the hand of ${name}` : `${name} raised a hand`}
          onClick={() => void deed.run(() => lowerHand({ meetingId, identity: participant.identity }))}
        >
          <HandIcon />
        </button>
      )}
      {viewer.leads && !mine && (
        <>
          <button
            type="button" className="plain" data-testid="mute" disabled={deed.busy || muted} title={muted ? `${name} is muted` : `Mute ${name}`} aria-label={muted ? `${name} is muted` : `Mute ${name}`}
            onClick={() => void deed.run(() => mute({ meetingId, userId, source: 'microphone', muted: true }))}
          >
            {muted ? <MicrophoneOffIcon /> : <MicrophoneIcon />}
          </button>
          {userId !== host.userId && (
            <Sure words="Remove" sure="Sure?" testId="remove" disabled={deed.busy} onSure={() => void deed.run(() => remove({ meetingId, userId }))} />
          )}
        </>
      )}
    </li>
  );
}

/** A button that asks once more, for what can't be taken back. */
function Sure({ words, sure, testId, disabled, onSure }: { words: string; sure: string; testId: string; disabled: boolean; onSure: () => void }) {
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (!asked) return;
    const timer = setTimeout(() => setAsked(false), 4000);
    return () => clearTimeout(timer);
  }, [asked]);
  return (
    <button
      type="button" className="quiet tiny danger" data-testid={testId} data-asked={asked} disabled={disabled}
      onClick={() => { if (asked) onSure(); setAsked(!asked); }}
    >
      {asked ? sure : words}
    </button>
  );
}
