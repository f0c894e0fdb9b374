// Which picture the speaker view shows large.

/** What is asked of a picture to choose among them. */
export interface Candidate {
  key: string;
  identity: string;
  local: boolean;
  screen: boolean;
}

/** The pinned picture, else a screen (others' first), else who spoke last, else anyone else, else oneself. */
export function chooseFocus<T extends Candidate>(
  candidates: T[],
  pinned: string | null,
  lastSpeaker: string | null,
): T | undefined {
  return (
    candidates.find((candidate) => candidate.key === pinned) ??
    candidates.find((candidate) => candidate.screen && !candidate.local) ??
    candidates.find((candidate) => candidate.screen) ??
    candidates.find((candidate) => !candidate.local && candidate.identity === lastSpeaker) ??
    candidates.find((candidate) => !candidate.local) ??
    candidates[0]
  );
}
