// The call of a meeting: the joined room, with the meeting's people beside it.

import { useQuery } from 'convex/react';
import { Meeting, type Visit } from '../meeting';
import type { Failure } from '../failures';
import { CompanyPanel } from './company';
import { plane, type Details } from './plane';

interface Props {
  meeting: Details;
  visit: Visit;
  onEnd: (visit: Visit, failure: Failure | null) => void;
}

export function Call({ meeting, visit, onEnd }: Props) {
  // Hosts are called; what others need of each other comes with the room.
  const asks = meeting.viewer.leads ? { meetingId: meeting.meetingId } : 'skip';
  const waiting = useQuery(plane.waiting, asks) ?? [];
  const hands = useQuery(plane.hands, asks) ?? [];
  const company = {
    waiting: waiting.length + hands.length,
    link: meeting.link,
    panel: (onClose: () => void) => <CompanyPanel meeting={meeting} waiting={waiting} onClose={onClose} />,
  };
  return <Meeting visit={visit} debug={new URLSearchParams(location.search).has('debug')} company={company} onEnd={onEnd} />;
}
