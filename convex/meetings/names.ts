// Names that meetings get: of their rooms, and the code people type. Random, and not taken yet.
import type { MutationCtx } from "../_generated/server";
import { storedCode } from "../host";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const DIGITS = "0123456789";
/** Two names alike are a matter of years; a third in a row means that something else is wrong. */
const TRIES = 3;

/** A room's name in the platform's form, `ROOM-` and ten letters. */
export async function newRoomName(ctx: MutationCtx): Promise<string> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const name = `ROOM-${drawn(LETTERS, 10)}`;
    const taken = await ctx.db
      .query("meetings")
      .withIndex("by_room_name", (q) => q.eq("roomName", name))
      .first();
    if (taken === null) return name;
  }
  throw new Error("no free name for a room was found: is the random source broken?");
}

/** A code of ten digits, as it is stored. */
export async function newCode(ctx: MutationCtx): Promise<string> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const code = storedCode(drawn(DIGITS, 10));
    const taken = await ctx.db
      .query("meetings")
      .withIndex("by_meeting_code", (q) => q.eq("meetingCode", code))
      .first();
    if (taken === null) return code;
  }
  throw new Error("no free code for a meeting was found: is the random source broken?");
}

/** `length` letters of `alphabet`, each as likely as the others. */
export function drawn(alphabet: string, length: number): string {
  // Bytes beyond the last whole multiple would favour the first letters.
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length * 2))) {
      if (byte < fair && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
