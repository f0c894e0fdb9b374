// Choosing devices, and seeing that the microphone hears.

import { useTrackVolume } from '@livekit/components-react';
import type { LocalAudioTrack } from 'livekit-client';
import { useEffect, useId, useState } from 'react';

/** The devices of a kind, as far as the browser names them; `fresh` changes when it may name more. */
export function useDevices(kind: MediaDeviceKind, fresh: unknown): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const source = navigator.mediaDevices;
    if (!source?.enumerateDevices) return;
    let gone = false;
    const read = () => {
      source.enumerateDevices().then(
        (all) => !gone && setDevices(all.filter((device) => device.kind === kind && device.deviceId !== '')),
        () => !gone && setDevices([]),
      );
    };
    read();
    source.addEventListener('devicechange', read);
    return () => {
      gone = true;
      source.removeEventListener('devicechange', read);
    };
  }, [kind, fresh]);
  return devices;
}

interface SelectProps {
  label: string;
  devices: MediaDeviceInfo[];
  chosen: string;
  testId: string;
  onChoose: (deviceId: string) => void;
}

export function DeviceSelect({ label, devices, chosen, testId, onChoose }: SelectProps) {
  const id = useId();
  const known = devices.some((device) => device.deviceId === chosen);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        data-testid={testId}
        value={known ? chosen : (devices[0]?.deviceId ?? '')}
        disabled={devices.length === 0}
        onChange={(event) => onChoose(event.target.value)}
      >
        {devices.length === 0 && <option value="">None found or not allowed yet</option>}
        {devices.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>{device.label || `${label} ${index + 1}`}</option>
        ))}
      </select>
    </div>
  );
}

const BARS = 12;

/** How loud the microphone is, so that one sees it works before speaking to others. */
export function LevelMeter({ track }: { track: LocalAudioTrack | null }) {
  const volume = useTrackVolume(track ?? undefined, { fftSize: 256, smoothingTimeConstant: 0.5 });
  // Speech sits in the lower part of the range: stretch it so that a normal voice fills most bars.
  const lit = track ? Math.min(BARS, Math.round(Math.sqrt(volume) * 1.25 * BARS)) : 0;
  return (
    <div
      className="meter"
      role="meter"
      aria-label="Microphone level"
      aria-valuemin={0}
      aria-valuemax={BARS}
      aria-valuenow={lit}
      data-testid="mic-level"
    >
      {Array.from({ length: BARS }, (_, bar) => <span key={bar} data-lit={bar < lit} />)}
    </div>
  );
}
