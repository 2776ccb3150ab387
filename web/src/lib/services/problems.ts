/** What went wrong, in words for the person who looks at it. */
import { ApiProblem, Unreachable } from "../api/client";
import { findMessage, t } from "../i18n/i18n.svelte";
import { toasts } from "../managers/toasts.svelte";

/** A sentence for any error; the server's own (English) sentence where we have none for its code. */
export function sentenceFor(error: unknown): string {
  if (error instanceof Unreachable) return t("problem.unreachable");
  if (error instanceof ApiProblem) {
    return findMessage(`problem.${error.code}`) ?? (error.detail || t("problem.unknown"));
  }
  throw error; // a fault of this program: the console and the error page, not a polite sentence
}

/** Runs an action of a person; a refusal becomes a toast and `null`. */
export async function attempt<Result>(action: () => Promise<Result>): Promise<Result | null> {
  try {
    return await action();
  } catch (error) {
    toasts.show(sentenceFor(error), { tone: "warn" });
    return null;
  }
}
