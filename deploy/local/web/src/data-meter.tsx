// The data meter: what the call took so far, what an hour of it takes, and what
// that costs.

import type { Profile } from './profile';
import type { Line } from './line';
import { bytesWords, nairaWords, perHour, readPrice, type Because } from './usage';

/** In the call's heading: one figure. */
export function Used({ line }: { line: Line }) {
  const { sent, received, source } = line.meter;
  if (source === null) return null;
  return <span className="used" data-testid="data-used" data-source={source} data-bytes={sent + received} title="Data used by this call">{bytesWords(sent + received)}</span>;
}

/** All of it. */
export function DataMeter({ line }: { line: Line }) {
  const { meter, report } = line;
  const hourly = perHour(meter);
  const price = readPrice(document.querySelector<HTMLMetaElement>('meta[name="naira-per-gb"]')?.content);
  const total = meter.sent + meter.received;
  return (
    <section className="data-meter" aria-label="Data used" data-testid="data-meter" data-source={meter.source ?? 'none'}>
      <h3>Data used</h3>
      {meter.source === null ? <p className="hint">Counting …</p> : (
        <>
          <p className="data-total"><strong>{bytesWords(total)}</strong> {nairaWords(total, price)}</p>
          <p className="hint">{bytesWords(meter.received)} came, {bytesWords(meter.sent)} went{meter.source === 'browser' ? ', as this browser counts' : ''}.</p>
          <p data-testid="data-hour">{hourly === null ? 'What an hour takes is known in a moment.' : <>At this pace <strong>{bytesWords(hourly)}</strong> an hour, about <strong>{nairaWords(hourly, price)}</strong>.</>}</p>
          <p className="hint">Reckoned at {`₦${price.toLocaleString('en')}`} per GB.</p>
        </>
      )}
      {report?.profile && <p className="hint" data-testid="profile-now" data-profile={report.profile}>{profileWords(report.profile, report.because)}</p>}
    </section>
  );
}

const NOW: Record<Profile, string> = {
  audio_only: 'Sound only',
  low: 'Small pictures',
  medium: 'Pictures of medium size',
  high: 'Full pictures',
};

function profileWords(profile: Profile, because: Because | null): string {
  switch (because) {
    case 'asked': return `${NOW[profile]}, as you chose.`;
    case 'room': return `${NOW[profile]}, as set for this meeting.`;
    case 'measured': return `${NOW[profile]}, as your network carries.`;
    case null: return `${NOW[profile]}.`;
  }
}
