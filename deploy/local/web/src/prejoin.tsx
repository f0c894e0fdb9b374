// Before the call: who, where, and whether camera and microphone work.

import type { LocalVideoTrack } from 'livekit-client';
import { useEffect, useId, useRef, useState, type FormEvent } from 'react';
import { suggestRoom } from './address';
import { Brand } from './brand';
import { DeviceSelect, LevelMeter, useDevices } from './devices';
import { failure as failureOf, together, type Failure } from './failures';
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon, PersonIcon } from './icons';
import type { Visit } from './meeting';
import { keepChoices, readChoices } from './memory';
import { Notice } from './notice';
import { usePreview, type Device } from './preview';
import { checkName, checkRoom } from './rules.mjs';

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
  const [cameraId, setCameraId] = useState(kept.cameraId);
  const [microphoneId, setMicrophoneId] = useState(kept.microphoneId);
  const [wishes, setWishes] = useState({ camera: kept.camera, microphone: kept.microphone });
  const preview = usePreview(kept);
  const cameras = useDevices('videoinput', preview.camera.state);
  const microphones = useDevices('audioinput', preview.microphone.state);
  const nameField = useRef<HTMLInputElement>(null);
  const roomField = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = invited ? `Join ${invited} · TOF Meet` : 'TOF Meet';
  }, [invited]);

  const toggleCamera = () => {
    const on = !isWanted(preview.camera);
    setWishes((now) => ({ ...now, camera: on }));
    preview.setCamera(on, cameraId);
  };
  const toggleMicrophone = () => {
    const on = !isWanted(preview.microphone);
    setWishes((now) => ({ ...now, microphone: on }));
    preview.setMicrophone(on, microphoneId);
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const who = checkName(name);
    const where = checkRoom(room);
    setWrong({ ...(who.ok ? {} : { name: who.reason }), ...(where.ok ? {} : { room: where.reason }) });
    if (!who.ok) return nameField.current?.focus();
    if (!where.ok) return roomField.current?.focus();
    keepChoices({ name: who.value, ...wishes, cameraId, microphoneId });
    const devices = {
      camera: isWanted(preview.camera),
      microphone: isWanted(preview.microphone),
      cameraId,
      microphoneId,
    };
    onJoin({ name: who.value, room: where.value, ...devices, tracks: preview.handOver() });
  };

  const problems = [
    ...(preview.allowed ? [] : [failureOf('insecure-origin')]),
    ...(typeof RTCPeerConnection === 'undefined' ? [failureOf('browser-unsupported')] : []),
    ...together(preview.camera.failure, preview.microphone.failure),
  ];

  return (
    <main className="prejoin">
      <Brand />
      <div className="prejoin-columns">
        <section className="check" aria-label="Camera and microphone check">
          <div className="preview" data-testid="prejoin-preview" data-camera={preview.camera.state} data-microphone={preview.microphone.state}>
            <Picture camera={preview.camera} name={name} />
            <LevelMeter track={preview.microphone.track} />
            <div className="preview-toggles">
              <Toggle
                testId="toggle-mic"
                on={isWanted(preview.microphone)}
                disabled={!preview.allowed}
                words={['Mute microphone', 'Switch microphone on']}
                onClick={toggleMicrophone}
              >
                {isWanted(preview.microphone) ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
              </Toggle>
              <Toggle
                testId="toggle-camera"
                on={isWanted(preview.camera)}
                disabled={!preview.allowed}
                words={['Switch camera off', 'Switch camera on']}
                onClick={toggleCamera}
              >
                {isWanted(preview.camera) ? <CameraIcon /> : <CameraOffIcon />}
              </Toggle>
            </div>
          </div>
          {problems.map((problem) => <Notice key={problem.reason} failure={problem} />)}
        </section>

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
          <button type="submit" className="primary" data-testid="join">{joinWords(preview)}</button>
          <details className="device-choice" open={matchMedia('(min-width: 800px)').matches}>
            <summary>Choose devices</summary>
            <DeviceSelect
              label="Camera" testId="camera-select" devices={cameras} chosen={cameraId || settingsId(preview.camera)}
              onChoose={(id) => { setCameraId(id); setWishes((now) => ({ ...now, camera: true })); preview.setCamera(true, id); }}
            />
            <DeviceSelect
              label="Microphone" testId="mic-select" devices={microphones} chosen={microphoneId || settingsId(preview.microphone)}
              onChoose={(id) => { setMicrophoneId(id); setWishes((now) => ({ ...now, microphone: true })); preview.setMicrophone(true, id); }}
            />
          </details>
        </form>
      </div>
    </main>
  );
}

function isWanted(device: Device<never> | { state: string }): boolean {
  return device.state === 'on' || device.state === 'starting';
}

function settingsId(device: { track: { mediaStreamTrack: MediaStreamTrack } | null }): string {
  return device.track?.mediaStreamTrack.getSettings().deviceId ?? '';
}

function joinWords(preview: { camera: { state: string }; microphone: { state: string } }): string {
  if (isWanted(preview.camera) || isWanted(preview.microphone)) return 'Join now';
  return 'Join without camera and microphone';
}

function Picture({ camera, name }: { camera: Device<LocalVideoTrack>; name: string }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    const track = camera.track;
    if (!element || !track) return;
    track.attach(element);
    return () => void track.detach(element);
  }, [camera.track]);
  if (camera.track) return <video ref={video} muted playsInline aria-label="Your camera, as a mirror" />;
  const words = { starting: 'Starting the camera …', failed: camera.failure?.title, off: 'Camera is off', on: '' };
  return (
    <div className="preview-off">
      <span className="avatar" aria-hidden="true">{[...name.trim()][0]?.toUpperCase() ?? <PersonIcon />}</span>
      <p role="status">{words[camera.state]}</p>
    </div>
  );
}

interface ToggleProps {
  testId: string;
  on: boolean;
  disabled: boolean;
  words: [whenOn: string, whenOff: string];
  onClick: () => void;
  children: React.ReactNode;
}

function Toggle({ testId, on, disabled, words, onClick, children }: ToggleProps) {
  const label = words[on ? 0 : 1];
  return (
    <button type="button" className="round" data-testid={testId} data-on={on} disabled={disabled} aria-label={label} title={label} onClick={onClick}>
      {children}
    </button>
  );
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
