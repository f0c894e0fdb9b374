// Runs the command line of Convex on these functions: `codegen` without a deployment, `deploy`, `dev`, `env` with one.
// It walks every folder below the functions' root, node_modules and tests too, so the functions are staged in a folder of
// their own first.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const OUTSIDE = new Set(["node_modules", "scripts", "fixtures", "testing", "package-lock.json"]);
const CONFIGS = new Set(["convex.config.ts", "auth.config.ts"]);

/** Types come out the same without a deployment; the command line only asks for one by habit. */
const NOWHERE = { CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:1", CONVEX_SELF_HOSTED_ADMIN_KEY: "local|codegen" };

const [command, ...rest] = process.argv.slice(2);
if (command === undefined) {
  throw new Error("say what to run: codegen, deploy, dev, env ...");
}
const codegen = command === "codegen";

const stage = mkdtempSync(join(tmpdir(), "edge-functions-"));
try {
  cpSync(root, join(stage, "convex"), { recursive: true, filter: isFunction });
  cpSync(join(root, "package.json"), join(stage, "package.json"));
  if (existsSync(join(root, ".env.local"))) {
    cpSync(join(root, ".env.local"), join(stage, ".env.local"));
  }
  writeFileSync(join(stage, "convex.json"), JSON.stringify({ functions: "convex/" }));
  symlinkSync(join(root, "node_modules"), join(stage, "node_modules"));
  const run = spawnSync(
    process.execPath,
    [
      join(root, "node_modules/convex/bin/main.js"),
      command,
      ...(codegen ? ["--system-udfs", "--typecheck", "disable"] : []),
      ...rest,
    ],
    { cwd: stage, stdio: "inherit", env: { ...process.env, ...(codegen ? NOWHERE : {}) } },
  );
  if (run.status !== 0) {
    throw new Error(`convex ${command} failed; its output above says why`);
  }
  if (codegen) {
    cpSync(join(stage, "convex/_generated"), join(root, "_generated"), { recursive: true });
  }
} finally {
  rmSync(stage, { recursive: true, force: true });
}

function isFunction(path) {
  const name = basename(path);
  return !OUTSIDE.has(name) && (CONFIGS.has(name) || !/\.(test|config)\.[a-z]+$/.test(name));
}
