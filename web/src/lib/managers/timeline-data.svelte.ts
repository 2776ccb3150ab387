/**
 * What is recorded, for the window on the screen and for the whole day under it.
 * Fetches a margin on both sides, again when the window leaves it or the zoom needs finer steps, and now and then near now.
 */
import { ApiProblem, Unreachable } from "../api/client";
import type { Timeline } from "../api/model";
import { loadTimeline } from "../services/devices";
import { type Span } from "../timeline-math";

interface Loaded {
  readonly span: Span;
  readonly resolutionS: number;
  readonly atMs: number;
  readonly timeline: Timeline;
}

const STEPS_ON_SCREEN = 1200;
const REFRESH_NEAR_NOW_MS = 10_000;
const RETRY_MS = 10_000;

export class TimelineData {
  detail = $state.raw<Timeline | null>(null);
  day = $state.raw<Timeline | null>(null);
  status = $state<"loading" | "ready" | "failed" | "refused">("loading");
  private loaded: Loaded | null = null;
  private loadedDay: Loaded | null = null;
  private pending: AbortController | null = null;
  private pendingDay: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private notBeforeMs = 0;

  constructor(private readonly channelId: string) {}

  /** The window or the time changed; fetches what is missing, a moment later. */
  want(view: Span, day: Span, nowMs: number): void {
    if (nowMs < this.notBeforeMs) return;
    const resolutionS = Math.max(1, Math.round((view.toMs - view.fromMs) / 1000 / STEPS_ON_SCREEN));
    const isDetailDue = isDue(this.loaded, view, resolutionS, nowMs);
    const isDayDue = isDue(this.loadedDay, day, 60, nowMs);
    if (!isDetailDue && !isDayDue) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(
      () => {
        if (isDetailDue) void this.loadDetail(view, resolutionS);
        if (isDayDue) void this.loadDay(day);
      },
      this.loaded ? 120 : 0,
    );
  }

  /** Asks again now after a failure. */
  retry(): void {
    this.notBeforeMs = 0;
    this.status = "loading";
  }

  close(): void {
    clearTimeout(this.timer);
    this.pending?.abort();
    this.pendingDay?.abort();
  }

  private async loadDetail(view: Span, resolutionS: number): Promise<void> {
    this.pending?.abort();
    this.pending = new AbortController();
    const length = view.toMs - view.fromMs;
    const span = { fromMs: view.fromMs - length, toMs: view.toMs + length };
    const timeline = await this.fetch(span, resolutionS, this.pending.signal);
    if (!timeline) return;
    this.loaded = { span, resolutionS, atMs: Date.now(), timeline };
    this.detail = timeline;
  }

  private async loadDay(day: Span): Promise<void> {
    this.pendingDay?.abort();
    this.pendingDay = new AbortController();
    const timeline = await this.fetch(day, 60, this.pendingDay.signal);
    if (!timeline) return;
    this.loadedDay = { span: day, resolutionS: 60, atMs: Date.now(), timeline };
    this.day = timeline;
  }

  private async fetch(span: Span, resolutionS: number, signal: AbortSignal): Promise<Timeline | null> {
    try {
      const timeline = await loadTimeline(this.channelId, span.fromMs, span.toMs, resolutionS, signal);
      this.status = "ready";
      return timeline;
    } catch (error) {
      if (!signal.aborted) this.notBeforeMs = Date.now() + RETRY_MS;
      if (error instanceof ApiProblem) this.status = error.status < 500 ? "refused" : "failed";
      else if (error instanceof Unreachable) this.status = this.detail ? this.status : "failed";
      else if (!(error instanceof DOMException)) throw error;
      return null;
    }
  }
}

function isDue(loaded: Loaded | null, wanted: Span, resolutionS: number, nowMs: number): boolean {
  if (!loaded) return true;
  const isOutside = wanted.fromMs < loaded.span.fromMs || Math.min(wanted.toMs, nowMs) > loaded.span.toMs;
  const isCoarse = loaded.resolutionS > resolutionS * 2 || loaded.resolutionS * 4 < resolutionS;
  const isOld = wanted.toMs > loaded.atMs - 60_000 && nowMs - loaded.atMs > REFRESH_NEAR_NOW_MS;
  return isOutside || isCoarse || isOld;
}
