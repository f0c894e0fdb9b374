// A trial function that runs by itself.

import { cronJobs } from 'convex/server';
import { internal } from './_generated/api.ts';

const crons = cronJobs();
crons.interval('keep a note', { seconds: 1 }, internal.notes.keep, { room: 'cron', body: 'ticked' });
export default crons;
