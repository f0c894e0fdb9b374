// During the call: what it uses and may use, camera, microphone and loudspeaker.

import { useMediaDeviceSelect } from '@livekit/components-react';
import type { Room } from 'livekit-client';
import { useEffect, useRef } from 'react';
import { DataMeter } from './data-meter';
import { DeviceSelect } from './devices';
import { failure, fromDevice, type Failure } from './failures';
import { CloseIcon } from './icons';
import type { Line } from './line';
import { ProfileChoice } from './profile-choice';

interface Props {
  room: Room;
  line: Line;
  onTrouble: (failure: Failure) => void;
  onClose: () => void;
}

export function Settings({ room, line, onTrouble, onClose }: Props) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus(), []);
  return (
    <aside className="panel" ref={panel} tabIndex={-1} aria-label="Settings" data-testid="settings" onKeyDown={(event) => event.key === 'Escape' && onClose()}>
      <header>
        <h2>Settings</h2>
        <button type="button" className="plain" aria-label="Close settings" onClick={onClose}><CloseIcon /></button>
      </header>
      <div className="panel-body">
        <DataMeter line={line} />
        <ProfileChoice wish={line.wish} refused={line.refused} onChoose={line.choose} />
        <Choice room={room} kind="videoinput" label="Camera" testId="camera-select" onError={(error) => onTrouble(fromDevice('camera', error))} />
        <Choice room={room} kind="audioinput" label="Microphone" testId="mic-select" onError={(error) => onTrouble(fromDevice('microphone', error))} />
        {'setSinkId' in HTMLMediaElement.prototype && (
          <Choice room={room} kind="audiooutput" label="Loudspeaker" testId="speaker-select" onError={(error) => onTrouble(failure('unknown', error.message))} />
        )}
      </div>
    </aside>
  );
}

interface ChoiceProps {
  room: Room;
  kind: MediaDeviceKind;
  label: string;
  testId: string;
  onError: (error: Error) => void;
}

function Choice({ room, kind, label, testId, onError }: ChoiceProps) {
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind, room });
  return (
    <DeviceSelect
      label={label} testId={testId} devices={devices} chosen={activeDeviceId}
      onChoose={(id) => setActiveMediaDevice(id).catch(onError)}
    />
  );
}
