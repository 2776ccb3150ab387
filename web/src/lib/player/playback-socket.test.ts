import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Backoff } from "./backoff";
import { type PlaybackEvent, PlaybackSocket } from "./playback-socket";
import { aFrame, frameBytes, runMessage, ScriptedSocket } from "./samples.test-support";

let sockets: ScriptedSocket[];
let events: PlaybackEvent[];
let issue: () => Promise<string>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", { OPEN: 1 });
  sockets = [];
  events = [];
  let count = 0;
  issue = () => Promise.resolve(`ticket-${(count += 1)}`);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Somebody watches from 5 s on; the position was last reported at 9 s. */
async function watching(): Promise<PlaybackSocket> {
  const past = new PlaybackSocket({
    url: "ws://test/media/playback",
    ticket: () => issue(),
    listener: (event) => events.push(event),
    backoff: new Backoff(100, 1000, () => 0),
    makeSocket: () => {
      const socket = new ScriptedSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
  });
  past.play(5_000_000, 1);
  await open(0);
  sockets[0]!.say(runMessage(1, 1));
  sockets[0]!.onmessage?.({ data: frameBytes(aFrame({ handle: 1, isSync: true })) });
  past.reportPosition(9_000_000);
  return past;
}

async function open(number: number): Promise<void> {
  const socket = sockets[number]!;
  socket.accept();
  await vi.advanceTimersByTimeAsync(0);
  const ticket = socket.sent[0]!["open"];
  socket.say({ type: "opened", ticket, handle: 1, channel: "door", handles: { main: 1 }, from_us: 0, to_us: 60_000_000 });
}

const kinds = (): string[] => events.map((event) => event.kind);

test("a line that says nothing is asked, left, and gone on from where the picture is", async () => {
  await watching();
  await vi.advanceTimersByTimeAsync(6000);
  expect(sockets[0]!.sent.at(-1)).toEqual({ ping: 1 });
  await vi.advanceTimersByTimeAsync(6000);
  expect(sockets[0]!.readyState).toBe(3);
  await open(1);

  expect(sockets[1]!.sent).toEqual([{ open: "ticket-2" }, { play: { handle: 1, at_us: 9_000_000, speed: 1, request: 1 } }]);
  sockets[1]!.say(runMessage(1, 1));
  sockets[1]!.onmessage?.({ data: frameBytes(aFrame({ handle: 1, isSync: true })) });
  expect(kinds()).toEqual(["run", "frame", "waiting", "run", "frame"]);
});

test("somebody who looks at one picture for long is left alone while the server answers", async () => {
  await watching();
  for (let i = 0; i < 10; i += 1) {
    await vi.advanceTimersByTimeAsync(6000);
    sockets[0]!.say({ type: "pong" });
  }

  expect(sockets).toHaveLength(1);
});

test("the browser says that it is on line again: the line is asked and has little time", async () => {
  const past = await watching();
  past.retryNow();
  await vi.advanceTimersByTimeAsync(3500);

  expect(sockets).toHaveLength(2);
});

test("somebody looks again: the next attempt is made at once", async () => {
  const past = await watching();
  sockets[0]!.close();
  past.retryNow();

  expect(sockets).toHaveLength(2);
});

test("a line that does not open, and a ticket that does not come, are left for others", async () => {
  const past = await watching();
  const answer = issue;
  sockets[0]!.close();
  past.retryNow();
  await vi.advanceTimersByTimeAsync(8500);
  expect(sockets[1]!.readyState).toBe(3);

  issue = () => new Promise(() => undefined);
  sockets[2]!.close();
  await vi.advanceTimersByTimeAsync(500);
  sockets[3]!.accept();
  const answering = setInterval(() => sockets[3]!.say({ type: "pong" }), 1000);
  issue = answer;
  await vi.advanceTimersByTimeAsync(9000);
  clearInterval(answering);

  expect(sockets[3]!.readyState).toBe(3);
  expect(sockets).toHaveLength(5);
});

test("a server that stops is waited for; an access that ended is not", async () => {
  await watching();
  sockets[0]!.say({ type: "stopped", handle: 1, reason: "server_stopping" });
  sockets[0]!.close();
  await vi.advanceTimersByTimeAsync(200);
  await open(1);
  expect(kinds()).toEqual(["run", "frame", "waiting"]);

  sockets[1]!.say({ type: "stopped", handle: 1, reason: "revoked" });
  expect(events.at(-1)).toEqual({ kind: "stopped", reason: "revoked" });
});

test("a ticket of the server that was here before is replaced", async () => {
  const past = await watching();
  sockets[0]!.close();
  past.retryNow();
  sockets[1]!.accept();
  await vi.advanceTimersByTimeAsync(0);
  sockets[1]!.say({ type: "error", ticket: "ticket-2", code: "ticket_invalid", detail: "" });
  await vi.advanceTimersByTimeAsync(500);
  await open(2);

  expect(sockets[2]!.sent[0]).toEqual({ open: "ticket-3" });
  expect(kinds()).not.toContain("refused");
});
