// Paths of the REST face, taken apart. Pure.

/** A path that fits a route, with its parts by name. */
export function matchPath(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.replace(/\/$/, "").split("/");
  if (wanted.length !== given.length) return null;
  const parts: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    const value = given[at] ?? "";
    if (part.startsWith(":")) {
      if (!/^[A-Za-z0-9]{1,64}$/.test(value)) return null;
      parts[part.slice(1)] = value;
    } else if (part !== value) return null;
  }
  return parts;
}

/** The origins that may call from a browser: a list in the environment, by commas. */
export function isAllowedOrigin(origin: string, list: string | undefined): boolean {
  return (list ?? "")
    .split(",")
    .map((entry) => entry.trim().replace(/\/$/, ""))
    .some((entry) => entry !== "" && entry === origin);
}

/** The HTTP status of a refusal's code. */
export function statusOf(code: string): number {
  switch (code) {
    case "signed_out":
      return 401;
    case "not_allowed":
      return 403;
    case "unknown_meeting":
    case "unknown_person":
      return 404;
    case "newer_drawing":
      return 409;
    default:
      return 400;
  }
}

/** The HTTP status of a join's answer. */
export function statusOfJoin(answer: { status: string; reason?: string }): number {
  if (answer.status === "joined") return 200;
  if (answer.status === "waiting") return 202;
  switch (answer.reason) {
    case "signed_out":
      return 401;
    case "unknown_meeting":
      return 404;
    case "too_often":
      return 429;
    case "no_node":
      return 503;
    default:
      return 403;
  }
}
