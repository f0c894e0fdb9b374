// Bundles every module as Convex does for its own runtime, and fails on anything that runtime has not: built-ins of
// Node above all. Nothing is written.
import { readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const OUTSIDE = new Set(["node_modules", "scripts", "fixtures", "testing", "_generated"]);

function modules(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return OUTSIDE.has(entry.name) ? [] : modules(path);
    }
    return /^[^.]+\.ts$/.test(entry.name) ? [path] : [];
  });
}

const { outputFiles } = await build({
  entryPoints: modules(root),
  outdir: join(root, "nowhere"),
  write: false,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "esnext",
  platform: "browser",
  conditions: ["convex", "module"],
  logLevel: "error",
});
const bytes = outputFiles.reduce((sum, { contents }) => sum + contents.length, 0);
process.stdout.write(`${outputFiles.length} files, ${Math.round(bytes / 1024)} KiB\n`);
