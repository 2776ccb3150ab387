/** What people paste as a camera's address: with or without scheme, with or without the password inside. */

/** How a camera is reached. `web`: pictures over HTTP. */
export const WAYS = ["network", "web", "device", "file"] as const;
export type Way = (typeof WAYS)[number];

export interface TypedAddress {
  readonly address: string;
  readonly username: string;
  readonly password: string;
  readonly way: Way;
}

const PORTS: Readonly<Record<string, string>> = { rtsp: "554", http: "80", https: "443" };

/**
 * Splits what was typed; `way` is how it is meant where no scheme says so. A password inside the address moves to its own
 * field, so that it is not shown, and not kept as part of an address. Null when it is no address.
 */
export function parseTyped(text: string, way: Way = "network"): TypedAddress | null {
  const trimmed = text.trim();
  const local = /^(file|device):(.*)$/i.exec(trimmed);
  if (local) return parseLocal(local[1]!.toLowerCase() as "file" | "device", local[2]!);
  if (trimmed.startsWith("/dev/")) return parseLocal("device", trimmed);
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed);
  if (!hasScheme && (way === "file" || way === "device")) return parseLocal(way, trimmed);
  return trimmed ? parseUrl(hasScheme ? trimmed : `${way === "web" ? "http" : "rtsp"}://${trimmed}`) : null;
}

/** Scheme, host and port of an address: what a certificate belongs to. */
export function originOf(address: string): string {
  return /^[a-z]+:\/\/[^/?]*/.exec(address)?.[0] ?? address;
}

function parseUrl(text: string): TypedAddress | null {
  if (!/^(rtsps?|https?):\/\//i.test(text)) return null;
  // URL() knows the authority of "special" schemes only; one of those stands in for the real one while it is read, and
  // hides the port that is usual for it.
  const scheme = text.slice(0, text.indexOf(":")).toLowerCase();
  let url: URL;
  try {
    url = new URL(text.replace(/^[a-z]+/i, "http"));
  } catch {
    return null;
  }
  if (!url.hostname) return null;
  const given = url.port || (/^[a-z]+:\/\/(?:[^/?#]*@)?(?:\[[^\]]*\]|[^/?#:]*):80(?![0-9])/i.test(text) ? "80" : "");
  const port = given && given !== PORTS[scheme] ? `:${given}` : "";
  return {
    address: `${scheme}://${url.hostname}${port}${url.pathname}${url.search}`,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    way: scheme.startsWith("http") ? "web" : "network",
  };
}

/** A name below the edge's folder of films, or of a device; people also paste `/dev/video0`. */
function parseLocal(way: "file" | "device", text: string): TypedAddress | null {
  const name = way === "device" ? text.replace(/^\/dev\/(?:.*\/)?/, "") : text;
  const isName = way === "device" ? /^\w[\w.:+-]*$/.test(name) : name.split("/").every((part) => !["", ".", ".."].includes(part));
  return isName ? { address: `${way}:${name}`, username: "", password: "", way } : null;
}
