/**
 * Trying a camera before it is saved. The server answers once, at the end; the steps shown meanwhile are what it does in
 * that order with the time each usually takes, so the last one waits for the answer instead of pretending to be done.
 */
import { ApiProblem } from "../api/client";
import type { CameraAddress, ProbeResult } from "../api/model";
import { probeCamera } from "../services/devices";
import { sentenceFor } from "../services/problems";

export const STEPS = ["reach", "sign", "picture"] as const;
const USUAL_MS = [600, 500, 3000] as const;

type Outcome =
  | { readonly kind: "none" }
  | { readonly kind: "running" }
  | { readonly kind: "proof"; readonly result: ProbeResult; readonly tookMs: number }
  | { readonly kind: "fault"; readonly fault: string; readonly certificate: string | null }
  | { readonly kind: "problem"; readonly text: string };

export class CameraTest {
  outcome = $state.raw<Outcome>({ kind: "none" });
  elapsedMs = $state(0);
  private abort: AbortController | null = null;

  /** Index of the step that is under way; the last one until the answer comes. */
  get step(): number {
    if (this.outcome.kind === "proof") return STEPS.length;
    if (this.elapsedMs < USUAL_MS[0]) return 0;
    return this.elapsedMs < USUAL_MS[0] + USUAL_MS[1] ? 1 : 2;
  }

  async run(camera: CameraAddress): Promise<void> {
    this.cancel();
    const abort = new AbortController();
    this.abort = abort;
    this.outcome = { kind: "running" };
    this.elapsedMs = 0;
    const startedMs = performance.now();
    const timer = setInterval(() => (this.elapsedMs = performance.now() - startedMs), 100);
    try {
      const result = await probeCamera(camera, abort.signal);
      this.outcome = { kind: "proof", result, tookMs: performance.now() - startedMs };
    } catch (error) {
      if (!abort.signal.aborted) this.outcome = outcomeOf(error);
    } finally {
      clearInterval(timer);
    }
  }

  cancel(): void {
    this.abort?.abort();
    this.outcome = { kind: "none" };
  }
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof ApiProblem && error.code.startsWith("camera_")) {
    return { kind: "fault", fault: error.code.slice("camera_".length), certificate: error.certificate };
  }
  return { kind: "problem", text: sentenceFor(error) };
}
