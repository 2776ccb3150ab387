/**
 * The one way to the server's control API: typed by its own description, same origin, JSON, errors as RFC 9457 problems.
 * No token is ever seen here, the session is an HttpOnly cookie.
 *
 *     const device = await answer(api.GET("/api/v1/devices/{device_id}", { params: { path: { device_id: id } } }));
 */
import createClient from "openapi-fetch";
import { connection } from "../managers/connection.svelte";
import type { paths } from "./schema";

/**
 * An answer that is an error. `code` is stable and names it; `detail` is the server's English sentence; `certificate`
 * comes with `camera_certificate`: the fingerprint that a person may accept.
 */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly certificate: string | null = null,
  ) {
    super(detail);
  }
}

/** The server cannot be reached, or something between gives an answer that is not ours. */
export class Unreachable extends Error {}

export const api = createClient<paths>({ fetch: send, headers: { Accept: "application/json" } });

/** The body of a good answer; throws ApiProblem, Unreachable, or AbortError. */
export async function answer<Body>(sent: Promise<{ data?: Body; error?: unknown; response: Response }>): Promise<Body> {
  const { data, error, response } = await sent;
  if (response.ok) return data as Body;
  throw problemOf(response, error);
}

/** For requests that create: a repeated click, or a retry after a lost answer, must not create twice. */
export function once(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": crypto.randomUUID() };
}

async function send(request: Request): Promise<Response> {
  // The server takes JSON only from changing requests, also where there is nothing to say.
  if (request.method !== "GET") request.headers.set("Content-Type", "application/json");
  try {
    const response = await fetch(request);
    if (isGateway(response)) throw new Unreachable();
    connection.reached();
    return response;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connection.missed();
    throw new Unreachable();
  }
}

/** A proxy that answers for a server that is down. */
function isGateway(response: Response): boolean {
  const isOurs = response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
  return response.status >= 502 && response.status <= 504 && !isOurs;
}

function problemOf(response: Response, body: unknown): ApiProblem {
  const problem = (typeof body === "object" && body !== null ? body : {}) as { code?: string; detail?: string; certificate?: string };
  const code = problem.code ?? `http_${response.status}`;
  return new ApiProblem(response.status, code, problem.detail ?? response.statusText, problem.certificate ?? null);
}
