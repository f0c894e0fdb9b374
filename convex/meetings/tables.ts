// The tables of the meeting side: what the host's own tables lack.
export const meetingTables = {};
