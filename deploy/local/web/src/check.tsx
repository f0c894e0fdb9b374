// Camera and microphone before a call: whether they work, which ones, on or off.

import type { LocalTrack, LocalVideoTrack } from 'livekit-client';
import { useEffect, useRef, useState } from 'react';
import { DeviceSelect, LevelMeter, useDevices } from './devices';
import { failure as failureOf, together } from './failures';
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon, PersonIcon } from './icons';
import { keepChoices, readChoices, type Choices } from './memory';
import { Notice } from './notice';
import type { Wish } from './profile';
import { usePreview, type Device } from './preview';

/** What goes into the call. */
export interface Devices {
  camera: boolean;
  microphone: boolean;
  cameraId: string;
  microphoneId: string;
  tracks: LocalTrack[];
}

export type Check = ReturnType<typeof useCheck>;

/** The devices as they are and as they are wanted, beginning with what was chosen last time. */
export function useCheck(kept: Choices) {
  const [cameraId, setCameraId] = useState(kept.cameraId);
  const [microphoneId, setMicrophoneId] = useState(kept.microphoneId);
  const [wishes, setWishes] = useState({ camera: kept.camera, microphone: kept.microphone });
  const [profile, setProfile] = useState(kept.profile);
  const preview = usePreview(kept);
  return {
    preview, cameraId, microphoneId, profile,
    cameras: useDevices('videoinput', preview.camera.state),
    microphones: useDevices('audioinput', preview.microphone.state),
    toggleCamera: () => {
      const on = !isWanted(preview.camera);
      setWishes((now) => ({ ...now, camera: on }));
      preview.setCamera(on, cameraId);
    },
    toggleMicrophone: () => {
      const on = !isWanted(preview.microphone);
      setWishes((now) => ({ ...now, microphone: on }));
      preview.setMicrophone(on, microphoneId);
    },
    chooseCamera: (id: string) => { setCameraId(id); setWishes((now) => ({ ...now, camera: true })); preview.setCamera(true, id); },
    chooseMicrophone: (id: string) => { setMicrophoneId(id); setWishes((now) => ({ ...now, microphone: true })); preview.setMicrophone(true, id); },
    chooseProfile: (wish: Wish) => {
      setProfile(wish);
      keepChoices({ ...readChoices(), profile: wish });
      // One's own picture is data too.
      if (wish !== 'saver' || !isWanted(preview.camera)) return;
      setWishes((now) => ({ ...now, camera: false }));
      preview.setCamera(false, cameraId);
    },
    /** Whether anything will be sent. */
    sends: isWanted(preview.camera) || isWanted(preview.microphone),
    /** Keeps the choices for the next visit and gives the running devices away. */
    handOver: (name: string): Devices => {
      keepChoices({ profile, name, ...wishes, cameraId, microphoneId });
      const devices = { camera: isWanted(preview.camera), microphone: isWanted(preview.microphone), cameraId, microphoneId };
      return { ...devices, tracks: preview.handOver() };
    },
  };
}

/** What one looks and sounds like, with what is wrong with it. */
export function CheckView({ check, name }: { check: Check; name: string }) {
  const { preview } = check;
  const problems = [
    ...(preview.allowed ? [] : [failureOf('insecure-origin')]),
    ...(typeof RTCPeerConnection === 'undefined' ? [failureOf('browser-unsupported')] : []),
    ...together(preview.camera.failure, preview.microphone.failure),
  ];
  return (
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
            onClick={check.toggleMicrophone}
          >
            {isWanted(preview.microphone) ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
          </Toggle>
          <Toggle
            testId="toggle-camera"
            on={isWanted(preview.camera)}
            disabled={!preview.allowed}
            words={['Switch camera off', 'Switch camera on']}
            onClick={check.toggleCamera}
          >
            {isWanted(preview.camera) ? <CameraIcon /> : <CameraOffIcon />}
          </Toggle>
        </div>
      </div>
      {problems.map((problem) => <Notice key={problem.reason} failure={problem} />)}
    </section>
  );
}

/** Which camera and which microphone. */
export function DeviceChoice({ check }: { check: Check }) {
  return (
    <details className="device-choice" open={matchMedia('(min-width: 800px)').matches}>
      <summary>Choose devices</summary>
      <DeviceSelect
        label="Camera" testId="camera-select" devices={check.cameras} chosen={check.cameraId || settingsId(check.preview.camera)}
        onChoose={check.chooseCamera}
      />
      <DeviceSelect
        label="Microphone" testId="mic-select" devices={check.microphones} chosen={check.microphoneId || settingsId(check.preview.microphone)}
        onChoose={check.chooseMicrophone}
      />
    </details>
  );
}

function isWanted(device: Device<never> | { state: string }): boolean {
  return device.state === 'on' || device.state === 'starting';
}

function settingsId(device: { track: { mediaStreamTrack: MediaStreamTrack } | null }): string {
  return device.track?.mediaStreamTrack.getSettings().deviceId ?? '';
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
