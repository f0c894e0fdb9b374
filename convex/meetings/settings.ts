// What hosts choose for a meeting, checked and put where it belongs: into the host's own table where it has a field,
// into the controls where it has none, and the password as a hash.
import type { Doc, Id } from "../_generated/dataModel";
import type { MutationCtx } from "../_generated/server";
import { personOf } from "../host";
import { check } from "./access";
import { setControls, setPassword } from "./controls";
import type { Controls } from "./controls";
import type { Choices } from "./validators";

/** A class, a whole school; a list longer than this is a tenant, and `allowUninvitedJoin` serves it. */
export const INVITED_MAX = 500;
const CO_HOSTS_MAX = 20;
const TITLE_MAX = 200;
const DESCRIPTION_MAX = 5000;
/** Nodes take no more into one room. */
const PARTICIPANTS_MAX = 1000;
/** The longest meeting: a day of lessons. */
export const LENGTH_MAX = 24 * 3_600_000;

/** The choices that live in the host's table, as its fields. */
export async function fieldsOf(ctx: MutationCtx, choices: Choices): Promise<Partial<Doc<"meetings">>> {
  const { title, description, maxParticipants } = choices;
  check(title === undefined || (title.trim() !== "" && title.length <= TITLE_MAX), `Give a title of 1 to ${TITLE_MAX} characters.`);
  check((description?.length ?? 0) <= DESCRIPTION_MAX, `Describe the meeting in at most ${DESCRIPTION_MAX} characters.`);
  check(
    maxParticipants === undefined ||
      (Number.isInteger(maxParticipants) && maxParticipants >= 0 && maxParticipants <= PARTICIPANTS_MAX),
    `A meeting takes 1 to ${PARTICIPANTS_MAX} participants; 0 is no limit of its own.`,
  );
  return given({
    title: title?.trim(),
    description,
    scheduledStartTime: choices.startsAt,
    scheduledEndTime: choices.endsAt,
    coHosts: await people(ctx, choices.coHosts, CO_HOSTS_MAX),
    invitedParticipants: await people(ctx, choices.invited, INVITED_MAX),
    allowUninvitedJoin: choices.allowUninvitedJoin,
    waitingRoomEnabled: choices.waitingRoom,
    lobbyBypassType: choices.lobbyBypass,
    allowedPresenters: choices.presenters,
    allowedPresentersIds: await people(ctx, choices.presenterIds, INVITED_MAX),
    maxParticipants,
    chatEnabled: choices.chat,
    screenShareEnabled: choices.screenShare,
    whiteboardEnabled: choices.whiteboard,
    breakoutRoomsEnabled: choices.breakoutRooms,
    recordingEnabled: choices.recording,
    autoRecording: choices.autoRecording,
  });
}

/** Stores the choices that the host's table has no field for. */
export async function setBeyond(
  ctx: MutationCtx,
  meetingId: Id<"meetings">,
  choices: Choices,
  now: number,
): Promise<void> {
  const controls: Partial<Controls> = given({
    allowedDomains: choices.allowedDomains,
    allowedNetworks: choices.allowedNetworks,
    timeZone: choices.timeZone,
    reminders: choices.reminders,
    emptyTimeoutS: choices.emptyTimeoutS,
    onlyOurTokens: choices.onlyOurTokens,
  });
  if (Object.keys(controls).length > 0) await setControls(ctx, meetingId, controls, now);
  if (choices.password !== undefined) await setPassword(ctx, meetingId, choices.password, now);
}

/** A time that a meeting can take. */
export function checkTimes(startsAt: number, endsAt: number): void {
  check(Number.isSafeInteger(startsAt) && Number.isSafeInteger(endsAt) && startsAt > 0, "Give times in milliseconds.");
  check(endsAt > startsAt, "A meeting ends after it begins.");
  check(endsAt - startsAt <= LENGTH_MAX, "A meeting lasts at most 24 hours.");
}

/** Each of the people once, all of whom must have an account. */
async function people(
  ctx: MutationCtx,
  ids: Id<"users">[] | undefined,
  limit: number,
): Promise<Id<"users">[] | undefined> {
  if (ids === undefined) return undefined;
  const once = [...new Set(ids)];
  check(once.length <= limit, `Name at most ${limit} people.`);
  for (const id of once) check((await personOf(ctx, id)) !== null, "Somebody on the list has no account here.");
  return once;
}

/** `value` without the fields nobody has given, which would otherwise be taken away. */
function given<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
