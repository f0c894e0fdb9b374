// The joined room on screen: who is here, the stage, chat and the controls.

import {
  RoomAudioRenderer, StartAudio, useChat, useConnectionState, useParticipants, useTracks,
} from '@livekit/components-react';
import { ConnectionState, RoomEvent, Track, type Participant, type Room } from 'livekit-client';
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { Chat } from './chat';
import { Controls } from './controls';
import type { Failure } from './failures';
import { GridIcon, PeopleIcon, SpeakerIcon } from './icons';
import { Invite } from './invite';
import { useLine } from './line';
import { Used } from './data-meter';
import { Notice } from './notice';
import { Stage, type View } from './stage';
import { WORDS, type Word } from './weather';

// Fetched when it is opened: who only joins does without.
const Settings = lazy(async () => ({ default: (await import('./settings')).Settings }));

interface Props {
  room: Room;
  name: string;
  company?: Company | undefined;
  trouble: Failure | null;
  onTrouble: (failure: Failure | null) => void;
  onLeave: () => void;
}

/** What a meeting adds to a call: a panel of its people, and the link that asks others in. */
export interface Company {
  /** How many wait for a word from this person. */
  waiting: number;
  link: string | null;
  panel: (onClose: () => void) => ReactNode;
}

/** What lies over or beside the stage; one at a time, so that a phone has room for it. */
type Panel = 'none' | 'chat' | 'settings' | 'people';

export function Conference({ room, name, company, trouble, onTrouble, onLeave }: Props) {
  const tracks = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    { onlySubscribed: false },
  );
  const { chatMessages, send } = useChat();
  const line = useLine(room);
  const [panel, setPanel] = useState<Panel>('none');
  const [seen, setSeen] = useState(0);
  const [view, setView] = useView(tracks.some((track) => track.source === Track.Source.ScreenShare));

  useEffect(() => {
    if (panel === 'chat') setSeen(chatMessages.length);
  }, [panel, chatMessages.length]);

  const toggle = (wanted: Panel) => setPanel((now) => (now === wanted ? 'none' : wanted));

  return (
    <main className="meeting" data-testid="meeting">
      <header className="top">
        <div className="where">
          <h1 title={name}>{name}</h1>
          <p className="line"><State /><Used line={line} /></p>
        </div>
        <div className="top-tools">
          <Count />
          <div className="switch" role="group" aria-label="View">
            <button type="button" data-testid="view-grid" aria-pressed={view === 'grid'} aria-label="Grid view" title="Grid view" onClick={() => setView('grid')}><GridIcon /></button>
            <button type="button" data-testid="view-speaker" aria-pressed={view === 'speaker'} aria-label="Speaker view" title="Speaker view" onClick={() => setView('speaker')}><SpeakerIcon /></button>
          </div>
          <Invite room={name} link={company?.link} />
        </div>
      </header>

      <div className="middle" data-panel={panel}>
        <section className="stage" aria-label="Participants">
          <Stage tracks={tracks} view={view} onPin={() => setView('speaker')} />
          {trouble && <Notice failure={trouble} onClose={() => onTrouble(null)} />}
          <Weather word={line.word} />
          <StartAudio label="Let this page play sound" className="start-audio" />
        </section>
        {panel === 'chat' && <Chat messages={chatMessages} send={send} onClose={() => setPanel('none')} />}
        {panel === 'people' && company?.panel(() => setPanel('none'))}
        {panel === 'settings' && <Suspense><Settings room={room} line={line} onTrouble={onTrouble} onClose={() => setPanel('none')} /></Suspense>}
      </div>

      <Controls
        unread={panel === 'chat' ? 0 : Math.max(chatMessages.length - seen, 0)}
        chatOpen={panel === 'chat'}
        settingsOpen={panel === 'settings'}
        people={company && { waiting: company.waiting, open: panel === 'people', onToggle: () => toggle('people') }}
        onChat={() => toggle('chat')}
        onSettings={() => toggle('settings')}
        onLeave={onLeave}
        onTrouble={onTrouble}
      />
      <RoomAudioRenderer />
      <Comings room={room} />
    </main>
  );
}

/** Grid until someone shares a screen, and back afterwards, unless the person chose. */
function useView(sharing: boolean): [View, (view: View) => void] {
  const [chosen, setChosen] = useState<View | null>(null);
  const was = useRef(sharing);
  useEffect(() => {
    if (sharing !== was.current) setChosen(null);
    was.current = sharing;
  }, [sharing]);
  return [chosen ?? (sharing ? 'speaker' : 'grid'), setChosen];
}

const STATES: Record<ConnectionState, string> = {
  [ConnectionState.Connected]: 'Connected',
  [ConnectionState.Connecting]: 'Connecting …',
  [ConnectionState.Reconnecting]: 'Reconnecting …',
  [ConnectionState.SignalReconnecting]: 'Reconnecting …',
  [ConnectionState.Disconnected]: 'Disconnected',
};

function State() {
  const state = useConnectionState();
  return <span className="state" role="status" data-testid="connection-state" data-state={state}>{STATES[state]}</span>;
}

/** What is wrong with the network and what was done; where nothing goes any more, over all. */
function Weather({ word }: { word: Word | null }) {
  return (
    <div role="status" className={word === 'reconnecting' ? 'veil' : 'weather'} data-testid="weather" data-word={word ?? 'none'}>
      {word && <p>{WORDS[word]}</p>}
    </div>
  );
}

function Count() {
  const count = useParticipants().length;
  return (
    <p className="count" title={`${count} in the room`}>
      <PeopleIcon />
      <span data-testid="participant-count">{count}</span>
      <span className="unseen"> in the room</span>
    </p>
  );
}

/** Tells screen readers who comes and goes. */
function Comings({ room }: { room: Room }) {
  const [words, setWords] = useState('');
  useEffect(() => {
    const say = (what: string) => (participant: Participant) => setWords(`${participant.name || participant.identity} ${what}`);
    const came = say('joined');
    const went = say('left');
    room.on(RoomEvent.ParticipantConnected, came).on(RoomEvent.ParticipantDisconnected, went);
    return () => {
      room.off(RoomEvent.ParticipantConnected, came).off(RoomEvent.ParticipantDisconnected, went);
    };
  }, [room]);
  return <p className="unseen" role="status">{words}</p>;
}
