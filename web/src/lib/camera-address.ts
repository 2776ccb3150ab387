/** What people paste as a camera's address: with or without scheme, with or without the password inside. */

export interface TypedAddress {
  readonly address: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Splits what was typed. A password inside the address moves to its own field, so that it is not shown, and not kept as
 * part of an address. Null when it is no RTSP address.
 */
export function parseTyped(text: string): TypedAddress | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `rtsp://${trimmed}`;
  if (!/^rtsps?:\/\//i.test(withScheme)) return null;
  // URL() knows the authority of "special" schemes only; http stands in for rtsp while it is read.
  const scheme = withScheme.slice(0, withScheme.indexOf(":")).toLowerCase();
  let url: URL;
  try {
    url = new URL(withScheme.replace(/^rtsps?/i, "http"));
  } catch {
    return null;
  }
  if (!url.hostname) return null;
  const port = url.port && url.port !== "554" ? `:${url.port}` : withScheme.includes(":80/") ? ":80" : "";
  return {
    address: `${scheme}://${url.hostname}${port}${url.pathname === "/" ? "/" : url.pathname}${url.search}`,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}
