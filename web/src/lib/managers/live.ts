/** The page's one live socket, and where playback tickets come from. */
import { answer, api, ApiProblem } from "../api/client";
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

export const liveSocket = new LiveSocket({
  url: socketUrl("/media/live"),
  tickets: (channelId, streams) => tickets(channelId, "live", streams as Stream[]),
});

addEventListener("online", () => liveSocket.retryNow());

export const playbackUrl = (): string => socketUrl("/media/playback");

/** One ticket that covers picture and, where permitted, sound of a channel's recordings. */
export async function playbackTicket(channelId: string, streams: Stream[]): Promise<string> {
  const [first] = await tickets(channelId, "playback", streams);
  if (!first) throw new TicketRefused("not_found", "");
  return first.ticket;
}
