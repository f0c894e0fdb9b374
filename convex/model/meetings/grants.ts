// What a person's token lets them do in the room, from their role, the meeting's settings and what a host has changed
// for them. Pure; signing is for the fleet.
import type { Role } from "./roles";

/** Where tracks come from, as tokens name it. */
export type Source = "camera" | "microphone" | "screen_share" | "screen_share_audio";

/** The settings of a meeting that bear on grants. */
export interface Settings {
  chatEnabled: boolean;
  screenShareEnabled: boolean;
  presenters: "everyone" | "organization" | "specific" | "host_only";
  presenterIds: readonly string[];
}

/** What a host has changed for one person; absent is as the meeting says. */
export interface Changes {
  mayPublish?: boolean;
  mayShareScreen?: boolean;
  mayChat?: boolean;
}

/** The grants, in the shape of a token and of a `permissions` command. */
export interface Grants {
  canPublish: boolean;
  canSubscribe: boolean;
  canPublishData: boolean;
  canPublishSources: Source[];
}

const VOICE: readonly Source[] = ["camera", "microphone"];
const SCREEN: readonly Source[] = ["screen_share", "screen_share_audio"];

/** The grants of somebody. Hosts, co-hosts and staff keep theirs whatever the settings say. */
export function grantsOf(
  person: { userId: string; role: Role; ownTenant: boolean },
  settings: Settings,
  changes: Changes,
): Grants {
  const leads = person.role === "host" || person.role === "co_host" || person.role === "staff";
  const publish = leads || (changes.mayPublish ?? true);
  const screen = leads || (changes.mayShareScreen ?? (settings.screenShareEnabled && presents(person, settings)));
  return {
    canPublish: publish,
    canSubscribe: true,
    canPublishData: leads || (changes.mayChat ?? settings.chatEnabled),
    canPublishSources: publish ? [...VOICE, ...(screen ? SCREEN : [])] : [],
  };
}

function presents(person: { userId: string; role: Role; ownTenant: boolean }, settings: Settings): boolean {
  switch (settings.presenters) {
    case "everyone":
      return true;
    case "organization":
      return person.ownTenant;
    case "specific":
      return settings.presenterIds.includes(person.userId);
    case "host_only":
      return false;
  }
}
