// Lays the overlay into a host project: copies the functions into its `convex/`, and the page's measuring of candidates
// to `src/lib/nearest.ts`. Ten lines of the host's own files are then added by `patches/1-overlay.patch`; the other
// patches are the host's choice. Run: node convex/platform/apply.mjs PATH-TO-HOST
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ours = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const host = resolve(process.argv[2] ?? "");
if (process.argv[2] === undefined || !existsSync(join(host, "convex/schema.ts"))) {
  console.error("name the host project: a folder with convex/schema.ts in it");
  process.exit(1);
}

for (const name of ["convex.config.ts", "crons.ts"]) {
  const theirs = join(host, "convex", name);
  if (existsSync(theirs) && readFileSync(theirs, "utf8") !== readFileSync(join(ours, name), "utf8")) {
    console.error(`the host has a convex/${name} of its own: merge ours into it by hand (README), then copy again`);
    process.exitCode = 1;
  } else cpSync(join(ours, name), theirs);
}
// Edited by the host, so never overwritten.
if (!existsSync(join(host, "convex/host.ts"))) cpSync(join(ours, "host.ts"), join(host, "convex/host.ts"));
for (const folder of ["edge", "meetings", "model"]) {
  cpSync(join(ours, folder), join(host, "convex", folder), {
    recursive: true,
    filter: (path) => !/\.test\.ts$/.test(basename(path)),
  });
}
mkdirSync(join(host, "src/lib"), { recursive: true });
cpSync(join(ours, "../deploy/local/web/src/nearest.ts"), join(host, "src/lib/nearest.ts"));
