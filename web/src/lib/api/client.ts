/**
 * The one way to the server's control API. Same origin, JSON, errors as RFC 9457 problems; no token is ever
 * seen here, the session is an HttpOnly cookie.
 */
import { connection } from "../managers/connection.svelte";

/** An answer that is an error. `code` is stable and names it; `detail` is the server's English sentence. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly fields: readonly { at: string; detail: string }[] = [],
  ) {
    super(detail);
  }
}

/** The server cannot be reached, or something between gives an answer that is not ours. */
export class Unreachable extends Error {}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

interface RequestOptions {
  readonly body?: unknown;
  readonly query?: Record<string, string | number>;
  readonly idempotent?: boolean;
  readonly signal?: AbortSignal;
}

/** Sends one request; gives the parsed body, or throws ApiProblem or Unreachable. */
export async function request<Answer>(method: Method, path: string, options: RequestOptions = {}): Promise<Answer> {
  const response = await send(method, path, options);
  if (response.status === 204) return undefined as Answer;
  if (response.ok) return (await response.json()) as Answer;
  throw await problemOf(response);
}

async function send(method: Method, path: string, options: RequestOptions): Promise<Response> {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, String(value));
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") headers["Content-Type"] = "application/json";
  // A repeated click or a retry after a lost answer must not create twice.
  if (options.idempotent) headers["Idempotency-Key"] = crypto.randomUUID();
  try {
    const response = await fetch(url, {
      method,
      headers,
      credentials: "same-origin",
      ...(method === "GET" ? {} : { body: JSON.stringify(options.body ?? {}) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
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
  return response.status >= 502 && response.status <= 504 && !isProblem(response);
}

function isProblem(response: Response): boolean {
  return response.headers.get("Content-Type")?.startsWith("application/problem+json") ?? false;
}

async function problemOf(response: Response): Promise<ApiProblem> {
  if (!isProblem(response)) return new ApiProblem(response.status, `http_${response.status}`, response.statusText);
  const problem = (await response.json()) as {
    code?: string;
    detail?: string;
    errors?: { at: string; detail: string }[] | null;
  };
  return new ApiProblem(response.status, problem.code ?? "", problem.detail ?? "", problem.errors ?? []);
}
