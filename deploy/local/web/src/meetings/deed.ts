// One thing a person asks of the control plane by a button: busy while it lasts, with
// what went wrong in words.

import { useState } from 'react';
import { errorWords } from './words';

export interface Deed {
  busy: boolean;
  wrong: string | null;
  /** Does it; answers whether it was done. */
  run: (deed: () => Promise<unknown>) => Promise<boolean>;
  setWrong: (words: string | null) => void;
}

export function useDeed(): Deed {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const run = async (deed: () => Promise<unknown>) => {
    setBusy(true);
    setWrong(null);
    try {
      await deed();
      return true;
    } catch (error) {
      setWrong(errorWords(error));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, wrong, run, setWrong };
}
