// Signing in as one of the seeded people, and staying so while the tab lives: two
// tabs can be two people. With an identity provider this file is its client's.

/** Somebody who may sign in. */
export interface Person {
  subject: string;
  name: string;
  email: string;
  role: string;
  /** By which the control plane knows them. */
  userId?: string;
}

const KEPT = 'meeting.person';
/** A token is renewed so long before it ends. */
const EARLY_MS = 60_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

export class SignIn {
  private token: { value: string; expiresAt: number } | null = null;

  constructor(private readonly url: string) {}

  readonly people = async (): Promise<Person[]> => {
    const answer = await fetch(`${this.url}/local/people`);
    if (!answer.ok) throw new Error(`${answer.status} from ${this.url}`);
    return ((await answer.json()) as { people: Person[] }).people;
  };

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

  /**
   * A token for Convex, new when it asks for a new one. Answers none only when the sign-in refuses: while it can't be
   * reached, what is held goes on being used, or is waited for. None would sign the person out in the middle of a call.
   */
  async fetchToken(person: Person, anew: boolean): Promise<string | null> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      if (!anew && this.lasts(EARLY_MS)) return this.token!.value;
      const answer = await fetch(`${this.url}/local/sign-in`, { method: 'POST', body: JSON.stringify({ subject: person.subject }) }).catch(() => null);
      if (answer?.ok) {
        const { token, expiresAt } = (await answer.json()) as { token: string; expiresAt: number };
        this.token = { value: token, expiresAt };
        return token;
      }
      if (answer && answer.status < 500) return null;
      if (this.lasts(0)) return this.token!.value;
      await new Promise((later) => setTimeout(later, pause));
    }
  }

  private lasts(atLeastMs: number): boolean {
    return this.token !== null && this.token.expiresAt - atLeastMs > Date.now();
  }
}
