// What all pages of the meetings have in common: the bar with who one is, and small
// pieces.

import { useEffect, useState, type ReactNode } from 'react';
import { Brand } from '../brand';
import { initials } from './cities';
import type { Place } from './place';
import type { Status } from './plane';
import type { Person } from './signin';

/** What every page is given. */
export interface PageProps {
  person: Person;
  /** Everybody there is, to ask them to meetings. */
  directory: () => Promise<Person[]>;
  go: (place: Place) => void;
  onSignOut: () => void;
}

interface FrameProps extends Omit<PageProps, 'directory'> {
  title: string;
  home?: boolean;
  children: ReactNode;
}

export function Frame({ person, go, onSignOut, title, home = false, children }: FrameProps) {
  useEffect(() => {
    document.title = `${title} · TOF Meet`;
  }, [title]);
  return (
    <div className="school">
      <header className="school-bar">
        <button type="button" className="brand-link" aria-label={home ? 'TOF Meet' : 'All meetings'} onClick={() => go({ at: 'home' })}><Brand /></button>
        <div className="who">
          <Avatar name={person.name} />
          <span className="who-words"><strong data-testid="me">{person.name}</strong><small>{person.role}</small></span>
          <button type="button" className="quiet small" data-testid="sign-out" onClick={onSignOut}>Sign out</button>
        </div>
      </header>
      <main className="school-main">{children}</main>
    </div>
  );
}

export function Avatar({ name }: { name: string }) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return <span className="avatar small" style={{ '--hue': hue } as React.CSSProperties} aria-hidden="true">{initials(name)}</span>;
}

const STATUS: Record<Status, string> = { live: 'Live', scheduled: 'Planned', ended: 'Ended', cancelled: 'Cancelled' };

export function StatusPill({ status }: { status: Status }) {
  return <span className="status" data-testid="status" data-status={status}>{STATUS[status]}</span>;
}

/** The time now, anew so often. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
