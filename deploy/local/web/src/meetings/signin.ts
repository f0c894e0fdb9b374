// Signing in as one of the seeded people, and staying so while the tab lives: two
// tabs can be two people. With an identity provider this file is its client's.

/** Somebody who may sign in. */
export interface Person {
  subject: string;
  name: string;
  email: string;
  role: string;
}

const KEPT = 'meeting.person';
/** A token is renewed so long before it ends. */
const EARLY_MS = 60_000;

export class SignIn {
  private token: { value: string; expiresAt: number } | null = null;

  constructor(private readonly url: string) {}

  async people(): Promise<Person[]> {
    const answer = await fetch(`${this.url}/local/people`);
    if (!answer.ok) throw new Error(`${answer.status} from ${this.url}`);
    return ((await answer.json()) as { people: Person[] }).people;
  }

  /** Who was signed in before a reload. */
  kept(): Person | null {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT) ?? 'null') as Person | null;
    } catch {
      return null;
    }
  }

  keep(person: Person | null): void {
    this.token = null;
    try {
      if (person) sessionStorage.setItem(KEPT, JSON.stringify(person));
      else sessionStorage.removeItem(KEPT);
    } catch {
      // Storage is refused: a reload asks again who one is.
    }
  }

  /** A token for Convex, new when it asks for a new one; none when signing in fails. */
  async fetchToken(person: Person, anew: boolean): Promise<string | null> {
    if (!anew && this.token && this.token.expiresAt - EARLY_MS > Date.now()) return this.token.value;
    const answer = await fetch(`${this.url}/local/sign-in`, { method: 'POST', body: JSON.stringify({ subject: person.subject }) }).catch(() => null);
    if (!answer?.ok) return null;
    const { token, expiresAt } = (await answer.json()) as { token: string; expiresAt: number };
    this.token = { value: token, expiresAt };
    return token;
  }
}
