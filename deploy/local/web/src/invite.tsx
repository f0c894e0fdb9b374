// The invite link, copied with a word about whether it worked.

import { useEffect, useState } from 'react';
import { inviteLink, reachesOthers } from './address';
import { CheckIcon, LinkIcon } from './icons';

type Copy = 'idle' | 'copied' | 'refused';

export function Invite({ room, link: given }: { room: string; link?: string | null | undefined }) {
  const [copy, setCopy] = useState<Copy>('idle');
  const link = given ?? inviteLink(location.origin, room);

  useEffect(() => {
    if (copy !== 'copied') return;
    const timer = setTimeout(() => setCopy('idle'), 4000);
    return () => clearTimeout(timer);
  }, [copy]);

  const share = async () => {
    try {
      await navigator.clipboard.writeText(link);
      setCopy('copied');
    } catch {
      setCopy('refused');
    }
  };

  return (
    <div className="invite">
      <button type="button" className="pill" data-testid="invite" data-state={copy} data-link={link} aria-label="Copy the invite link" onClick={share}>
        {copy === 'copied' ? <CheckIcon /> : <LinkIcon />}
        <span>{copy === 'copied' ? 'Copied' : 'Invite'}</span>
      </button>
      <div className="invite-answer" role="status">
        {copy === 'copied' && (
          <p className="bubble">Link copied. {reachesOthers(location.hostname) ? 'Send it to whoever should join.' : 'It works on this computer only: open it in another tab.'}</p>
        )}
        {copy === 'refused' && (
          <p className="bubble">
            The browser did not copy. Here is the link:
            <input readOnly value={link} aria-label="Invite link" onFocus={(event) => event.target.select()} onBlur={() => setCopy('idle')} autoFocus />
          </p>
        )}
      </div>
    </div>
  );
}
