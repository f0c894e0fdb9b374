// The page with meetings behind it: who one is, then where one is.

import { ConvexProvider, ConvexReactClient } from 'convex/react';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { Brand } from '../brand';
import './look.css';
import { CodePage } from './code';
import { Cut } from './cut';
import type { PageProps } from './frame';
import { Home } from './home';
import { MeetingPage } from './meeting-page';
import { usePlace } from './place';
import { SignIn, type Person } from './signin';
import { People } from './people';

// Nobody needs these to join a call.
const EditMeeting = lazy(async () => ({ default: (await import('./edit-meeting')).EditMeeting }));
const NewMeeting = lazy(async () => ({ default: (await import('./new-meeting')).NewMeeting }));

export function Platform({ url }: { url: string }) {
  const client = useMemo(() => new ConvexReactClient(url), [url]);
  const signIn = useMemo(() => new SignIn(url), [url]);
  const [person, setPerson] = useState<Person | null>(() => signIn.kept());
  const [known, setKnown] = useState(false);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (person === null) return;
    setKnown(false);
    // Known once is known: a token that is late to be renewed must not take somebody out of their call.
    client.setAuth(({ forceRefreshToken }) => signIn.fetchToken(person, forceRefreshToken), (is) => is && setKnown(true));
    return () => client.clearAuth();
  }, [client, signIn, person]);

  const be = (chosen: Person | null) => {
    signIn.keep(chosen);
    setPerson(chosen);
  };

  if (person === null) return <People signIn={signIn} onChoose={be} />;
  if (!known || busy) return <Entering person={person} onBack={() => be(null)} onBusy={setBusy} />;
  return (
    <ConvexProvider client={client}>
      <Signed person={person} directory={signIn.people} onSignOut={() => be(null)} />
    </ConvexProvider>
  );
}

function Signed({ person, directory, onSignOut }: Omit<PageProps, 'go'>) {
  const [place, go] = usePlace();
  const props = { person, directory, go, onSignOut };
  switch (place.at) {
    case 'home': return <Home {...props} />;
    case 'new': return <Suspense><NewMeeting {...props} /></Suspense>;
    case 'meeting': return <MeetingPage key={place.id} id={place.id} {...props} />;
    case 'edit': return <Suspense><EditMeeting key={place.id} id={place.id} {...props} /></Suspense>;
    case 'code': return <CodePage code={place.code} {...props} />;
  }
}

/** Until Convex knows who one is; where it does not answer, what is held opens doors all the same. */
function Entering({ person, onBack, onBusy }: { person: Person; onBack: () => void; onBusy: (busy: boolean) => void }) {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => clearTimeout(timer);
  }, []);
  if (slow) return <Cut person={person} onBack={onBack} onBusy={onBusy} />;
  return (
    <main className="ending joining">
      <Brand />
      <section className="card">
        <div className="ripple" aria-hidden="true"><span /><span /><span /></div>
        <h1>Signing in as <em>{person.name}</em></h1>
        <p role="status">One moment …</p>
        <div className="ways"><button type="button" className="quiet" onClick={onBack}>Be somebody else</button></div>
      </section>
    </main>
  );
}

const SLOW_MS = 4_000;
