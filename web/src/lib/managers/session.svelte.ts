/** Who is signed in here. */
import { answer, api, ApiProblem, Unreachable } from "../api/client";
import type { Account, Session } from "../api/model";
import { readKey } from "../client-keys";
import { i18n, preferredLanguage } from "../i18n/i18n.svelte";

type Status = "loading" | "anonymous" | "needs_setup" | "signed_in" | "unreachable";

class SessionState {
  status = $state<Status>("loading");
  account = $state<Account | null>(null);
  server = $state<Session["server"] | null>(null);

  /** Asks the server who we are. Never throws: not knowing is a state of its own. */
  async load(): Promise<void> {
    try {
      await this.accept(await answer(api.GET("/api/v1/session")));
    } catch (error) {
      if (error instanceof Unreachable) this.status = "unreachable";
      else if (error instanceof ApiProblem && error.status === 401) await this.loadAnonymous();
      else throw error;
    }
  }

  async accept(session: Session): Promise<void> {
    // A choice made on this browser wins over the account's, until one signs in on a fresh browser.
    if (readKey("incamera.language") === null) await i18n.set(preferredLanguage([session.account.language]));
    this.account = session.account;
    this.server = session.server;
    this.status = "signed_in";
  }

  /** The session ended here or on the server. */
  end(): void {
    this.account = null;
    this.status = "anonymous";
  }

  private async loadAnonymous(): Promise<void> {
    const { needed } = await answer(api.GET("/api/v1/setup"));
    this.account = null;
    this.status = needed ? "needs_setup" : "anonymous";
  }
}

export const session = new SessionState();
