import { ConnectionError, DisconnectReason } from 'livekit-client';
import { expect, test } from 'vitest';
import { failure, fromConnectError, fromDevice, fromDisconnect, fromPublish, fromTokenAnswer, together, type Reason } from './failures';

test('each way that connecting fails has its own words', () => {
  const cases: [unknown, number | undefined, Reason][] = [
    [ConnectionError.notAllowed('invalid token', 401), undefined, 'token-refused'],
    [ConnectionError.notAllowed('requested room does not exist', 404), undefined, 'room-closed'],
    [ConnectionError.serverUnreachable('Failed to fetch'), undefined, 'server-unreachable'],
    [ConnectionError.timeout('room connection has timed out (signal)'), undefined, 'join-timeout'],
    [ConnectionError.leaveRequest('left', DisconnectReason.JOIN_FAILURE), undefined, 'room-full'],
    [ConnectionError.leaveRequest('left', DisconnectReason.ROOM_DELETED), undefined, 'room-closed'],
    [ConnectionError.leaveRequest('left', DisconnectReason.SERVER_SHUTDOWN), undefined, 'server-shutdown'],
    [ConnectionError.serviceNotFound('v1 path not found', 'v0-rtc'), undefined, 'not-a-server'],
    [ConnectionError.websocket('error'), undefined, 'server-unreachable'],
    [ConnectionError.websocket('error'), 200, 'websocket-blocked'],
    [ConnectionError.websocket('error'), 400, 'join-refused'],
    [ConnectionError.websocket('error'), 503, 'room-full'],
    [ConnectionError.websocket('error'), 500, 'server-broken'],
    [ConnectionError.internal('could not establish pc connection'), undefined, 'media-blocked'],
    [ConnectionError.internal('odd', { status: 500 }), undefined, 'server-broken'],
    [new Error('odd'), undefined, 'unknown'],
    ['odd', undefined, 'unknown'],
  ];
  for (const [error, verdict, reason] of cases) {
    expect(fromConnectError(error, verdict).reason, `${error} ${verdict}`).toBe(reason);
  }
});

test('a call that ends says why, unless one left on purpose', () => {
  const cases: [DisconnectReason | undefined, Reason | null][] = [
    [DisconnectReason.CLIENT_INITIATED, null],
    [DisconnectReason.DUPLICATE_IDENTITY, 'duplicate-identity'],
    [DisconnectReason.SERVER_SHUTDOWN, 'server-shutdown'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed'],
    [DisconnectReason.ROOM_DELETED, 'room-closed'],
    [DisconnectReason.ROOM_CLOSED, 'room-closed'],
    [DisconnectReason.STATE_MISMATCH, 'connection-lost'],
    [undefined, 'connection-lost'],
  ];
  for (const [code, reason] of cases) expect(fromDisconnect(code)?.reason ?? null).toBe(reason);
});

test('a device that does not start says whose turn it is', () => {
  const named = (name: string) => Object.assign(new Error(name), { name });
  for (const [name, reason] of [
    ['NotAllowedError', 'camera-denied'],
    ['NotFoundError', 'camera-missing'],
    ['NotReadableError', 'camera-in-use'],
    ['OverconstrainedError', 'camera-broken'],
  ] as const) {
    expect(fromDevice('camera', named(name)).reason).toBe(reason);
  }
  expect(fromDevice('microphone', named('NotAllowedError')).reason).toBe('microphone-denied');
});

test('a picture that does not get out is the device’s fault only if the device said so', () => {
  expect(fromPublish('camera', new DOMException('busy', 'NotReadableError')).reason).toBe('camera-in-use');
  expect(fromPublish('camera', new Error('publication timed out')).reason).toBe('publish-failed');
});

test('the page server’s refusals point at the field, its faults at itself', () => {
  expect(fromTokenAnswer(400, 'bad-room').reason).toBe('bad-room');
  expect(fromTokenAnswer(400, 'bad-name').reason).toBe('bad-name');
  expect(fromTokenAnswer(400, undefined).reason).toBe('join-refused');
  expect(fromTokenAnswer(500, undefined).reason).toBe('page-broken');
});

test('what is wrong with both devices is said once', () => {
  const reasons = (camera: Reason | null, microphone: Reason | null) =>
    together(camera && failure(camera), microphone && failure(microphone)).map((one) => one.reason);
  expect(reasons('camera-denied', 'microphone-denied')).toEqual(['devices-denied']);
  expect(reasons('camera-missing', 'microphone-missing')).toEqual(['devices-missing']);
  expect(reasons('camera-in-use', 'microphone-denied')).toEqual(['camera-in-use', 'microphone-denied']);
  expect(reasons(null, 'microphone-missing')).toEqual(['microphone-missing']);
  expect(reasons(null, null)).toEqual([]);
});

test('every failure says what to do', () => {
  expect(failure('media-blocked').todo.length).toBeGreaterThan(0);
  expect(failure('unknown', 'why').detail).toBe('why');
});
