// The cities with who is where: what the control plane knows, and the round trips
// that this page measured. In a call the room itself tells who is where
// (`whereabouts.ts`): a query would be asked again by all whenever one comes or goes.

import { useQuery } from 'convex/react';
import { useEffect, useState } from 'react';
import { nearestFirst } from '../nearest';
import type { City, Somebody } from './cities';
import { plane, userOf, type Node } from './plane';

export interface Fleet {
  cities: City[];
  people: Somebody[];
}

/** The cities as the control plane knows them. */
export function useCities(asks: 'asks' | 'asks not'): City[] | undefined {
  const nodes = useQuery(plane.cities, asks === 'asks' ? {} : 'skip');
  const trips = useRoundTrips(nodes);
  return nodes?.map((node) => ({ ...node, roundTripMs: trips[node.url] ?? null }));
}

/** Of one meeting, or of none: then only the cities. */
export function useFleet(meetingId: string | undefined, me: string | undefined): Fleet | undefined {
  const nodes = useQuery(plane.cities, meetingId === undefined ? {} : { meetingId });
  const trips = useRoundTrips(nodes);
  return nodes && { cities: nodes.map((node) => ({ ...node, roundTripMs: trips[node.url] ?? null })), people: peopleOf(nodes, me) };
}

function peopleOf(nodes: Node[], me: string | undefined): Somebody[] {
  return nodes.flatMap(({ region, people }) => people.map(({ identity, name }) => ({ key: identity, name, region, me: userOf(identity) === me })));
}

/** Measured once for each list of nodes that are there; what is known already is not asked again. */
function useRoundTrips(nodes: Node[] | undefined): Record<string, number | null> {
  const [trips, setTrips] = useState<Record<string, number | null>>({});
  const known = (nodes ?? []).filter(({ alive }) => alive).map(({ node, region, url }) => ({ node, region, url }));
  const list = JSON.stringify(known);
  useEffect(() => {
    let gone = false;
    void nearestFirst(JSON.parse(list) as typeof known).then((measured) => {
      if (!gone) setTrips(Object.fromEntries(measured.map(({ url, roundTripMs }) => [url, roundTripMs])));
    });
    return () => { gone = true; };
  }, [list]);
  return trips;
}
