// Which events of a batch are new. The numbers of a node's log have no gaps, so one number says all that was applied.

export type Batch = {
  /** How many at the head of the batch are known already. */
  skip: number;
  /** How far the log is applied once the rest is. */
  ackSeq: number;
};

/** Null when events before `firstSeq` are missing: nothing may be applied then. */
export function readBatch(ackSeq: number, firstSeq: number, length: number): Batch | null {
  if (firstSeq > ackSeq + 1) {
    return null;
  }
  const skip = Math.min(length, ackSeq + 1 - firstSeq);
  return { skip, ackSeq: Math.max(ackSeq, firstSeq + length - 1) };
}
