/* eslint-disable */
/**
 * Generated `api` utility.
 *
 * THIS CODE IS AUTOMATICALLY GENERATED.
 *
 * To regenerate, run `npx convex dev`.
 * @module
 */

import type {
  ApiFromModules,
  FilterApi,
  FunctionReference,
} from "convex/server";
import type * as crons from "../crons.js";
import type * as edge_announce from "../edge/announce.js";
import type * as edge_apply_batch from "../edge/apply/batch.js";
import type * as edge_apply_chat from "../edge/apply/chat.js";
import type * as edge_apply_events from "../edge/apply/events.js";
import type * as edge_apply_hands from "../edge/apply/hands.js";
import type * as edge_apply_quality from "../edge/apply/quality.js";
import type * as edge_apply_rooms from "../edge/apply/rooms.js";
import type * as edge_apply_spans from "../edge/apply/spans.js";
import type * as edge_apply_tracks from "../edge/apply/tracks.js";
import type * as edge_commands from "../edge/commands.js";
import type * as edge_crons from "../edge/crons.js";
import type * as edge_desired from "../edge/desired.js";
import type * as edge_env from "../edge/env.js";
import type * as edge_fleet from "../edge/fleet.js";
import type * as edge_http from "../edge/http.js";
import type * as edge_keys from "../edge/keys.js";
import type * as edge_lease from "../edge/lease.js";
import type * as edge_nodes from "../edge/nodes.js";
import type * as edge_poke from "../edge/poke.js";
import type * as edge_reaper from "../edge/reaper.js";
import type * as edge_register from "../edge/register.js";
import type * as edge_rooms from "../edge/rooms.js";
import type * as edge_sync from "../edge/sync.js";
import type * as edge_tables from "../edge/tables.js";
import type * as edge_tokens from "../edge/tokens.js";
import type * as edge_wire from "../edge/wire.js";
import type * as host from "../host.js";
import type * as http from "../http.js";
import type * as meetings_access from "../meetings/access.js";
import type * as meetings_breakouts from "../meetings/breakouts.js";
import type * as meetings_calendar from "../meetings/calendar.js";
import type * as meetings_chat from "../meetings/chat.js";
import type * as meetings_control from "../meetings/control.js";
import type * as meetings_controls from "../meetings/controls.js";
import type * as meetings_crons from "../meetings/crons.js";
import type * as meetings_ending from "../meetings/ending.js";
import type * as meetings_facts from "../meetings/facts.js";
import type * as meetings_grants from "../meetings/grants.js";
import type * as meetings_guests from "../meetings/guests.js";
import type * as meetings_held from "../meetings/held.js";
import type * as meetings_http from "../meetings/http.js";
import type * as meetings_invitations from "../meetings/invitations.js";
import type * as meetings_jobs from "../meetings/jobs.js";
import type * as meetings_join from "../meetings/join.js";
import type * as meetings_life from "../meetings/life.js";
import type * as meetings_limits from "../meetings/limits.js";
import type * as meetings_list from "../meetings/list.js";
import type * as meetings_moving from "../meetings/moving.js";
import type * as meetings_names from "../meetings/names.js";
import type * as meetings_polls from "../meetings/polls.js";
import type * as meetings_quizzes from "../meetings/quizzes.js";
import type * as meetings_recordings from "../meetings/recordings.js";
import type * as meetings_recurring from "../meetings/recurring.js";
import type * as meetings_reminders from "../meetings/reminders.js";
import type * as meetings_reports from "../meetings/reports.js";
import type * as meetings_rest from "../meetings/rest.js";
import type * as meetings_room from "../meetings/room.js";
import type * as meetings_rows from "../meetings/rows.js";
import type * as meetings_schedule from "../meetings/schedule.js";
import type * as meetings_scheduled from "../meetings/scheduled.js";
import type * as meetings_settings from "../meetings/settings.js";
import type * as meetings_starting from "../meetings/starting.js";
import type * as meetings_tables from "../meetings/tables.js";
import type * as meetings_tokens from "../meetings/tokens.js";
import type * as meetings_trial from "../meetings/trial.js";
import type * as meetings_validators from "../meetings/validators.js";
import type * as meetings_waiting from "../meetings/waiting.js";
import type * as meetings_whiteboard from "../meetings/whiteboard.js";
import type * as model_edge_bytes from "../model/edge/bytes.js";
import type * as model_edge_claims from "../model/edge/claims.js";
import type * as model_edge_clock from "../model/edge/clock.js";
import type * as model_edge_decode from "../model/edge/decode.js";
import type * as model_edge_events from "../model/edge/events.js";
import type * as model_edge_log from "../model/edge/log.js";
import type * as model_edge_placement from "../model/edge/placement.js";
import type * as model_edge_rendezvous from "../model/edge/rendezvous.js";
import type * as model_edge_signing from "../model/edge/signing.js";
import type * as model_edge_token from "../model/edge/token.js";
import type * as model_meetings_attendance from "../model/meetings/attendance.js";
import type * as model_meetings_calendar from "../model/meetings/calendar.js";
import type * as model_meetings_door from "../model/meetings/door.js";
import type * as model_meetings_grants from "../model/meetings/grants.js";
import type * as model_meetings_network from "../model/meetings/network.js";
import type * as model_meetings_password from "../model/meetings/password.js";
import type * as model_meetings_polls from "../model/meetings/polls.js";
import type * as model_meetings_quality from "../model/meetings/quality.js";
import type * as model_meetings_recurrence from "../model/meetings/recurrence.js";
import type * as model_meetings_roles from "../model/meetings/roles.js";
import type * as model_meetings_routes from "../model/meetings/routes.js";
import type * as model_meetings_spans from "../model/meetings/spans.js";
import type * as model_meetings_zone from "../model/meetings/zone.js";
import type * as platform_apply from "../platform/apply.js";
import type * as platform_tables from "../platform/tables.js";

/**
 * A utility for referencing Convex functions in your app's API.
 *
 * Usage:
 * ```js
 * const myFunctionReference = api.myModule.myFunction;
 * ```
 */
declare const fullApi: ApiFromModules<{
  crons: typeof crons;
  "edge/announce": typeof edge_announce;
  "edge/apply/batch": typeof edge_apply_batch;
  "edge/apply/chat": typeof edge_apply_chat;
  "edge/apply/events": typeof edge_apply_events;
  "edge/apply/hands": typeof edge_apply_hands;
  "edge/apply/quality": typeof edge_apply_quality;
  "edge/apply/rooms": typeof edge_apply_rooms;
  "edge/apply/spans": typeof edge_apply_spans;
  "edge/apply/tracks": typeof edge_apply_tracks;
  "edge/commands": typeof edge_commands;
  "edge/crons": typeof edge_crons;
  "edge/desired": typeof edge_desired;
  "edge/env": typeof edge_env;
  "edge/fleet": typeof edge_fleet;
  "edge/http": typeof edge_http;
  "edge/keys": typeof edge_keys;
  "edge/lease": typeof edge_lease;
  "edge/nodes": typeof edge_nodes;
  "edge/poke": typeof edge_poke;
  "edge/reaper": typeof edge_reaper;
  "edge/register": typeof edge_register;
  "edge/rooms": typeof edge_rooms;
  "edge/sync": typeof edge_sync;
  "edge/tables": typeof edge_tables;
  "edge/tokens": typeof edge_tokens;
  "edge/wire": typeof edge_wire;
  host: typeof host;
  http: typeof http;
  "meetings/access": typeof meetings_access;
  "meetings/breakouts": typeof meetings_breakouts;
  "meetings/calendar": typeof meetings_calendar;
  "meetings/chat": typeof meetings_chat;
  "meetings/control": typeof meetings_control;
  "meetings/controls": typeof meetings_controls;
  "meetings/crons": typeof meetings_crons;
  "meetings/ending": typeof meetings_ending;
  "meetings/facts": typeof meetings_facts;
  "meetings/grants": typeof meetings_grants;
  "meetings/guests": typeof meetings_guests;
  "meetings/held": typeof meetings_held;
  "meetings/http": typeof meetings_http;
  "meetings/invitations": typeof meetings_invitations;
  "meetings/jobs": typeof meetings_jobs;
  "meetings/join": typeof meetings_join;
  "meetings/life": typeof meetings_life;
  "meetings/limits": typeof meetings_limits;
  "meetings/list": typeof meetings_list;
  "meetings/moving": typeof meetings_moving;
  "meetings/names": typeof meetings_names;
  "meetings/polls": typeof meetings_polls;
  "meetings/quizzes": typeof meetings_quizzes;
  "meetings/recordings": typeof meetings_recordings;
  "meetings/recurring": typeof meetings_recurring;
  "meetings/reminders": typeof meetings_reminders;
  "meetings/reports": typeof meetings_reports;
  "meetings/rest": typeof meetings_rest;
  "meetings/room": typeof meetings_room;
  "meetings/rows": typeof meetings_rows;
  "meetings/schedule": typeof meetings_schedule;
  "meetings/scheduled": typeof meetings_scheduled;
  "meetings/settings": typeof meetings_settings;
  "meetings/starting": typeof meetings_starting;
  "meetings/tables": typeof meetings_tables;
  "meetings/tokens": typeof meetings_tokens;
  "meetings/trial": typeof meetings_trial;
  "meetings/validators": typeof meetings_validators;
  "meetings/waiting": typeof meetings_waiting;
  "meetings/whiteboard": typeof meetings_whiteboard;
  "model/edge/bytes": typeof model_edge_bytes;
  "model/edge/claims": typeof model_edge_claims;
  "model/edge/clock": typeof model_edge_clock;
  "model/edge/decode": typeof model_edge_decode;
  "model/edge/events": typeof model_edge_events;
  "model/edge/log": typeof model_edge_log;
  "model/edge/placement": typeof model_edge_placement;
  "model/edge/rendezvous": typeof model_edge_rendezvous;
  "model/edge/signing": typeof model_edge_signing;
  "model/edge/token": typeof model_edge_token;
  "model/meetings/attendance": typeof model_meetings_attendance;
  "model/meetings/calendar": typeof model_meetings_calendar;
  "model/meetings/door": typeof model_meetings_door;
  "model/meetings/grants": typeof model_meetings_grants;
  "model/meetings/network": typeof model_meetings_network;
  "model/meetings/password": typeof model_meetings_password;
  "model/meetings/polls": typeof model_meetings_polls;
  "model/meetings/quality": typeof model_meetings_quality;
  "model/meetings/recurrence": typeof model_meetings_recurrence;
  "model/meetings/roles": typeof model_meetings_roles;
  "model/meetings/routes": typeof model_meetings_routes;
  "model/meetings/spans": typeof model_meetings_spans;
  "model/meetings/zone": typeof model_meetings_zone;
  "platform/apply": typeof platform_apply;
  "platform/tables": typeof platform_tables;
}>;
export declare const api: FilterApi<
  typeof fullApi,
  FunctionReference<any, "public">
>;
export declare const internal: FilterApi<
  typeof fullApi,
  FunctionReference<any, "internal">
>;
