/**
 * Whether the far end of a media socket is still there.
 *
 * A line that is gone without a word (a router that restarts, a machine that slept) looks like a camera that sends nothing, and
 * a browser does not see the pings of the protocol. So silence is asked about, and a question that stays without answer
 * ends the line.
 */

const SILENCE_MS = 4000;
const ANSWER_MS = 4000;
const ANSWER_AFTER_SLEEP_MS = 1500;
const LOOK_MS = 1000;
/** A line that opens, or tickets that come, later than this do so over a line that was lost meanwhile. */
export const OPENS_WITHIN_MS = 8000;

export interface Line {
  /** Asks the far end for any answer. */
  readonly ask: () => void;
  /** Nothing was heard: leave it without waiting for the far end. */
  readonly leave: () => void;
}

export class LineWatch {
  private timer: ReturnType<typeof setInterval> | undefined;
  private heardAtMs = 0;
  private lookedAtMs = 0;
  private questionEndsAtMs: number | null = null;

  constructor(private readonly line: Line) {}

  /** The line is open. */
  start(): void {
    this.stop();
    this.heardAtMs = this.lookedAtMs = performance.now();
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.questionEndsAtMs = null;
  }

  /** Something came. */
  heard(): void {
    this.heardAtMs = performance.now();
    this.questionEndsAtMs = null;
  }

  /** Something happened to the line or to this machine: it is asked at once and has little time to answer. */
  doubt(): void {
    this.question(ANSWER_AFTER_SLEEP_MS);
  }

  private look(): void {
    const nowMs = performance.now();
    const sleptMs = nowMs - this.lookedAtMs - LOOK_MS; // timers stand still while a machine sleeps or a page is frozen
    this.lookedAtMs = nowMs;
    if (sleptMs > SILENCE_MS) {
      this.questionEndsAtMs = null; // what waits unread has to be read first
      this.question(ANSWER_AFTER_SLEEP_MS);
    } else if (this.questionEndsAtMs !== null) {
      if (nowMs > this.questionEndsAtMs) this.line.leave();
    } else if (nowMs - this.heardAtMs > SILENCE_MS) {
      this.question(ANSWER_MS);
    }
  }

  private question(answerWithinMs: number): void {
    if (this.timer === undefined) return;
    const endsAtMs = performance.now() + answerWithinMs;
    this.questionEndsAtMs = Math.min(endsAtMs, this.questionEndsAtMs ?? endsAtMs);
    this.line.ask();
  }
}

/** Calls back unless the socket opens in time. */
export function opensInTime(socket: WebSocket, giveUp: () => void): void {
  setTimeout(() => {
    if (socket.readyState !== WebSocket.OPEN) giveUp();
  }, OPENS_WITHIN_MS);
}

/** Closes a socket that is not heard any more: a proper farewell would wait for the far end. */
export function hangUp(socket: WebSocket): void {
  socket.onclose = socket.onmessage = socket.onopen = null;
  socket.close();
}

/** Rejects when the promise takes longer. */
export function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("it took too long")), ms);
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
