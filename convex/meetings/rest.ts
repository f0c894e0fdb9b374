// The functions behind the REST face: the same ones pages call, as internal functions, because nothing public is called
// from HTTP actions. Who calls is known by the same token, so what they may do is judged in the same place.
import { internalMutation, internalQuery } from "../_generated/server";
import { makeFunction } from "./breakouts";
import { appointFunction, removeFunction as removePersonFunction } from "./control";
import { joinFunction, leaveFunction } from "./join";
import { createFunction, endFunction, removeFunction, startFunction, updateFunction } from "./life";
import { detailsFunction, mineFunction, peopleFunction } from "./list";
import { launchFunction } from "./polls";
import { listFunction as recordingsFunction } from "./recordings";
import { attendanceFunction, reportFunction } from "./reports";
import { saveFunction } from "./whiteboard";

export const create = internalMutation(createFunction);
export const mine = internalQuery(mineFunction);
export const details = internalQuery(detailsFunction);
export const update = internalMutation(updateFunction);
export const remove = internalMutation(removeFunction);
export const start = internalMutation(startFunction);
export const end = internalMutation(endFunction);
export const join = internalMutation(joinFunction);
export const leave = internalMutation(leaveFunction);
export const people = internalQuery(peopleFunction);
export const appoint = internalMutation(appointFunction);
export const removePerson = internalMutation(removePersonFunction);
export const makeGroups = internalMutation(makeFunction);
export const launchPoll = internalMutation(launchFunction);
export const saveWhiteboard = internalMutation(saveFunction);
export const recordings = internalQuery(recordingsFunction);
export const attendance = internalQuery(attendanceFunction);
export const report = internalQuery(reportFunction);
