// A link or a code that asks to a meeting: finds it, and goes there.

import { useQuery } from 'convex/react';
import { useEffect } from 'react';
import { Frame, type PageProps } from './frame';
import { plane } from './plane';

export function CodePage({ code, ...props }: PageProps & { code: string }) {
  const found = useQuery(plane.findByCode, { code });
  const { go } = props;
  useEffect(() => {
    if (found) go({ at: 'meeting', id: found.meetingId });
  }, [found, go]);
  return (
    <Frame {...props} title="Meeting">
      <section className="card narrow">
        {found === null ? (
          <div role="alert" data-testid="error" data-reason="unknown-meeting">
            <h1>There is no such meeting</h1>
            <p>The code <em>{code}</em> leads to none that is open to you. Check it, or sign in as whoever was asked.</p>
            <div className="ways"><button type="button" className="primary" onClick={() => go({ at: 'home' })}>All meetings</button></div>
          </div>
        ) : <p role="status">Looking for the meeting …</p>}
      </section>
    </Frame>
  );
}
