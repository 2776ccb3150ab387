/** The page's one live socket, and where playback tickets come from. */
import { answer, api, ApiProblem } from "../api/client";
import { now } from "./now.svelte";
import { LiveSocket, type Ticket, TicketRefused } from "../player";

type Stream = "main" | "sub" | "audio";

async function tickets(channelId: string, purpose: "live" | "playback", streams: Stream[]): Promise<readonly Ticket[]> {
  try {
    const path = { channel_id: channelId };
    const body = { for: purpose, streams };
    return (await answer(api.POST("/api/v1/channels/{channel_id}/tickets", { params: { path }, body }))).tickets;
  } catch (error) {
    if (error instanceof ApiProblem && error.status < 500 && error.status !== 429) {
      throw new TicketRefused(error.code, error.detail);
    }
    throw error;
  }
}

function socketUrl(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

/** Tickets last a minute and serve once; one that waits longer than this is not worth the risk of a refusal. */
const PREPARED_FOR_MS = 20_000;

interface Prepared {
  readonly tickets: Promise<readonly Ticket[]>;
  readonly atMs: number;
}

const prepared = new Map<string, Prepared>();

/** Somebody points at a camera: its ticket is there when they click. */
export function prepareLive(channelId: string): void {
  const known = prepared.get(channelId);
  if (known && performance.now() - known.atMs < PREPARED_FOR_MS) return;
  const asked = tickets(channelId, "live", ["main"]);
  asked.catch(() => prepared.delete(channelId)); // asked again, and told, when it is needed
  prepared.set(channelId, { tickets: asked, atMs: performance.now() });
}

function liveTickets(channelId: string, streams: string[]): Promise<readonly Ticket[]> {
  const known = prepared.get(channelId);
  if (streams.length === 1 && streams[0] === "main" && known) {
    prepared.delete(channelId);
    if (performance.now() - known.atMs < PREPARED_FOR_MS) return known.tickets;
  }
  return tickets(channelId, "live", streams as Stream[]);
}

export const liveSocket = new LiveSocket({ url: socketUrl("/media/live"), tickets: liveTickets });

now.whenAwake(() => liveSocket.retryNow());

export const playbackUrl = (): string => socketUrl("/media/playback");

/** One ticket that covers picture and, where permitted, sound of a channel's recordings. */
export async function playbackTicket(channelId: string, streams: Stream[]): Promise<string> {
  const [first] = await tickets(channelId, "playback", streams);
  if (!first) throw new TicketRefused("not_found", "");
  return first.ticket;
}
