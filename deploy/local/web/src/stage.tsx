// The pictures: all alike in a grid, or one large with the others in a strip.

import { usePagination, useSpeakingParticipants, type TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { Track } from 'livekit-client';
import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';
import { chooseFocus } from './focus';
import { fitGrid } from './grid';
import { NextIcon, PreviousIcon } from './icons';
import { Tile } from './tile';

export type View = 'grid' | 'speaker';

interface Props {
  tracks: TrackReferenceOrPlaceholder[];
  view: View;
  /** A picture was pinned, which only the speaker view can show. */
  onPin: () => void;
}

export function Stage({ tracks, view, onPin }: Props) {
  const [pinned, setPinned] = useState<string | null>(null);
  const pin = (key: string) => {
    setPinned((now) => (now === key ? null : key));
    if (pinned !== key) onPin();
  };
  return view === 'grid' ? <Grid tracks={tracks} onPin={pin} /> : <Speaker tracks={tracks} pinned={pinned} onPin={pin} />;
}

function Grid({ tracks, onPin }: { tracks: TrackReferenceOrPlaceholder[]; onPin: (key: string) => void }) {
  const area = useRef<HTMLDivElement>(null);
  const { width, height } = useArea(area);
  const grid = fitGrid(tracks.length, width, height);
  const pages = usePagination(grid.page, tracks);
  const turning = pages.totalPageCount > 1;
  return (
    <div className="grid-frame">
      <div className="grid" ref={area} style={{ '--tile-width': `${grid.width}px`, '--tile-height': `${grid.height}px` } as React.CSSProperties}>
        {width > 0 && pages.tracks.map((track) => <Tile key={keyOf(track)} trackRef={track} pinned={false} onPin={() => onPin(keyOf(track))} />)}
      </div>
      {turning && (
        <nav className="pages" aria-label="Pages of participants">
          <button type="button" className="plain" aria-label="Previous page" disabled={pages.currentPage === 1} onClick={pages.prevPage}><PreviousIcon /></button>
          <span>{pages.currentPage} / {pages.totalPageCount}</span>
          <button type="button" className="plain" aria-label="Next page" disabled={pages.currentPage === pages.totalPageCount} onClick={pages.nextPage}><NextIcon /></button>
        </nav>
      )}
    </div>
  );
}

interface SpeakerProps {
  tracks: TrackReferenceOrPlaceholder[];
  pinned: string | null;
  onPin: (key: string) => void;
}

function Speaker({ tracks, pinned, onPin }: SpeakerProps) {
  const lastSpeaker = useLastSpeaker();
  const candidates = tracks.map((track) => ({
    key: keyOf(track),
    identity: track.participant.identity,
    local: track.participant.isLocal,
    screen: track.source === Track.Source.ScreenShare,
    track,
  }));
  const large = chooseFocus(candidates, pinned, lastSpeaker);
  const others = candidates.filter((candidate) => candidate !== large);
  return (
    <div className="speaker" data-alone={others.length === 0}>
      {large && <Tile key={large.key} trackRef={large.track} pinned={large.key === pinned} onPin={() => onPin(large.key)} />}
      {others.length > 0 && (
        <div className="strip" role="group" aria-label="Other participants">
          {others.map(({ key, track }) => <Tile key={key} trackRef={track} pinned={false} onPin={() => onPin(key)} />)}
        </div>
      )}
    </div>
  );
}

function keyOf(track: TrackReferenceOrPlaceholder): string {
  return `${track.participant.identity}/${track.source}`;
}

/** Who else spoke last; stays when all are silent, so that the picture does not jump. */
function useLastSpeaker(): string | null {
  const speaking = useSpeakingParticipants();
  const first = speaking.find((participant) => !participant.isLocal)?.identity;
  const [last, setLast] = useState<string | null>(null);
  useEffect(() => {
    if (first) setLast(first);
  }, [first]);
  return last;
}

function useArea(element: RefObject<HTMLElement | null>): { width: number; height: number } {
  const [area, setArea] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const target = element.current;
    if (!target) return;
    const read = () => setArea({ width: target.clientWidth, height: target.clientHeight });
    read();
    const watch = new ResizeObserver(read);
    watch.observe(target);
    return () => watch.disconnect();
  }, [element]);
  return area;
}
