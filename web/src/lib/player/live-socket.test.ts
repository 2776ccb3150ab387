import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Backoff } from "./backoff";
import { aFrame, aRun, frameBytes, runMessage, ScriptedSocket } from "./samples.test-support";
import { type LiveEvent, LiveSocket, type Ticket, TicketRefused } from "./live-socket";

let sockets: ScriptedSocket[];
let asked: { channelId: string; streams: string[] }[];
let issue: (channelId: string, streams: string[]) => Promise<Ticket[]>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", { OPEN: 1 });
  sockets = [];
  asked = [];
  let count = 0;
  issue = (channelId, streams) => {
    asked.push({ channelId, streams });
    return Promise.resolve(streams.map((stream) => ({ stream, ticket: `${channelId}-${stream}-${(count += 1)}` })));
  };
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function aSocket(): LiveSocket {
  return new LiveSocket({
    url: "ws://test/media/live",
    tickets: (channelId, streams) => issue(channelId, streams),
    backoff: new Backoff(100, 1000, () => 0),
    makeSocket: () => {
      const socket = new ScriptedSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
  });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await Promise.resolve();
}

test("all streams of a page share one socket, and one ticket request per channel", async () => {
  const live = aSocket();
  live.subscribe("door", "main", () => undefined);
  live.subscribe("door", "audio", () => undefined);
  live.subscribe("yard", "sub", () => undefined);
  await settle();
  sockets[0]!.accept();

  expect(sockets).toHaveLength(1);
  expect(asked).toEqual([
    { channelId: "door", streams: ["main", "audio"] },
    { channelId: "yard", streams: ["sub"] },
  ]);
  expect(sockets[0]!.sent.map((message) => message["open"])).toEqual(["door-main-1", "door-audio-2", "yard-sub-3"]);
});

test("runs and frames reach the subscription of their handle only", async () => {
  const live = aSocket();
  const door: LiveEvent[] = [];
  const yard: LiveEvent[] = [];
  live.subscribe("door", "main", (event) => door.push(event));
  live.subscribe("yard", "main", (event) => yard.push(event));
  await settle();
  const socket = sockets[0]!;
  socket.accept();
  socket.say({ type: "opened", ticket: "door-main-1", handle: 7, channel: "door", stream: "main" });
  socket.say({ type: "opened", ticket: "yard-main-2", handle: 8, channel: "yard", stream: "main" });

  socket.onmessage?.({ data: frameBytes(aFrame({ handle: 8 })) });

  expect(door).toEqual([]);
  expect(yard).toEqual([{ kind: "frame", frame: aFrame({ handle: 8 }) }]);
});

test("after a lost line, new tickets are fetched and everything is opened again", async () => {
  const live = aSocket();
  const events: LiveEvent[] = [];
  live.subscribe("door", "main", (event) => events.push(event));
  await settle();
  sockets[0]!.accept();
  sockets[0]!.close();
  expect(events).toEqual([{ kind: "waiting" }]);

  await vi.advanceTimersByTimeAsync(200);
  sockets[1]!.accept();

  expect(sockets[1]!.sent).toEqual([{ open: "door-main-2" }]);
});

test("a refused ticket is not asked for again", async () => {
  const live = aSocket();
  const events: LiveEvent[] = [];
  issue = () => Promise.reject(new TicketRefused("not_found", "Not here."));
  live.subscribe("door", "main", (event) => events.push(event));
  await settle();
  sockets[0]!.accept();
  sockets[0]!.close();
  await vi.advanceTimersByTimeAsync(5000);

  expect(events).toEqual([{ kind: "refused", code: "not_found", detail: "Not here." }]);
});

test("a tile that leaves before its stream opened closes it when it opens", async () => {
  const live = aSocket();
  const subscription = live.subscribe("door", "main", () => undefined);
  await settle();
  const socket = sockets[0]!;
  socket.accept();
  subscription.close();

  socket.say({ type: "opened", ticket: "door-main-1", handle: 7, channel: "door", stream: "main" });

  expect(socket.sent.at(-1)).toEqual({ close: 7 });
});

test("a stream that was stopped for good stays stopped after a reconnect", async () => {
  const live = aSocket();
  const events: LiveEvent[] = [];
  live.subscribe("door", "main", (event) => events.push(event));
  await settle();
  sockets[0]!.accept();
  sockets[0]!.say({ type: "opened", ticket: "door-main-1", handle: 7, channel: "door", stream: "main" });
  sockets[0]!.say({ type: "stopped", handle: 7, reason: "revoked" });
  sockets[0]!.close();
  await vi.advanceTimersByTimeAsync(5000);

  expect(events).toEqual([{ kind: "stopped", reason: "revoked" }]);
  expect(asked).toHaveLength(1);
});

test("the socket closes ten seconds after the last tile is gone", async () => {
  const live = aSocket();
  const subscription = live.subscribe("door", "main", () => undefined);
  await settle();
  sockets[0]!.accept();
  subscription.close();

  await vi.advanceTimersByTimeAsync(9000);
  expect(sockets[0]!.readyState).toBe(1);
  await vi.advanceTimersByTimeAsync(2000);
  expect(sockets[0]!.readyState).toBe(3);
});

test("a run message is parsed once for its listener", async () => {
  const live = aSocket();
  const events: LiveEvent[] = [];
  live.subscribe("door", "main", (event) => events.push(event));
  await settle();
  sockets[0]!.accept();
  sockets[0]!.say({ type: "opened", ticket: "door-main-1", handle: 7, channel: "door", stream: "main" });
  const run = aRun();
  sockets[0]!.say({ type: "run", handle: 7, run: run.id, codec: run.codec, timescale: run.timescale, init: btoa(String.fromCharCode(...run.init)), wall_start_us: run.wallStartUs, decode_start: run.decodeStart, width: 1280, height: 720, gap: null });

  expect(events).toEqual([{ kind: "run", run }]);
});

async function watching(live: LiveSocket): Promise<{ close(): void }> {
  const subscription = live.subscribe("door", "main", () => undefined);
  await settle();
  const socket = sockets[0]!;
  socket.accept();
  socket.say({ type: "opened", ticket: "door-main-1", handle: 7, channel: "door", stream: "main" });
  socket.say(runMessage(7));
  for (const isSync of [true, false, true, false]) socket.onmessage?.({ data: frameBytes(aFrame({ isSync })) });
  return subscription;
}

test("who subscribes to what was just let go of has its pictures since the last sync sample, without the server", async () => {
  const live = aSocket();
  const tile = await watching(live);
  tile.close();
  const events: LiveEvent[] = [];
  live.subscribe("door", "main", (event) => events.push(event));
  await settle();

  expect(events.map((event) => (event.kind === "frame" ? event.frame.isSync : event.kind))).toEqual(["run", true, false]);
  expect(asked).toHaveLength(1);
  sockets[0]!.onmessage?.({ data: frameBytes(aFrame({ isSync: false })) });
  expect(events).toHaveLength(4);
  await vi.advanceTimersByTimeAsync(3000);
  expect(sockets[0]!.sent).toEqual([{ open: "door-main-1" }]);
});

test("a line that says nothing is asked, and left when it does not answer", async () => {
  const live = aSocket();
  await watching(live);
  await vi.advanceTimersByTimeAsync(6000);
  expect(sockets[0]!.sent.at(-1)).toEqual({ ping: 1 });
  expect(sockets).toHaveLength(1);

  await vi.advanceTimersByTimeAsync(6000);
  sockets[1]!.accept();

  expect(sockets[0]!.readyState).toBe(3);
  expect(sockets[1]!.sent).toEqual([{ open: "door-main-2" }]);
});

test("a camera that says nothing is not a line that is gone", async () => {
  const live = aSocket();
  await watching(live);
  for (let i = 0; i < 10; i += 1) {
    await vi.advanceTimersByTimeAsync(6000);
    sockets[0]!.say({ type: "pong" });
  }

  expect(sockets).toHaveLength(1);
  expect(sockets[0]!.sent.filter((message) => "ping" in message)).toHaveLength(10);
});

test("after a sleep the line is asked at once and has little time to answer", async () => {
  const live = aSocket();
  await watching(live);
  const clock = vi.spyOn(performance, "now").mockImplementation(() => Date.now());
  vi.setSystemTime(Date.now() + 3600_000); // no timer ran meanwhile
  await vi.advanceTimersByTimeAsync(1000);
  expect(sockets[0]!.sent.at(-1)).toEqual({ ping: 1 });
  await vi.advanceTimersByTimeAsync(3000);
  clock.mockRestore();

  expect(sockets[0]!.readyState).toBe(3);
  expect(sockets).toHaveLength(2);
});

test("the browser says that it is on line again: a line that seems to be there is asked", async () => {
  const live = aSocket();
  await watching(live);
  live.retryNow();
  expect(sockets[0]!.sent.at(-1)).toEqual({ ping: 1 });

  await vi.advanceTimersByTimeAsync(3500);

  expect(sockets).toHaveLength(2);
});

test("what nobody takes over is closed after a second", async () => {
  const live = aSocket();
  const tile = await watching(live);
  tile.close();

  await vi.advanceTimersByTimeAsync(1100);

  expect(sockets[0]!.sent.at(-1)).toEqual({ close: 7 });
});

test("a camera that went off line is not taken over: the server says how it is", async () => {
  const live = aSocket();
  const tile = await watching(live);
  sockets[0]!.say({ type: "state", handle: 7, state: "offline", fault: "unreachable" });
  tile.close();
  live.subscribe("door", "main", () => undefined);
  await settle();

  expect(sockets[0]!.sent.slice(1)).toEqual([{ close: 7 }, { open: "door-main-2" }]);
});

test("a line that does not open is left for another", async () => {
  const live = aSocket();
  live.subscribe("door", "main", () => undefined);
  await settle();
  await vi.advanceTimersByTimeAsync(8500);
  sockets[1]!.accept();

  expect(sockets[0]!.readyState).toBe(3);
  expect(sockets[1]!.sent).toEqual([{ open: "door-main-2" }]);
});

test("tickets that do not come are asked for again", async () => {
  const live = aSocket();
  const answer = issue;
  issue = () => new Promise(() => undefined);
  live.subscribe("door", "main", () => undefined);
  await settle();
  sockets[0]!.accept();
  issue = answer;
  const answering = setInterval(() => sockets[0]!.say({ type: "pong" }), 3000);
  await vi.advanceTimersByTimeAsync(9000);
  clearInterval(answering);

  expect(sockets[0]!.sent.at(-1)).toEqual({ open: "door-main-1" });
});
