// Every way that joining can fail or a call can end, each with what happened
// and what to do about it. Says nothing about how it looks.

import { ConnectionError, ConnectionErrorReason, DisconnectReason, MediaDeviceFailure } from 'livekit-client';

/** Why there is no call, or no camera or microphone in it; also the `data-reason` that tests look for. */
export type Reason =
  | 'bad-name' | 'bad-room' | 'join-refused' | 'token-refused'
  | 'page-unreachable' | 'page-broken' | 'server-unreachable' | 'websocket-blocked' | 'not-a-server' | 'server-broken' | 'join-timeout'
  | 'room-full' | 'room-closed' | 'media-blocked' | 'browser-unsupported'
  | 'removed' | 'duplicate-identity' | 'server-shutdown' | 'connection-lost'
  | 'insecure-origin' | 'publish-failed'
  | 'camera-denied' | 'camera-missing' | 'camera-in-use' | 'camera-broken'
  | 'microphone-denied' | 'microphone-missing' | 'microphone-in-use' | 'microphone-broken'
  | 'devices-denied' | 'devices-missing'
  | 'unknown';

/** What a person reads. */
export interface Failure {
  reason: Reason;
  title: string;
  /** What happened. */
  what: string;
  /** What to do, most likely to help first. */
  todo: string[];
  /** For whoever looks after the server. */
  detail?: string;
}

type Words = Omit<Failure, 'reason' | 'detail'>;

const WORDS: Record<Reason, Words> = {
  'bad-name': {
    title: 'That name can’t be used',
    what: 'The name is empty, too long or holds signs that can’t be shown.',
    todo: ['Go back and enter another name.'],
  },
  'bad-room': {
    title: 'That room can’t be used',
    what: 'The room name is empty, too long or holds signs that don’t fit into a link.',
    todo: ['Go back and enter another room, or ask for the invite link again.'],
  },
  'join-refused': {
    title: 'The server did not accept this name or room',
    what: 'It answered that the request to join was not right.',
    todo: ['Go back and try a simpler name and room.', 'Reload the page, in case it is an old copy.'],
  },
  'token-refused': {
    title: 'The server did not let you in',
    what: 'It refused the pass that this page made for you.',
    todo: [
      'Check that this device’s date and time are right: a pass is only good for a while.',
      'If you run the server: the page and the server must hold the same API key and secret.',
    ],
  },
  'page-unreachable': {
    title: 'This page lost its own server',
    what: 'The page could not ask for a pass to the room.',
    todo: ['Check your internet connection.', 'If you run it: start ./deploy/local/up again and reload.'],
  },
  'page-broken': {
    title: 'This page’s own server failed',
    what: 'It could not make a pass to the room.',
    todo: ['Try again in a moment.', 'If you run it: its log says why.'],
  },
  'server-unreachable': {
    title: 'The meeting server can’t be reached',
    what: 'There was no answer from it.',
    todo: [
      'Check your internet connection, then try again.',
      'If you run the server: see that it is up and that its address is right.',
    ],
  },
  'websocket-blocked': {
    title: 'Something blocks the way to the meeting server',
    what: 'The server answers, but the connection a call needs (a WebSocket) does not open.',
    todo: ['Switch off a VPN, proxy or blocker for this page, or try another network.'],
  },
  'not-a-server': {
    title: 'There is no meeting server at that address',
    what: 'Something answered, but not a server that holds calls.',
    todo: ['If you run it: check LIVEKIT_URL of the page server.'],
  },
  'server-broken': {
    title: 'The meeting server failed',
    what: 'It answered with an error of its own.',
    todo: ['Try again in a moment.', 'If you run the server: its log says why.'],
  },
  'join-timeout': {
    title: 'Joining took too long',
    what: 'The meeting server did not answer in time.',
    todo: ['Try again. On a slow connection, leave the camera off at first.'],
  },
  'room-full': {
    title: 'The room can’t take you now',
    what: 'The server turned you away: most likely the room is full, or it is just being closed.',
    todo: ['Try again when someone has left, or agree on another room.'],
  },
  'room-closed': {
    title: 'The room is closed',
    what: 'The meeting was ended for everyone, or it was not opened yet.',
    todo: ['Ask the host, or start another room.'],
  },
  'media-blocked': {
    title: 'Sound and pictures can’t get through',
    what: 'The server answered, but this network lets no audio or video (UDP) through to it.',
    todo: [
      'Try another network, such as a phone’s hotspot.',
      'Switch off a VPN or firewall for this call.',
      'If you run the server: its UDP ports must be open.',
    ],
  },
  'browser-unsupported': {
    title: 'This browser can’t hold a call',
    what: 'It lacks WebRTC, or it is switched off.',
    todo: ['Use a current Chrome, Edge, Firefox or Safari.'],
  },
  removed: {
    title: 'You were removed from the room',
    what: 'The host or the application took you out of the meeting.',
    todo: ['Ask the host if you should come back.'],
  },
  'duplicate-identity': {
    title: 'You joined from somewhere else',
    what: 'The same participant joined again, perhaps in a copy of this tab, so this one was closed.',
    todo: ['Go on in the other tab, or join again here as another participant.'],
  },
  'server-shutdown': {
    title: 'The meeting server was stopped',
    what: 'It ended its calls on purpose, for example to be updated.',
    todo: ['Join again in a moment.'],
  },
  'connection-lost': {
    title: 'The connection was lost',
    what: 'The page tried to reconnect and could not.',
    todo: ['Check your internet connection, then join again.'],
  },
  'insecure-origin': {
    title: 'This address is not secure',
    what: 'Browsers give camera and microphone only to pages opened by https, or on this computer itself.',
    todo: ['Open the page by https or by http://localhost.', 'Or join to watch, listen and chat.'],
  },
  'publish-failed': {
    title: 'Others can’t see or hear you yet',
    what: 'The server did not take your camera, microphone or screen.',
    todo: ['Switch it off and on again.', 'If that does not help, leave and join again.'],
  },
  'camera-denied': {
    title: 'The camera is not allowed',
    what: 'The browser or the system keeps the camera from this page.',
    todo: ['Allow it next to the page’s address, then switch the camera on again.', 'Or join without it.'],
  },
  'camera-missing': {
    title: 'No camera found',
    what: 'This device has no camera that the browser knows of.',
    todo: ['Plug one in and switch the camera on again.', 'Or join without it.'],
  },
  'camera-in-use': {
    title: 'The camera is busy',
    what: 'Another application or tab is using it.',
    todo: ['Close the other one, then switch the camera on again.', 'Or join without it.'],
  },
  'camera-broken': {
    title: 'The camera did not start',
    what: 'The browser could not get a picture from it.',
    todo: ['Choose another camera, or unplug it and plug it in again.', 'Or join without it.'],
  },
  'microphone-denied': {
    title: 'The microphone is not allowed',
    what: 'The browser or the system keeps the microphone from this page.',
    todo: ['Allow it next to the page’s address, then switch the microphone on again.', 'Or join to listen.'],
  },
  'microphone-missing': {
    title: 'No microphone found',
    what: 'This device has no microphone that the browser knows of.',
    todo: ['Plug one in and switch the microphone on again.', 'Or join to listen.'],
  },
  'microphone-in-use': {
    title: 'The microphone is busy',
    what: 'Another application is using it.',
    todo: ['Close the other one, then switch the microphone on again.', 'Or join to listen.'],
  },
  'microphone-broken': {
    title: 'The microphone did not start',
    what: 'The browser could not get sound from it.',
    todo: ['Choose another microphone, or unplug it and plug it in again.', 'Or join to listen.'],
  },
  'devices-denied': {
    title: 'Camera and microphone are not allowed',
    what: 'The browser or the system keeps them from this page.',
    todo: ['Allow them next to the page’s address, then switch them on again.', 'Or join to watch, listen and chat.'],
  },
  'devices-missing': {
    title: 'No camera and no microphone found',
    what: 'This device has none that the browser knows of.',
    todo: ['Plug one in and switch it on again.', 'Or join to watch, listen and chat.'],
  },
  unknown: {
    title: 'Joining did not work',
    what: 'Something happened that this page does not know.',
    todo: ['Try again, or reload the page.'],
  },
};

export function failure(reason: Reason, detail?: string): Failure {
  return { reason, ...WORDS[reason], ...(detail ? { detail } : {}) };
}

/** A call that never was, by what the page server answered instead of a token. */
export function fromTokenAnswer(status: number, reason: unknown, detail?: string): Failure {
  if (reason === 'bad-name' || reason === 'bad-room') return failure(reason, detail);
  if (status === 400) return failure('join-refused', detail);
  return failure('page-broken', detail ?? `status ${status}`);
}

/** A call that never was, by what connecting threw; `verdict` is the status of the server's own check, if it gave one. */
export function fromConnectError(error: unknown, verdict?: number): Failure {
  const detail = error instanceof Error ? error.message : String(error);
  if (!(error instanceof ConnectionError)) return failure('unknown', detail);
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      return failure(error.status === 404 ? 'room-closed' : 'token-refused', detail);
    case ConnectionErrorReason.ServerUnreachable:
      return failure('server-unreachable', detail);
    case ConnectionErrorReason.Timeout:
      return failure('join-timeout', detail);
    case ConnectionErrorReason.LeaveRequest:
      // Some client versions lose the reason on the way; being turned away at the door is nearly always a full room.
      return fromLeave(error.context) ?? failure('room-full', detail);
    case ConnectionErrorReason.ServiceNotFound:
      return failure('not-a-server', detail);
    case ConnectionErrorReason.WebSocket:
      return fromVerdict(verdict, detail);
    case ConnectionErrorReason.InternalError:
      if (/pc connection|peer ?connection|transport|ice/i.test(detail)) return failure('media-blocked', detail);
      return fromVerdict(verdict ?? error.context?.status, detail);
    default:
      return failure('unknown', detail);
  }
}

/** What the server's check says about a WebSocket that it would not open. */
function fromVerdict(verdict: number | undefined, detail: string): Failure {
  if (verdict === undefined) return failure('server-unreachable', detail);
  if (verdict < 300) return failure('websocket-blocked', detail);
  switch (verdict) {
    case 400: return failure('join-refused', detail);
    case 401: case 403: return failure('token-refused', detail);
    case 404: return failure('not-a-server', detail);
    case 429: case 503: return failure('room-full', detail);
    default: return failure('server-broken', `${detail} (status ${verdict})`);
  }
}

/** The end of a call; `null` when the person left on purpose. */
export function fromDisconnect(reason: DisconnectReason | undefined): Failure | null {
  if (reason === DisconnectReason.CLIENT_INITIATED) return null;
  return fromLeave(reason) ?? failure('connection-lost');
}

function fromLeave(reason: DisconnectReason | undefined): Failure | null {
  switch (reason) {
    case DisconnectReason.DUPLICATE_IDENTITY: return failure('duplicate-identity');
    case DisconnectReason.SERVER_SHUTDOWN:
    case DisconnectReason.MIGRATION: return failure('server-shutdown');
    case DisconnectReason.PARTICIPANT_REMOVED: return failure('removed');
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED: return failure('room-closed');
    case DisconnectReason.JOIN_FAILURE: return failure('room-full');
    default: return null;
  }
}

/** What to say about both devices: one message where one says it all. */
export function together(camera: Failure | null, microphone: Failure | null): Failure[] {
  if (camera?.reason === 'camera-denied' && microphone?.reason === 'microphone-denied') return [failure('devices-denied')];
  if (camera?.reason === 'camera-missing' && microphone?.reason === 'microphone-missing') return [failure('devices-missing')];
  return [camera, microphone].filter((one) => one !== null);
}

/** A camera or microphone that did not get into the call: the device's fault where it has one, else the server's. */
export function fromPublish(kind: 'camera' | 'microphone', error: unknown): Failure {
  if (error instanceof DOMException) return fromDevice(kind, error);
  return failure('publish-failed', error instanceof Error ? error.message : undefined);
}

/** A camera or microphone that did not start. */
export function fromDevice(kind: 'camera' | 'microphone', error: unknown): Failure {
  const detail = error instanceof Error ? error.message : undefined;
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.PermissionDenied: return failure(`${kind}-denied`, detail);
    case MediaDeviceFailure.NotFound: return failure(`${kind}-missing`, detail);
    case MediaDeviceFailure.DeviceInUse: return failure(`${kind}-in-use`, detail);
    default: return failure(`${kind}-broken`, detail);
  }
}
