// Choosing who to be: the local stand-in for an identity provider's sign-in.

import { useEffect, useState } from 'react';
import { Brand } from '../brand';
import { Avatar } from './frame';
import type { Person, SignIn } from './signin';

export function People({ signIn, onChoose }: { signIn: SignIn; onChoose: (person: Person) => void }) {
  const [people, setPeople] = useState<Person[] | 'failed' | null>(null);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    document.title = 'Sign in · TOF Meet';
    let gone = false;
    setPeople(null);
    signIn.people().then(
      (found) => !gone && setPeople(found),
      () => !gone && setPeople('failed'),
    );
    return () => { gone = true; };
  }, [signIn, attempt]);

  return (
    <main className="ending sign-in">
      <Brand />
      <section className="card">
        <h1>Who are you?</h1>
        <p className="hint">On this machine everybody signs in by name, without a password. Another tab can be somebody else.</p>
        {people === null && <p role="status">Asking who is enrolled …</p>}
        {people === 'failed' && (
          <div role="alert" data-testid="error" data-reason="sign-in-unreachable">
            <p className="wrong">The sign-in can’t be reached. If you run it: start ./deploy/local/up again.</p>
            <button type="button" className="quiet" onClick={() => setAttempt((now) => now + 1)}>Try again</button>
          </div>
        )}
        {Array.isArray(people) && (
          <ul className="people-choice">
            {people.map((person) => (
              <li key={person.subject}>
                <button type="button" data-testid="person" data-name={person.name} onClick={() => onChoose(person)}>
                  <Avatar name={person.name} />
                  <span>
                    <strong>{person.name}</strong>
                    <small>{person.role}</small>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
    </main>
  );
}
