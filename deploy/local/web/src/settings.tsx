// Changing camera, microphone and loudspeaker during the call.

import { useMediaDeviceSelect } from '@livekit/components-react';
import type { Room } from 'livekit-client';
import { useEffect, useRef } from 'react';
import { DeviceSelect } from './devices';
import { failure, fromDevice, type Failure } from './failures';
import { CloseIcon } from './icons';

interface Props {
  room: Room;
  onTrouble: (failure: Failure) => void;
  onClose: () => void;
}

export function Settings({ room, onTrouble, onClose }: Props) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus(), []);
  return (
    <aside className="panel" ref={panel} tabIndex={-1} aria-label="Devices" onKeyDown={(event) => event.key === 'Escape' && onClose()}>
      <header>
        <h2>Devices</h2>
        <button type="button" className="plain" aria-label="Close devices" onClick={onClose}><CloseIcon /></button>
      </header>
      <div className="panel-body">
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
