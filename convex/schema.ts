// A schema of its own for tests, for the local host and for a deployment without a platform around it. A host project
// does not use this file: it spreads the same table objects into its own schema.
import { defineSchema } from "convex/server";
import { edgeTables } from "./edge/tables";
import { meetingTables } from "./meetings/tables";
import { platformTables } from "./platform/tables";

export default defineSchema({
  ...platformTables,
  ...meetingTables,
  ...edgeTables,
});
