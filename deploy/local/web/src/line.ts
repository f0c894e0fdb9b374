// The line of a joined call: asks the server for reports of what is used, tells it
// how much may be, and follows what becomes of the network. What is made of it all
// is left to `usage` and `weather`.

import { ConnectionQuality, RoomEvent, Track, type Participant, type Room } from 'livekit-client';
import { useCallback, useEffect, useRef, useState } from 'react';
import { countOf, type Count } from './browser-count';
import { keepChoices, readChoices } from './memory';
import { resize } from './preview';
import { attributeOf, pictureOf, PROFILE_ATTRIBUTE, type Wish } from './profile';
import { feed, newMeter, readReport, USAGE, type Meter, type Report } from './usage';
import { fair, nextLook, observe, type Facts, type Word } from './weather';

export interface Line {
  meter: Meter;
  report: Report | null;
  word: Word | null;
  wish: Wish;
  /** Whether the server lets this person wish. */
  refused: boolean;
  choose: (wish: Wish) => void;
}

export function useLine(room: Room): Line {
  const { meter, report } = useMeter(room);
  const [wish, setWish] = useState(() => readChoices().profile);
  const refused = useAttributes(room, wish);
  const word = useWeather(room, report);
  const choose = useCallback((chosen: Wish) => {
    setWish(chosen);
    keepChoices({ ...readChoices(), profile: chosen });
    // One's own picture is data too.
    const camera = room.localParticipant.getTrackPublication(Track.Source.Camera)?.track;
    if (chosen === 'saver') void room.localParticipant.setCameraEnabled(false).catch(() => undefined);
    else if (camera) void resize(camera.mediaStreamTrack);
    room.options.videoCaptureDefaults = { ...room.options.videoCaptureDefaults, resolution: pictureOf(chosen) };
  }, [room]);
  return { meter, report, word, wish, refused, choose };
}

/** Keeps what is asked of the server asked, over reconnections; whether it refuses. */
function useAttributes(room: Room, wish: Wish): boolean {
  const [refused, setRefused] = useState(false);
  useEffect(() => {
    let gone = false;
    const wanted: Record<string, string> = { [USAGE]: 'on', [PROFILE_ATTRIBUTE]: attributeOf(wish) };
    const ask = () => {
      const me = room.localParticipant;
      if (me.permissions?.canUpdateMetadata === false) return setRefused(true);
      const missing = Object.entries(wanted).filter(([key, value]) => (me.attributes[key] ?? '') !== value);
      if (missing.length === 0) return;
      me.setAttributes(Object.fromEntries(missing)).then(
        () => !gone && setRefused(false),
        () => !gone && setRefused(true),
      );
    };
    ask();
    room.on(RoomEvent.Reconnected, ask).on(RoomEvent.ParticipantPermissionsChanged, ask);
    return () => {
      gone = true;
      room.off(RoomEvent.Reconnected, ask).off(RoomEvent.ParticipantPermissionsChanged, ask);
    };
  }, [room, wish]);
  return refused;
}

/** As often as the server reports. */
const COUNT_MS = 5_000;

function useMeter(room: Room): { meter: Meter; report: Report | null } {
  const [meter, setMeter] = useState(() => newMeter(performance.now()));
  const [report, setReport] = useState<Report | null>(null);
  useEffect(() => {
    let gone = false;
    const hear = (payload: Uint8Array, from?: Participant, _kind?: unknown, topic?: string) => {
      // The server's own packets come from nobody.
      if (topic !== USAGE || from !== undefined) return;
      const told = readReport(payload);
      if (told === null) return;
      setReport(told);
      setMeter((now) => feed(now, { source: 'server', sent: told.sent, received: told.received, at: performance.now() }));
    };
    const timer = setInterval(async () => {
      const count = await browserCount(room).catch(() => null);
      if (count !== null && !gone) setMeter((now) => feed(now, { source: 'browser', ...count, at: performance.now() }));
    }, COUNT_MS);
    room.on(RoomEvent.DataReceived, hear);
    return () => {
      gone = true;
      clearInterval(timer);
      room.off(RoomEvent.DataReceived, hear);
    };
  }, [room]);
  return { meter, report };
}

async function browserCount(room: Room): Promise<Count | null> {
  const connections = room.engine.pcManager;
  if (!connections) return null;
  const counts = await Promise.all([connections.publisher, connections.subscriber].map(async (connection) => {
    const stats = await connection?.getStats();
    return countOf(stats ? (stats as unknown as Map<string, Record<string, unknown>>).values() : []);
  }));
  return counts.reduce((all, one) => ({ sent: all.sent + one.sent, received: all.received + one.received }));
}

function useWeather(room: Room, report: Report | null): Word | null {
  const [word, setWord] = useState<Word | null>(null);
  const tell = useRef<(news: Partial<Facts>) => void>(() => undefined);
  useEffect(() => {
    let weather = fair(performance.now());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (news: Partial<Facts> = {}) => {
      const now = performance.now();
      weather = observe(weather, now, news);
      setWord(weather.shown);
      clearTimeout(timer);
      const next = nextLook(weather);
      if (next !== null) timer = setTimeout(look, Math.max(next - now, 0) + 1);
    };
    tell.current = look;
    const quality = (seen: ConnectionQuality, of: Participant) => {
      if (of.isLocal) look({ quality: QUALITIES[seen] });
    };
    const pictures = () => look(picturesOf(room));
    const signal = () => look({ link: 'signal-lost' });
    const broken = () => look({ link: 'reconnecting' });
    const back = () => look({ link: 'up' });
    room.on(RoomEvent.ConnectionQualityChanged, quality).on(RoomEvent.TrackStreamStateChanged, pictures)
      .on(RoomEvent.TrackSubscribed, pictures).on(RoomEvent.TrackUnsubscribed, pictures)
      .on(RoomEvent.SignalReconnecting, signal).on(RoomEvent.Reconnecting, broken).on(RoomEvent.Reconnected, back);
    look({ ...picturesOf(room), quality: QUALITIES[room.localParticipant.connectionQuality] });
    return () => {
      clearTimeout(timer);
      tell.current = () => undefined;
      room.off(RoomEvent.ConnectionQualityChanged, quality).off(RoomEvent.TrackStreamStateChanged, pictures)
        .off(RoomEvent.TrackSubscribed, pictures).off(RoomEvent.TrackUnsubscribed, pictures)
        .off(RoomEvent.SignalReconnecting, signal).off(RoomEvent.Reconnecting, broken).off(RoomEvent.Reconnected, back);
    };
  }, [room]);
  useEffect(() => {
    if (report !== null) tell.current({ profile: report.profile, because: report.because });
  }, [report]);
  return word;
}

const QUALITIES: Record<ConnectionQuality, Facts['quality']> = {
  [ConnectionQuality.Excellent]: 'good',
  [ConnectionQuality.Good]: 'good',
  [ConnectionQuality.Unknown]: 'good',
  [ConnectionQuality.Poor]: 'poor',
  [ConnectionQuality.Lost]: 'lost',
};

/** How many pictures come, and how many of them the server holds back. */
function picturesOf(room: Room): Pick<Facts, 'paused' | 'watched'> {
  const watched = [...room.remoteParticipants.values()]
    .flatMap((participant) => [...participant.videoTrackPublications.values()])
    .flatMap(({ track }) => (track ? [track] : []));
  return { watched: watched.length, paused: watched.filter(({ streamState }) => streamState === Track.StreamState.Paused).length };
}
