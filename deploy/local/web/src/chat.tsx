// The chat panel. Messages live as long as the call.

import { formatChatMessageLinks, type ReceivedChatMessage } from '@livekit/components-react';
import { useEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react';
import { CloseIcon, SendIcon } from './icons';

const LONGEST_MESSAGE = 2000;

interface Props {
  messages: ReceivedChatMessage[];
  send: (text: string) => Promise<unknown>;
  onClose: () => void;
}

export function Chat({ messages, send, onClose }: Props) {
  const [draft, setDraft] = useState('');
  const [state, setState] = useState<'idle' | 'sending' | 'failed'>('idle');
  const input = useRef<HTMLTextAreaElement>(null);
  const list = useRef<HTMLOListElement>(null);

  useEffect(() => input.current?.focus(), []);
  useEffect(() => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [messages.length]);

  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    const text = draft.trim();
    if (text === '' || state === 'sending') return;
    setState('sending');
    try {
      await send(text);
      setDraft('');
      setState('idle');
    } catch {
      setState('failed');
    }
    input.current?.focus();
  };

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Escape') onClose();
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void submit();
    }
  };

  return (
    <aside className="panel chat" aria-label="Chat" data-testid="chat">
      <header>
        <h2>Chat</h2>
        <button type="button" className="plain" aria-label="Close chat" onClick={onClose}><CloseIcon /></button>
      </header>
      <ol ref={list} aria-live="polite" tabIndex={0} aria-label="Messages">
        {messages.length === 0 && <li className="nothing">No messages yet. Everyone in the room sees what you write; it is gone when you leave.</li>}
        {messages.map((message, index) => (
          <Message key={message.id ?? index} message={message} follows={follows(messages, index)} />
        ))}
      </ol>
      <form onSubmit={submit}>
        <label className="unseen" htmlFor="chat-input">Message</label>
        <textarea
          id="chat-input" ref={input} data-testid="chat-input" rows={1} maxLength={LONGEST_MESSAGE}
          placeholder="Write to everyone" value={draft} onChange={(event) => setDraft(event.target.value)} onKeyDown={onKey}
        />
        <button type="submit" className="round" data-testid="chat-send" aria-label="Send" title="Send" disabled={draft.trim() === '' || state === 'sending'}><SendIcon /></button>
        {state === 'failed' && <p className="wrong" role="alert" data-testid="error" data-reason="chat-not-sent">Not sent. Check the connection and send it again.</p>}
      </form>
    </aside>
  );
}

function Message({ message, follows }: { message: ReceivedChatMessage; follows: boolean }) {
  const mine = message.from?.isLocal ?? false;
  const who = mine ? 'You' : message.from?.name || message.from?.identity || 'Someone who left';
  const time = new Date(message.timestamp);
  return (
    <li className="message" data-testid="chat-message" data-from={message.from?.identity} data-mine={mine}>
      {!follows && <p className="message-from"><span>{who}</span> <time dateTime={time.toISOString()}>{time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}</time></p>}
      <p className="message-text">{formatChatMessageLinks(message.message)}</p>
    </li>
  );
}

/** Whether a message goes on where the one before it stopped: same sender, within a minute. */
function follows(messages: ReceivedChatMessage[], index: number): boolean {
  const message = messages[index];
  const before = messages[index - 1];
  if (!message || !before) return false;
  return before.from?.identity === message.from?.identity && message.timestamp - before.timestamp < 60_000;
}
