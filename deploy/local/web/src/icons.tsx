// Line icons of one weight. All are decoration: the button around one has its own words.

import type { ReactNode } from 'react';

function icon(paths: ReactNode) {
  return function Icon() {
    return (
      <svg className="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.9" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {paths}
      </svg>
    );
  };
}

const strike = <path d="M4 4l16 16" />;
const microphone = (<><rect x="9" y="3" width="6" height="11" rx="3" /><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" /></>);
const camera = (<><rect x="3" y="6.5" width="12.5" height="11" rx="2.5" /><path d="M15.5 11l5.5-3v8l-5.5-3" /></>);

export const MicrophoneIcon = icon(microphone);
export const MicrophoneOffIcon = icon(<>{microphone}{strike}</>);
export const CameraIcon = icon(camera);
export const CameraOffIcon = icon(<>{camera}{strike}</>);
export const ScreenIcon = icon(<><rect x="3" y="4.5" width="18" height="12.5" rx="2.5" /><path d="M12 13.5v-5M9.5 10.5L12 8l2.5 2.5M9 20.5h6" /></>);
export const ChatIcon = icon(<path d="M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z" />);
export const LeaveIcon = icon(<path d="M3.5 14.5c-.6-1-.5-2.5.4-3.3C6 9.2 8.9 8.2 12 8.2s6 1 8.1 3c.9.8 1 2.3.4 3.3l-.6.9c-.3.5-.9.7-1.5.5l-2.6-.9c-.5-.2-.8-.6-.8-1.1v-1.7a11 11 0 0 0-6 0v1.7c0 .5-.3.9-.8 1.1l-2.6.9c-.6.2-1.2 0-1.5-.5z" />);
export const SettingsIcon = icon(<><path d="M4 7h9M17 7h3M4 17h3M11 17h9" /><circle cx="15" cy="7" r="2" /><circle cx="9" cy="17" r="2" /></>);
export const GridIcon = icon(<><rect x="4" y="4" width="7" height="7" rx="1.5" /><rect x="13" y="4" width="7" height="7" rx="1.5" /><rect x="4" y="13" width="7" height="7" rx="1.5" /><rect x="13" y="13" width="7" height="7" rx="1.5" /></>);
export const SpeakerIcon = icon(<><rect x="3.5" y="4" width="17" height="10" rx="2" /><path d="M4.5 18.5h3M10.5 18.5h3M16.5 18.5h3" /></>);
export const LinkIcon = icon(<path d="M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1" />);
export const CheckIcon = icon(<path d="M5 12.5l4.5 4.5L19 7.5" />);
export const CloseIcon = icon(<path d="M6 6l12 12M18 6L6 18" />);
export const PeopleIcon = icon(<><circle cx="9" cy="8.5" r="3.5" /><path d="M2.5 19.5c.7-3.3 3.3-5 6.5-5s5.8 1.7 6.5 5M16 5.3a3.5 3.5 0 0 1 0 6.4M18.5 14.9c1.6.8 2.6 2.3 3 4.6" /></>);
export const PinIcon = icon(<path d="M9 4h6l-1 6 3.5 3.5h-11L10 10zM12 13.5V20" />);
export const SendIcon = icon(<path d="M4.5 12L20 4.5 15.5 20l-3.5-6.5zM12 13.5L20 4.5" />);
export const PreviousIcon = icon(<path d="M14.5 6l-6 6 6 6" />);
export const NextIcon = icon(<path d="M9.5 6l6 6-6 6" />);
export const PersonIcon = icon(<><circle cx="12" cy="8.5" r="4" /><path d="M4.5 20c.8-3.8 3.8-5.7 7.5-5.7s6.7 1.9 7.5 5.7" /></>);
export const HandIcon = icon(<path d="M7 12.5V7a1.5 1.5 0 0 1 3 0v4M10 10.5V5a1.5 1.5 0 0 1 3 0v5.5M13 10.5V6a1.5 1.5 0 0 1 3 0v6M16 11.5V9a1.5 1.5 0 0 1 3 0v5.5a6.5 6.5 0 0 1-6.5 6.5c-2.6 0-4.2-1.2-5.6-3.2l-2.6-3.9a1.5 1.5 0 0 1 2.4-1.8L7 12.5" />);
