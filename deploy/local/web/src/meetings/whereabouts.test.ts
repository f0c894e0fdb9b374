import { Participant, RemoteParticipant } from 'livekit-client';
import { expect, test } from 'vitest';
import { citiesOf, peopleIn, regionOf } from './whereabouts';

/** As the client makes one of what the server tells. */
function somebody(identity: string, name: string, region: string): Participant {
  const participant = new RemoteParticipant({} as never, `PA_${identity}`, identity, name, undefined, undefined);
  (participant as unknown as { participantInfo: object }).participantInfo = { region };
  return participant;
}

test('the room tells who is where', () => {
  const people = peopleIn([somebody('1#a', 'Ada Obi', 'lagos'), somebody('2#a', '', 'abuja'), somebody('3#a', 'Nobody knows', '')]);
  expect(people).toEqual([
    { key: '1#a', name: 'Ada Obi', region: 'lagos', me: false },
    { key: '2#a', name: '2#a', region: 'abuja', me: false },
  ]);
  expect(citiesOf(people, { kano: 31, lagos: 4 })).toEqual([
    { region: 'abuja', alive: true, roundTripMs: null },
    { region: 'kano', alive: true, roundTripMs: 31 },
    { region: 'lagos', alive: true, roundTripMs: 4 },
  ]);
});

test('somebody of whom nothing was told is nowhere', () => {
  expect(regionOf({} as Participant)).toBe('');
});
