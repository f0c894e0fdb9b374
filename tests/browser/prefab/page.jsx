// @ts-check
/**
 * The conference of LiveKit's component library as it comes: what an app has that adds nothing of its own. Where to and
 * as whom stand in the address: `?url=ws://...&token=...`.
 */

import '@livekit/components-styles';
import { LiveKitRoom, VideoConference } from '@livekit/components-react';
import { Room, VideoPreset } from 'livekit-client';
import { createRoot } from 'react-dom/client';

/** Two layers, and no more work than a small machine does for several pages. */
const CAMERA = new VideoPreset(640, 360, 400_000, 15);

const room = new Room({
  adaptiveStream: true,
  dynacast: true,
  videoCaptureDefaults: { resolution: CAMERA.resolution },
});
// For tests to break the connection; everything else they do and see is on the page.
Object.assign(window, { room });

const asked = new URLSearchParams(location.search);
const page = document.getElementById('page');
if (page) {
  createRoot(page).render(
    <LiveKitRoom
      room={room}
      serverUrl={asked.get('url') ?? undefined}
      token={asked.get('token') ?? undefined}
      audio
      video
      data-lk-theme="default"
      style={{ height: '100vh' }}
    >
      <VideoConference />
    </LiveKitRoom>,
  );
}
