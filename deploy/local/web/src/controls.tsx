// The bar at the bottom: microphone, camera, screen, chat, hand, settings, leave.

import { useTrackToggle } from '@livekit/components-react';
import { Track } from 'livekit-client';
import type { ReactNode } from 'react';
import { failure, fromPublish, type Failure } from './failures';
import { useHand } from './hand';
import { CameraIcon, CameraOffIcon, ChatIcon, HandIcon, LeaveIcon, MicrophoneIcon, MicrophoneOffIcon, PeopleIcon, ScreenIcon, SettingsIcon } from './icons';

interface Props {
  unread: number;
  chatOpen: boolean;
  settingsOpen: boolean;
  /** Only in a meeting that is organised. */
  people?: { waiting: number; open: boolean; onToggle: () => void } | undefined;
  onChat: () => void;
  onSettings: () => void;
  onLeave: () => void;
  onTrouble: (failure: Failure | null) => void;
}

export function Controls({ unread, chatOpen, settingsOpen, people, onChat, onSettings, onLeave, onTrouble }: Props) {
  const microphone = useTrackToggle({ source: Track.Source.Microphone, onDeviceError: (error) => onTrouble(deviceTrouble('microphone', error)) });
  const camera = useTrackToggle({ source: Track.Source.Camera, onDeviceError: (error) => onTrouble(deviceTrouble('camera', error)) });
  return (
    <footer className="controls" role="toolbar" aria-label="Call controls">
      <Control testId="toggle-mic" on={microphone.enabled} tone="device" label={microphone.enabled ? 'Mute microphone' : 'Switch microphone on'} caption="Mic" button={microphone.buttonProps}>
        {microphone.enabled ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
      </Control>
      <Control testId="toggle-camera" on={camera.enabled} tone="device" label={camera.enabled ? 'Switch camera off' : 'Switch camera on'} caption="Camera" button={camera.buttonProps}>
        {camera.enabled ? <CameraIcon /> : <CameraOffIcon />}
      </Control>
      {canShare() && <ShareControl onTrouble={onTrouble} />}
      <Control testId="toggle-chat" on={chatOpen} tone="panel" label={unread ? `Chat, ${unread} unread` : 'Chat'} caption="Chat" button={{ onClick: onChat }}>
        <ChatIcon />
        {unread > 0 && <span className="badge" data-testid="unread">{unread > 99 ? '99+' : unread}</span>}
      </Control>
      {!people && <HandControl onTrouble={onTrouble} />}
      {people && (
        <Control testId="toggle-people" on={people.open} tone="panel" label={people.waiting ? `People, ${people.waiting} waiting` : 'People'} caption="People" button={{ onClick: people.onToggle }}>
          <PeopleIcon />
          {people.waiting > 0 && <span className="badge" data-testid="waiting-count">{people.waiting}</span>}
        </Control>
      )}
      <Control testId="toggle-settings" on={settingsOpen} tone="panel" label="Settings" caption="Settings" button={{ onClick: onSettings }}>
        <SettingsIcon />
      </Control>
      <Control testId="leave" on={false} tone="leave" label="Leave the room" caption="Leave" button={{ onClick: onLeave }}>
        <LeaveIcon />
      </Control>
    </footer>
  );
}

/** Where a call is organised, hands are among its people. */
function HandControl({ onTrouble }: { onTrouble: (failure: Failure | null) => void }) {
  const hand = useHand((error) => onTrouble(failure('unknown', String(error))));
  if (hand === null) return null;
  return (
    <Control testId="toggle-hand" on={hand.raised} tone="panel" label={hand.raised ? 'Lower your hand' : 'Raise your hand'} caption="Hand" button={{ onClick: hand.toggle }}>
      <HandIcon />
    </Control>
  );
}

function ShareControl({ onTrouble }: { onTrouble: (failure: Failure | null) => void }) {
  const screen = useTrackToggle({
    source: Track.Source.ScreenShare,
    captureOptions: { audio: true, selfBrowserSurface: 'include' },
    onDeviceError: (error) => {
      // Closing the browser's chooser is a change of mind, not a failure.
      if (error.name !== 'NotAllowedError') onTrouble(failure('publish-failed', error.message));
    },
  });
  return (
    <Control testId="toggle-screen" on={screen.enabled} tone="panel" label={screen.enabled ? 'Stop sharing the screen' : 'Share the screen'} caption={screen.enabled ? 'Stop' : 'Share'} button={screen.buttonProps}>
      <ScreenIcon />
    </Control>
  );
}

/** Phones' browsers have no screen share. */
function canShare(): boolean {
  return typeof navigator.mediaDevices?.getDisplayMedia === 'function';
}

function deviceTrouble(kind: 'camera' | 'microphone', error: Error): Failure {
  return navigator.mediaDevices ? fromPublish(kind, error) : failure('insecure-origin');
}

interface ControlProps {
  testId: string;
  on: boolean;
  /** A device is struck out when off, a panel lit when on. */
  tone: 'device' | 'panel' | 'leave';
  label: string;
  caption: string;
  button: React.ButtonHTMLAttributes<HTMLButtonElement>;
  children: ReactNode;
}

function Control({ testId, on, tone, label, caption, button, children }: ControlProps) {
  return (
    <button
      {...button}
      type="button" className="control" data-testid={testId} data-tone={tone} data-on={on} aria-label={label} title={label}
      aria-pressed={tone === 'panel' ? on : undefined}
    >
      <span className="control-face">{children}</span>
      <span className="control-caption" aria-hidden="true">{caption}</span>
    </button>
  );
}
