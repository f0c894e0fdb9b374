// The picture of the cities: where the servers are, who is where, and the links
// between those that share a meeting.

import { useId } from 'react';
import { around, bow, frame, OUTLINE, placeOf, type Point } from './map';
import { cityWords } from './words';

/** A server, as far as the picture tells of it. */
export interface City {
  region: string;
  alive: boolean;
  draining?: boolean;
  /** Round trip from here, once it was measured. */
  roundTripMs?: number | null;
}

/** Somebody in a meeting. */
export interface Somebody {
  key: string;
  name: string;
  region: string;
  me: boolean;
}

interface Props {
  cities: City[];
  people: Somebody[];
  caption: string;
}

export function Cities({ cities, people, caption }: Props) {
  const title = useId();
  const regions = [...new Set([...cities.map(({ region }) => region), ...people.map(({ region }) => region)])].sort();
  const places = regions.map((region, index) => ({
    region,
    place: placeOf(region, index),
    city: cities.find((city) => city.region === region && city.alive) ?? cities.find((city) => city.region === region),
    people: people.filter((person) => person.region === region),
  }));
  const { x, y, width, height } = frame(places.map(({ place }) => place));
  return (
    <figure className="cities" data-testid="cities">
      <svg viewBox={`${x} ${y} ${width} ${height}`} role="img" aria-labelledby={title}>
        <title id={title}>{tell(places)}</title>
        <path className="country" d={OUTLINE} />
        {pairs(places).map(([one, other]) => {
          const carries = one.people.length > 0 && other.people.length > 0;
          const up = Boolean(one.city?.alive && other.city?.alive);
          const { path, middle } = bow(one.place, other.place);
          return (
            <g key={`${one.region} ${other.region}`} className="link" data-carries={carries && up} data-up={up}>
              <path d={path} />
              {carries && up && <path className="pulse" d={path} />}
              <text x={middle.x} y={middle.y} dx="-16" dy="-10" textAnchor="end">{up ? (carries ? 'relay' : 'idle') : 'no link'}</text>
            </g>
          );
        })}
        {places.map(({ region, place, city, people }) => (
          <g key={region} data-testid="city" data-region={region} data-people={people.length} data-alive={city?.alive ?? false} className="city">
            <circle cx={place.x} cy={place.y} r="22" className="city-outer" />
            <circle cx={place.x} cy={place.y} r="13" className="city-inner" />
            <circle cx={place.x} cy={place.y} r="5" className="city-heart" />
            {around(place, people.length).map((at, index) => <Face key={people[index]!.key} person={people[index]!} at={at} />)}
            <Label place={place} people={people.length} words={cityWords(region)} city={city} />
          </g>
        ))}
      </svg>
      <figcaption>{caption}</figcaption>
    </figure>
  );
}

/** Below the city, and below whoever stands there. */
function Label({ place, people, words, city }: { place: Point; people: number; words: string; city: City | undefined }) {
  const y = place.y + (people > 1 ? 82 : 46);
  const state = !city?.alive ? 'away' : city.draining ? 'draining' : typeof city.roundTripMs === 'number' ? `${Math.max(1, Math.round(city.roundTripMs))} ms from here` : '';
  return (
    <text className="city-label" x={place.x} y={y} textAnchor="middle">
      <tspan className="city-name">{words}</tspan>
      {state && <tspan className="city-state" x={place.x} dy="1.25em">{state}</tspan>}
    </text>
  );
}

function Face({ person, at }: { person: Somebody; at: Point }) {
  return (
    <g className="face" data-me={person.me} data-testid="face" data-name={person.name}>
      <title>{person.me ? `${person.name} (you)` : person.name}</title>
      <circle cx={at.x} cy={at.y} r="13" />
      <text x={at.x} y={at.y} textAnchor="middle" dominantBaseline="central">{initials(person.name)}</text>
    </g>
  );
}

export function initials(name: string): string {
  const words = name.split(/[\s-]+/).filter(Boolean);
  return [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? '')][0]?.toUpperCase() ?? '').join('') || '?';
}

function pairs<T>(list: T[]): [T, T][] {
  return list.flatMap((one, index) => list.slice(index + 1).map((other): [T, T] => [one, other]));
}

function tell(places: { region: string; city: City | undefined; people: Somebody[] }[]): string {
  return places.map(({ region, city, people }) => {
    const who = people.length === 0 ? 'nobody' : people.map(({ name }) => name).join(', ');
    return `${cityWords(region)}${city?.alive ? '' : ' (away)'}: ${who}`;
  }).join('. ');
}
