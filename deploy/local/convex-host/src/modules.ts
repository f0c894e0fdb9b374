// Finds the functions in their folder, and the components they use in their
// packages, as `convex deploy` would bundle them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Modules, Schema } from './internals.ts';

export interface Component {
  /** Names from the app down, `/` between them. */
  path: string;
  schema: Schema | null;
  modules: Modules;
}

/** What is in the folder but no module of functions. */
const ASIDE = /\.d\.[cm]?ts$|\.test\.[cm]?[jt]sx?$|\.config\.[cm]?[jt]s$/;
const MODULE = /\.[cm]?[jt]s$/;

export function modulesOf(folder: string): Modules {
  const modules: Modules = {};
  const walk = (place: string) => {
    for (const entry of readdirSync(place, { withFileTypes: true })) {
      const path = join(place, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules' && !entry.name.startsWith('.')) walk(path);
      } else if (MODULE.test(entry.name) && !ASIDE.test(entry.name)) {
        modules[`./${relative(folder, path).split(sep).join('/')}`] = once(() => load(path));
      }
    }
  };
  walk(folder);
  return modules;
}

/** Each call of a function asks for its module; the loader would look it up again each time. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}

/** The module's exports, or null where there is no such file. */
export async function optional(folder: string, name: string): Promise<Record<string, unknown> | null> {
  const path = ['.ts', '.js'].map((ending) => join(folder, name + ending)).find(existsSync);
  return path === undefined ? null : await load(path);
}

/** The components of `convex.config`, theirs, and so on down. */
export async function componentsOf(folder: string): Promise<Component[]> {
  const config = ['.ts', '.js'].map((ending) => join(folder, `convex.config${ending}`)).find(existsSync);
  if (config === undefined) return [];
  const app = await definitionAt(config);
  return await childrenOf(app, '');
}

interface Definition {
  componentDefinitionPath?: string;
  defaultName?: string;
  _name?: string;
  _childComponents: [name: string, definition: Definition][];
}

/** A definition must know its folder before another can use it; Convex's bundler tells it, and so does this. */
async function definitionAt(config: string): Promise<Definition> {
  const require = createRequire(config);
  for (const [, specifier] of readFileSync(config, 'utf8').matchAll(/from\s*["']([^"']+\bconvex\.config(?:\.[cm]?[jt]s)?)["']/g)) {
    const path = specifier!.startsWith('.') ? nearby(config, specifier!) : require.resolve(specifier!);
    const used = await definitionAt(path);
    used.componentDefinitionPath = dirname(path);
    used.defaultName ??= used._name;
  }
  return (await load(config)).default as Definition;
}

function nearby(from: string, specifier: string): string {
  const path = join(dirname(from), specifier);
  return ['', '.ts', '.js'].map((ending) => path + ending).find(existsSync) ?? path;
}

async function childrenOf(parent: Definition, above: string): Promise<Component[]> {
  const found: Component[] = [];
  for (const [name, definition] of parent._childComponents) {
    const path = above === '' ? name : `${above}/${name}`;
    const folder = definition.componentDefinitionPath!;
    const schema = ((await optional(folder, 'schema'))?.default ?? null) as Schema | null;
    found.push({ path, schema, modules: modulesOf(folder) }, ...(await childrenOf(definition, path)));
  }
  return found;
}

function load(path: string): Promise<Record<string, unknown>> {
  return import(pathToFileURL(path).href) as Promise<Record<string, unknown>>;
}
