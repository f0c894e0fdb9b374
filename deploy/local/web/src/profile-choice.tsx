// The switch for how much a call may use.

import { useId } from 'react';
import { WISHES, type Wish } from './profile';

interface Props {
  wish: Wish;
  refused?: boolean;
  onChoose: (wish: Wish) => void;
}

export function ProfileChoice({ wish, refused = false, onChoose }: Props) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>Use of data</label>
      <select id={id} data-testid="profile-select" value={wish} aria-describedby={`${id}-words`} onChange={(event) => onChoose(event.target.value as Wish)}>
        {WISHES.map((one) => <option key={one.wish} value={one.wish}>{`${one.title}: ${one.what.charAt(0).toLowerCase()}${one.what.slice(1, -1)}`}</option>)}
      </select>
      <p id={`${id}-words`} className={refused ? 'wrong' : 'hint'}>
        {refused ? 'This server does not let you choose here. Ask who invited you, or switch your camera off.' : 'The picture never uses more than this; on a slow network it uses less.'}
      </p>
    </div>
  );
}
