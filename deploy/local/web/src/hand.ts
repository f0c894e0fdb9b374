// A raised hand: an attribute that everybody in the room sees.

import { useLocalParticipant, useParticipantAttributes } from '@livekit/components-react';

/** Holds when the hand went up, in milliseconds; empty when it is down. */
export const HAND = 'tof.hand';

/** One's own hand; null where the server does not let one raise it. */
export function useHand(onTrouble: (error: unknown) => void): { raised: boolean; toggle: () => void } | null {
  const { localParticipant } = useLocalParticipant();
  const { attributes } = useParticipantAttributes({ participant: localParticipant });
  if (localParticipant.permissions?.canUpdateMetadata === false) return null;
  const raised = Boolean(attributes?.[HAND]);
  return { raised, toggle: () => void localParticipant.setAttributes({ [HAND]: raised ? '' : String(Date.now()) }).catch(onTrouble) };
}
