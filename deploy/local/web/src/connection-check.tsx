// The check of the connection before a call, on demand: what passes, how much, and
// how far the servers are. Fetched when it is opened.

import { useEffect, useState } from 'react';
import { tryConnection, type AskForPasses } from './trial';
import { adviceOf, paceWords, type Findings, type Verdict } from './ways';

const WORDS: Record<Verdict, string> = {
  works: 'works',
  blocked: 'blocked here',
  'not-offered': 'not offered by the server',
  untold: 'can’t be told',
};

export function ConnectionCheck({ ask }: { ask: AskForPasses }) {
  const [findings, setFindings] = useState<Findings | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setFindings(null);
    tryConnection(ask, stop.signal).then(
      (found) => !stop.signal.aborted && setFindings(found),
      (error) => !stop.signal.aborted && setFindings({ signalling: 'untold', trouble: `This browser can’t check: ${error}`, udp: 'untold', tcp: 'untold', tls: 'untold', up: null, down: null, cities: [] }),
    );
    return () => stop.abort();
  }, [ask, round]);
  if (findings === null) return <p role="status" data-testid="connection-check" data-state="trying">Trying a call with ourselves, about ten seconds …</p>;
  return (
    <div className="connection" data-testid="connection-check" data-state="done" data-signalling={findings.signalling} data-udp={findings.udp} data-tcp={findings.tcp} data-tls={findings.tls} data-up={findings.up ?? ''} data-down={findings.down ?? ''}>
      <p role="status"><strong>{adviceOf(findings)}</strong>{findings.trouble && findings.udp !== 'blocked' && ` ${findings.trouble}.`}</p>
      <dl className="facts">
        <Fact name="Server" verdict={findings.signalling} />
        <Fact name="UDP" verdict={findings.udp} />
        <Fact name="TCP" verdict={findings.tcp} />
        <Fact name="TLS" verdict={findings.tls} />
        <dt>Up</dt><dd>{findings.up === null ? '' : 'at least '}{paceWords(findings.up)}</dd>
        <dt>Down</dt><dd>{findings.down === null ? '' : 'at least '}{paceWords(findings.down)}</dd>
        {findings.cities.map(({ name, roundTripMs }) => [
          <dt key={`${name} name`}>{name === '' ? 'Round trip' : `To ${name}`}</dt>,
          <dd key={`${name} took`}>{roundTripMs === null ? 'can’t be told' : `${Math.round(roundTripMs)} ms`}</dd>,
        ])}
      </dl>
      <button type="button" className="quiet tiny" onClick={() => setRound(round + 1)}>Check again</button>
    </div>
  );
}

function Fact({ name, verdict }: { name: string; verdict: Verdict }) {
  return <><dt>{name}</dt><dd data-verdict={verdict}>{WORDS[verdict]}</dd></>;
}
