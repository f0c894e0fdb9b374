// Before the call: who, where, and whether camera and microphone work.

import { useEffect, useId, useRef, useState, type FormEvent } from 'react';
import { readCities, suggestRoom } from './address';
import { Brand } from './brand';
import { CheckView, DeviceChoice, useCheck } from './check';
import { ConnectionChoice } from './connection-choice';
import type { Failure } from './failures';
import { askForToken, type Pass } from './join';
import type { Visit } from './meeting';
import { readChoices } from './memory';
import { ProfileChoice } from './profile-choice';
import { checkName, checkRoom } from './rules.mjs';
import type { Passes } from './trial';

interface Props {
  /** The room of the invite link or of the last call. */
  invited: string | null;
  /** Why the link's room can't be used. */
  refusal: string | null;
  failure: Failure | null;
  onJoin: (visit: Visit) => void;
}

export function Prejoin({ invited, refusal, failure, onJoin }: Props) {
  const [kept] = useState(readChoices);
  const [name, setName] = useState(kept.name);
  const [room, setRoom] = useState(() => invited ?? suggestRoom(Math.random));
  const [wrong, setWrong] = useState<{ name?: string; room?: string }>(() => ({
    ...(refusal && !invited ? { room: `The link’s room can’t be used. ${refusal}` } : {}),
    ...(failure?.reason === 'bad-name' ? { name: failure.detail ?? failure.what } : {}),
    ...(failure?.reason === 'bad-room' ? { room: failure.detail ?? failure.what } : {}),
  }));
  const check = useCheck(kept);
  const nameField = useRef<HTMLInputElement>(null);
  const roomField = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = invited ? `Join ${invited} · TOF Meet` : 'TOF Meet';
  }, [invited]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const who = checkName(name);
    const where = checkRoom(room);
    setWrong({ ...(who.ok ? {} : { name: who.reason }), ...(where.ok ? {} : { room: where.reason }) });
    if (!who.ok) return nameField.current?.focus();
    if (!where.ok) return roomField.current?.focus();
    onJoin({ name: who.value, room: where.value, ...check.handOver(who.value) });
  };

  return (
    <main className="prejoin">
      <Brand />
      <div className="prejoin-columns">
        <CheckView check={check} name={name} />
        <form className="card" onSubmit={submit} noValidate>
          <h1>{invited ? <>Join <em>{invited}</em></> : 'Start or join a meeting'}</h1>
          <TextField
            label="Your name" testId="name" value={name} wrong={wrong.name} field={nameField}
            autoComplete="name" placeholder="How others see you" onChange={setName}
          />
          <TextField
            label="Room" testId="room" value={room} wrong={wrong.room} field={roomField}
            autoComplete="off" hint="Everyone who enters the same room meets there." onChange={setRoom}
          />
          <button type="submit" className="primary" data-testid="join">{check.sends ? 'Join now' : 'Join without camera and microphone'}</button>
          <ProfileChoice wish={check.profile} onChoose={check.chooseProfile} />
          <DeviceChoice check={check} />
          <ConnectionChoice ask={passesOfPage} />
        </form>
      </div>
    </main>
  );
}

/** Two tokens of the page's own server, and the cities it was told of. */
async function passesOfPage(stop: AbortSignal): Promise<Passes> {
  const room = `check-${crypto.randomUUID()}`;
  const [sending, watching] = await Promise.all(
    (['sends', 'watches'] as const).map((name) => askForToken({ name, room }, stop)),
  ) as [Pass, Pass];
  const servers = sending.urls.map((url) => ({ node: '', region: '', url }));
  const told = readCities(document.querySelector<HTMLMetaElement>('meta[name="city-urls"]')?.content);
  return {
    sending: sending.token, watching: watching.token, servers,
    ...(told.length > 0 ? { cities: told.map((city) => ({ node: '', ...city })) } : {}),
  };
}

interface TextFieldProps {
  label: string;
  testId: string;
  value: string;
  wrong: string | undefined;
  field: React.RefObject<HTMLInputElement | null>;
  autoComplete: string;
  placeholder?: string;
  hint?: string;
  onChange: (value: string) => void;
}

function TextField({ label, testId, value, wrong, field, autoComplete, placeholder, hint, onChange }: TextFieldProps) {
  const id = useId();
  const words = wrong ?? hint;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id} ref={field} data-testid={testId} value={value} placeholder={placeholder} autoComplete={autoComplete}
        maxLength={200} spellCheck={false} aria-invalid={wrong !== undefined} aria-describedby={words ? `${id}-words` : undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {words && (
        <p
          id={`${id}-words`} className={wrong ? 'wrong' : 'hint'}
          {...(wrong ? { role: 'alert', 'data-testid': 'error', 'data-reason': testId === 'name' ? 'bad-name' : 'bad-room' } : {})}
        >
          {words}
        </p>
      )}
    </div>
  );
}
