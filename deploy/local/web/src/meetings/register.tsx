// After a meeting: who was there, from when to when, and what was said.

import { useQuery } from 'convex/react';
import { plane, type Details, type Line } from './plane';
import { Avatar } from './frame';
import { lengthWords, timeWords } from './words';

const ATTENDED: Record<Line['attendance'], string> = { present: 'Present', late: 'Late', absent: 'Absent', unattributed: 'Unknown' };

export function Register({ meeting }: { meeting: Details }) {
  const lines = useQuery(plane.attendance, { meetingId: meeting.meetingId });
  const report = useQuery(plane.report, meeting.viewer.leads ? { meetingId: meeting.meetingId } : 'skip');
  const said = useQuery(plane.chat, { meetingId: meeting.meetingId });
  if (lines === undefined) return <p role="status" className="hint">Loading the register …</p>;
  return (
    <>
      <section className="card" aria-label="Attendance" data-testid="register">
        <h2>{meeting.viewer.leads ? 'Attendance' : 'Your attendance'}</h2>
        {report?.stale && <p className="hint" data-testid="incomplete">More has come in since; in about a minute the register is made again.</p>}
        {lines.length === 0
          ? <p className="hint">The register is being made; it appears here by itself when everybody’s leaving was told.</p>
          : <ul className="register">{lines.map((line, index) => <One key={line.userId ?? index} line={line} />)}</ul>}
      </section>
      {said && said.length > 0 && (
        <section className="card" aria-label="Chat" data-testid="transcript">
          <h2>Chat</h2>
          <ol className="transcript">
            {said.map((message) => (
              <li key={message.chatId} data-testid="said"><small>{message.name}, {timeWords(message.sentAt)}{message.private ? ', in private' : ''}</small><p>{message.text}</p></li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

function One({ line }: { line: Line }) {
  const was = line.presentMs > 0 || line.connections > 0;
  return (
    <li data-testid="register-line" data-name={line.name} data-attendance={line.attendance} data-present-ms={line.presentMs}>
      <Avatar name={line.name} />
      <span className="register-who">
        <strong>{line.name}</strong>
        <small>{was ? `${timeWords(line.firstJoinAt)} to ${timeWords(line.lastLeaveAt)}` : 'did not come'}{line.connections > 1 ? ` · came ${line.connections} times` : ''}{line.messages > 0 ? ` · ${line.messages} in chat` : ''}</small>
      </span>
      <span className="register-how">
        <span className="attended" data-attendance={line.attendance}>{ATTENDED[line.attendance]}</span>
        {was && <small>{lengthWords(line.presentMs)}</small>}
      </span>
    </li>
  );
}
