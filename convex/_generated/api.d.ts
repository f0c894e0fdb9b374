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
import type * as edge_crons from "../edge/crons.js";
import type * as edge_http from "../edge/http.js";
import type * as edge_tables from "../edge/tables.js";
import type * as edge_wire from "../edge/wire.js";
import type * as http from "../http.js";
import type * as meetings_crons from "../meetings/crons.js";
import type * as meetings_http from "../meetings/http.js";
import type * as meetings_scheduled from "../meetings/scheduled.js";
import type * as meetings_tables from "../meetings/tables.js";
import type * as model_meetings_network from "../model/meetings/network.js";
import type * as model_meetings_password from "../model/meetings/password.js";
import type * as model_meetings_roles from "../model/meetings/roles.js";
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
  "edge/crons": typeof edge_crons;
  "edge/http": typeof edge_http;
  "edge/tables": typeof edge_tables;
  "edge/wire": typeof edge_wire;
  http: typeof http;
  "meetings/crons": typeof meetings_crons;
  "meetings/http": typeof meetings_http;
  "meetings/scheduled": typeof meetings_scheduled;
  "meetings/tables": typeof meetings_tables;
  "model/meetings/network": typeof model_meetings_network;
  "model/meetings/password": typeof model_meetings_password;
  "model/meetings/roles": typeof model_meetings_roles;
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
