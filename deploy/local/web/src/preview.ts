// Camera and microphone before the call: started once, switched one by one,
// handed over to the call as they run, or stopped when there is none.

import { createLocalAudioTrack, createLocalTracks, createLocalVideoTrack, Track } from 'livekit-client';
import type { LocalAudioTrack, LocalTrack, LocalVideoTrack } from 'livekit-client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { failure, fromDevice, type Failure } from './failures';
import { readChoices } from './memory';
import { pictureOf } from './profile';

/** One device of the check: wished or not, and what became of the wish. */
export interface Device<T extends LocalTrack> {
  state: 'off' | 'starting' | 'on' | 'failed';
  track: T | null;
  failure: Failure | null;
}

export interface Preview {
  camera: Device<LocalVideoTrack>;
  microphone: Device<LocalAudioTrack>;
  /** Whether this page may ask for devices at all. */
  allowed: boolean;
  setCamera: (on: boolean, deviceId?: string) => void;
  setMicrophone: (on: boolean, deviceId?: string) => void;
  /** The running tracks; from here on the caller stops them. */
  handOver: () => LocalTrack[];
}

interface Wishes {
  camera: boolean;
  microphone: boolean;
  cameraId: string;
  microphoneId: string;
}

const OFF = { state: 'off', track: null, failure: null } as const;
const STARTING = { state: 'starting', track: null, failure: null } as const;

export const cameraCapture = (deviceId: string) => ({
  ...(deviceId ? { deviceId } : {}),
  resolution: { ...pictureOf(readChoices().profile), frameRate: 30 },
});

/** Makes a running camera's picture as large as is wished for now; one that can't stays as it is. */
export async function resize(camera: MediaStreamTrack): Promise<void> {
  const { width, height } = pictureOf(readChoices().profile);
  await camera.applyConstraints({ width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } }).catch(() => undefined);
}

export const microphoneCapture = (deviceId: string) => ({
  ...(deviceId ? { deviceId } : {}),
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
});

export function usePreview(wishes: Wishes): Preview {
  const allowed = typeof navigator.mediaDevices?.getUserMedia === 'function';
  const [camera, setCameraDevice] = useState<Device<LocalVideoTrack>>(OFF);
  const [microphone, setMicrophoneDevice] = useState<Device<LocalAudioTrack>>(OFF);
  const running = useRef<{ camera: LocalTrack | null; microphone: LocalTrack | null }>({ camera: null, microphone: null });
  // Each wish has a number; a device that starts after a newer wish is stopped again.
  const turn = useRef({ camera: 0, microphone: 0 });

  const settle = useCallback(<T extends LocalTrack>(kind: 'camera' | 'microphone', at: number, track: T, show: (device: Device<T>) => void) => {
    if (turn.current[kind] !== at) return track.stop();
    running.current[kind] = track;
    track.on('ended', () => {
      if (running.current[kind] === track) show({ state: 'failed', track: null, failure: failure(`${kind}-broken`) });
    });
    show({ state: 'on', track, failure: null });
  }, []);

  const setCamera = useCallback((on: boolean, deviceId = '') => {
    const at = ++turn.current.camera;
    stop(running.current, 'camera');
    if (!on || !allowed) return setCameraDevice(OFF);
    setCameraDevice(STARTING);
    createLocalVideoTrack(cameraCapture(deviceId)).then(
      (track) => settle('camera', at, track, setCameraDevice),
      (error) => at === turn.current.camera && setCameraDevice({ state: 'failed', track: null, failure: fromDevice('camera', error) }),
    );
  }, [allowed, settle]);

  const setMicrophone = useCallback((on: boolean, deviceId = '') => {
    const at = ++turn.current.microphone;
    stop(running.current, 'microphone');
    if (!on || !allowed) return setMicrophoneDevice(OFF);
    setMicrophoneDevice(STARTING);
    createLocalAudioTrack(microphoneCapture(deviceId)).then(
      (track) => settle('microphone', at, track, setMicrophoneDevice),
      (error) => at === turn.current.microphone && setMicrophoneDevice({ state: 'failed', track: null, failure: fromDevice('microphone', error) }),
    );
  }, [allowed, settle]);

  const first = useRef(wishes);
  useEffect(() => {
    const { camera, microphone, cameraId, microphoneId } = first.current;
    const separately = () => {
      setCamera(camera, cameraId);
      setMicrophone(microphone, microphoneId);
    };
    if (!(camera && microphone && allowed)) {
      separately();
    } else {
      // Both at once make the browser ask once; if one is missing, each has its own try and its own answer.
      const at = { camera: ++turn.current.camera, microphone: ++turn.current.microphone };
      setCameraDevice(STARTING);
      setMicrophoneDevice(STARTING);
      createLocalTracks({ video: cameraCapture(cameraId), audio: microphoneCapture(microphoneId) }).then(
        (tracks) => {
          for (const track of tracks) {
            if (track.kind === Track.Kind.Video) settle('camera', at.camera, track as LocalVideoTrack, setCameraDevice);
            else settle('microphone', at.microphone, track as LocalAudioTrack, setMicrophoneDevice);
          }
        },
        () => {
          if (at.camera === turn.current.camera) setCamera(true, cameraId);
          if (at.microphone === turn.current.microphone) setMicrophone(true, microphoneId);
        },
      );
    }
    const turns = turn.current;
    const tracks = running.current;
    return () => {
      turns.camera++;
      turns.microphone++;
      stop(tracks, 'camera');
      stop(tracks, 'microphone');
    };
  }, [allowed, setCamera, setMicrophone, settle]);

  const handOver = useCallback(() => {
    const tracks = [running.current.microphone, running.current.camera].filter((track) => track !== null);
    running.current.camera = null;
    running.current.microphone = null;
    return tracks;
  }, []);

  return { camera, microphone, allowed, setCamera, setMicrophone, handOver };
}

function stop(running: { camera: LocalTrack | null; microphone: LocalTrack | null }, kind: 'camera' | 'microphone') {
  running[kind]?.stop();
  running[kind] = null;
}
