// The host platform's tables as far as we read and write them, for a schema without the platform around it.
export const platformTables = {};
