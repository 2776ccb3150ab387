import { afterEach, expect, test, vi } from "vitest";
import { EventFeed, type FeedListener, type FeedSurroundings } from "./event-feed";

class Source {
  static all: Source[] = [];
  readyState = 1;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly listeners = new Map<string, (event: { data: string }) => void>();
  constructor() {
    Source.all.push(this);
  }
  addEventListener(name: string, listener: (event: { data: string }) => void): void {
    this.listeners.set(name, listener);
  }
  close(): void {
    this.readyState = 2;
  }
  say(name: string, data: string): void {
    this.listeners.get(name)?.({ data });
  }
}

/** One lock for all "tabs" of a test, granted in the order it was asked for, as the Web Locks API does. */
function surroundings(): FeedSurroundings {
  let last: Promise<unknown> = Promise.resolve();
  const request = (_: string, options: LockOptions, action: () => unknown): Promise<unknown> => {
    const aborted = new Promise((_, reject) => options.signal!.addEventListener("abort", () => reject(new Error("aborted"))));
    const run = last.then(() => (options.signal!.aborted ? undefined : action()));
    last = run.catch(() => undefined);
    return Promise.race([run, aborted]);
  };
  return {
    openSource: () => new Source() as unknown as EventSource,
    locks: { request } as unknown as LockManager,
    openChannel: (name) => new BroadcastChannel(`${name}-${Math.floor(performance.timeOrigin)}`),
  };
}

function tab(around: FeedSurroundings): { feed: EventFeed; heard: string[] } {
  const heard: string[] = [];
  const listener: FeedListener = {
    onOpen: (isAgain) => heard.push(isAgain ? "open again" : "open"),
    onRefused: () => heard.push("refused"),
    onEvent: (name, data) => heard.push(`${name} ${data}`),
  };
  return { feed: new EventFeed("/events", ["device"], listener, around), heard };
}

const opened: EventFeed[] = [];
afterEach(() => {
  for (const feed of opened.splice(0)) feed.close();
  Source.all = [];
});

test("eight tabs share one stream, and each hears everything", async () => {
  const around = surroundings();
  const tabs = Array.from({ length: 8 }, () => tab(around));
  opened.push(...tabs.map((it) => it.feed));
  await vi.waitFor(() => expect(Source.all).toHaveLength(1));

  Source.all[0]!.onopen?.();
  Source.all[0]!.say("device", "a");

  await vi.waitFor(() => expect(tabs.map((it) => it.heard)).toEqual(Array(8).fill(["open", "device a"])));
});

test("another tab takes over when the one that leads is closed", async () => {
  const around = surroundings();
  const [first, second] = [tab(around), tab(around)];
  opened.push(second.feed);
  await vi.waitFor(() => expect(Source.all).toHaveLength(1));

  first.feed.close();

  await vi.waitFor(() => expect(Source.all).toHaveLength(2));
  Source.all[1]!.say("device", "b");
  expect(second.heard).toEqual(["device b"]);
  expect(first.heard).toEqual([]);
});

test("without locks a tab follows by itself and says when the stream was lost", () => {
  const { feed, heard } = tab({ ...surroundings(), locks: null });
  opened.push(feed);
  const [source] = Source.all;

  source!.onopen?.();
  source!.onerror?.();
  source!.onopen?.();

  expect(heard).toEqual(["open", "open again"]);
});

test("a line that may be gone is replaced, and what was missed meanwhile is loaded", async () => {
  const around = surroundings();
  const { feed, heard } = tab(around);
  opened.push(feed);
  await vi.waitFor(() => expect(Source.all).toHaveLength(1));
  feed.renew();

  expect(Source.all.map((source) => source.readyState)).toEqual([2, 1]);
  Source.all[1]!.say("device", "{}");
  expect(heard).toEqual(["device {}"]);
});
