// One picture: a participant's camera or screen, or who they are without it.

import {
  isTrackReference, ParticipantTile, useConnectionQualityIndicator, useIsMuted, useParticipantAttributes, useParticipantInfo, VideoTrack,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { ConnectionQuality, Track, type Participant } from 'livekit-client';
import { HAND } from './hand';
import { HandIcon, MicrophoneOffIcon, PinIcon, ScreenIcon } from './icons';

interface Props {
  trackRef: TrackReferenceOrPlaceholder;
  pinned: boolean;
  onPin: () => void;
}

export function Tile({ trackRef, pinned, onPin }: Props) {
  const { participant, source } = trackRef;
  const screen = source === Track.Source.ScreenShare;
  const dark = useIsMuted(trackRef);
  const { name } = useParticipantInfo({ participant });
  const shown = name || participant.identity;
  return (
    <ParticipantTile
      trackRef={trackRef}
      className="tile"
      data-testid="tile"
      data-identity={participant.identity}
      data-source={source}
      data-local={participant.isLocal}
      data-dark={dark}
    >
      {isTrackReference(trackRef) && <VideoTrack trackRef={trackRef} />}
      {dark && !screen && <Avatar identity={participant.identity} name={shown} />}
      <div className="tag">
        {screen ? <ScreenIcon /> : <MutedSign participant={participant} />}
        <span className="tag-name">{label(shown, participant.isLocal, screen)}</span>
        {!screen && <Hand participant={participant} />}
        <Weak participant={participant} />
      </div>
      <button
        type="button" className="pin plain" data-testid="pin" aria-pressed={pinned}
        aria-label={pinned ? `Stop keeping ${shown} large` : `Keep ${shown} large`}
        title={pinned ? 'Stop keeping large' : 'Keep large'} onClick={onPin}
      >
        <PinIcon />
      </button>
    </ParticipantTile>
  );
}

function label(name: string, local: boolean, screen: boolean): string {
  if (screen) return local ? 'Your screen' : `${name}’s screen`;
  return local ? `${name} (you)` : name;
}

function MutedSign({ participant }: { participant: Participant }) {
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  if (!muted) return null;
  return <span className="muted-sign" data-testid="muted" title="Microphone off"><MicrophoneOffIcon /><span className="unseen">Microphone off</span></span>;
}

function Hand({ participant }: { participant: Participant }) {
  const { attributes } = useParticipantAttributes({ participant });
  if (!attributes?.[HAND]) return null;
  return <span className="hand-sign" data-testid="hand-sign" title="Hand raised"><HandIcon /><span className="unseen">Hand raised</span></span>;
}

/** Said only when it explains a bad picture. */
function Weak({ participant }: { participant: Participant }) {
  const { quality } = useConnectionQualityIndicator({ participant });
  if (quality === ConnectionQuality.Lost) return <span className="weak">Lost connection</span>;
  if (quality === ConnectionQuality.Poor) return <span className="weak">Weak connection</span>;
  return null;
}

function Avatar({ identity, name }: { identity: string; name: string }) {
  return (
    <div className="avatar-layer" aria-hidden="true">
      <span className="avatar" style={{ '--hue': hueOf(identity) } as React.CSSProperties}>{initials(name)}</span>
    </div>
  );
}

function initials(name: string): string {
  const words = name.split(/[\s-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...(word ?? '')][0]?.toUpperCase() ?? '').join('') || '?';
}

/** The same colour for a participant on everyone's screen. */
function hueOf(identity: string): number {
  let hash = 0;
  for (const letter of identity) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 3600;
  // The golden angle keeps identities that differ little far apart on the wheel.
  return Math.round((hash * 137.508) % 360);
}
