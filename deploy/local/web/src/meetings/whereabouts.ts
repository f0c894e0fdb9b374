// Who of a call is in which city, as the room itself tells it to everybody in it.

import type { Participant } from 'livekit-client';
import type { City, Somebody } from './cities';

/** The region of the server that somebody is connected to. */
export function regionOf(participant: Participant): string {
  // The client keeps what the server told of a participant, and shows all of it but this.
  const { participantInfo } = participant as unknown as { participantInfo?: { region?: string } };
  return participantInfo?.region ?? '';
}

/** Everybody in the call whose city is known. */
export function peopleIn(participants: Participant[]): Somebody[] {
  return participants
    .map((participant) => ({ key: participant.identity, name: participant.name || participant.identity, region: regionOf(participant), me: participant.isLocal }))
    .filter(({ region }) => region !== '');
}

/** The cities that matter to this call where nobody else was asked: those of its people, and those that were measured. */
export function citiesOf(people: Somebody[], near: Record<string, number>): City[] {
  const regions = new Set([...people.map(({ region }) => region), ...Object.keys(near)]);
  return [...regions].sort().map((region) => ({ region, alive: true, roundTripMs: near[region] ?? null }));
}
