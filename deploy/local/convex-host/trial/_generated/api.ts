// Stands where `convex codegen` writes: every function by its path, without types.

import { anyApi, type FunctionReference } from 'convex/server';

type Untyped = Record<string, Record<string, FunctionReference<any, any, any, any>>>;
type Named<Modules extends string, Functions extends string> = Record<Modules, Record<Functions, FunctionReference<any, any, any, any>>>;

export const api = anyApi as unknown as Untyped & Named<'notes', 'list'>;
export const internal = anyApi as unknown as Untyped & Named<'notes', 'keep'>;
