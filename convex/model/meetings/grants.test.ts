// What tokens let people do.
import { expect, test } from "vitest";
import { grantsOf } from "./grants";
import type { Changes, Settings } from "./grants";
import type { Role } from "./roles";

const OPEN: Settings = { chatEnabled: true, screenShareEnabled: true, presenters: "everyone", presenterIds: [] };

/** Publishes, shares the screen, chats. */
function told(role: Role, settings: Partial<Settings>, changes: Changes = {}, ownTenant = true): string {
  const grants = grantsOf({ userId: "ada", role, ownTenant }, { ...OPEN, ...settings }, changes);
  expect(grants.canSubscribe).toBe(true);
  expect(grants.canPublishSources.includes("camera")).toBe(grants.canPublish);
  return [
    grants.canPublish ? "publish" : "",
    grants.canPublishSources.includes("screen_share") ? "screen" : "",
    grants.canPublishData ? "chat" : "",
  ].filter(Boolean).join(" ");
}

test.each<[Role, Partial<Settings>, Changes, boolean, string]>([
  ["participant", {}, {}, true, "publish screen chat"],
  ["participant", { screenShareEnabled: false }, {}, true, "publish chat"],
  ["participant", { chatEnabled: false }, {}, true, "publish screen"],
  ["participant", { presenters: "organization" }, {}, true, "publish screen chat"],
  ["participant", { presenters: "organization" }, {}, false, "publish chat"],
  ["participant", { presenters: "specific" }, {}, true, "publish chat"],
  ["participant", { presenters: "specific", presenterIds: ["ada"] }, {}, true, "publish screen chat"],
  ["moderator", { presenters: "host_only" }, {}, true, "publish chat"],
  ["co_host", { presenters: "host_only", chatEnabled: false, screenShareEnabled: false }, {}, true, "publish screen chat"],
  ["participant", { presenters: "host_only" }, { mayShareScreen: true }, true, "publish screen chat"],
  ["participant", {}, { mayShareScreen: false, mayChat: false }, true, "publish"],
  ["participant", {}, { mayPublish: false }, true, "chat"],
  ["host", {}, { mayPublish: false, mayChat: false }, true, "publish screen chat"],
])("%s in %j changed by %j (own tenant %s): %s", (role, settings, changes, ownTenant, expected) => {
  expect(told(role, settings, changes, ownTenant)).toBe(expected);
});
