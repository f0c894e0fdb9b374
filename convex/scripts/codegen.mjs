// Writes _generated without a deployment. The command line of Convex walks every folder below the functions' root,
// node_modules too, so the functions are staged in a folder of their own first, where node_modules stand outside.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const OUTSIDE = new Set(["node_modules", "scripts", "fixtures", "testing", "package-lock.json"]);

const stage = mkdtempSync(join(tmpdir(), "edge-codegen-"));
try {
  cpSync(root, join(stage, "convex"), {
    recursive: true,
    filter: (path) => !OUTSIDE.has(basename(path)) && !/\.(test|config)\.(ts|js|mjs)$/.test(path.replace("convex.config.ts", "")),
  });
  cpSync(join(root, "package.json"), join(stage, "package.json"));
  writeFileSync(join(stage, "convex.json"), JSON.stringify({ functions: "convex/" }));
  symlinkSync(join(root, "node_modules"), join(stage, "node_modules"));
  const run = spawnSync(
    process.execPath,
    [join(root, "node_modules/convex/bin/main.js"), "codegen", "--system-udfs", "--typecheck", "disable"],
    {
      cwd: stage,
      stdio: "inherit",
      env: {
        ...process.env,
        CONVEX_SELF_HOSTED_URL: "http://127.0.0.1:1",
        CONVEX_SELF_HOSTED_ADMIN_KEY: "local|codegen",
      },
    },
  );
  if (run.status !== 0) {
    throw new Error("convex codegen failed; its output above says why");
  }
  cpSync(join(stage, "convex/_generated"), join(root, "_generated"), { recursive: true });
} finally {
  rmSync(stage, { recursive: true, force: true });
}
