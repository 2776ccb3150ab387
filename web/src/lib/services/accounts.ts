/** What people do with their account. */
import { answer, api } from "../api/client";
import type { SignedInTerminal } from "../api/model";
import type { Language } from "../i18n/i18n.svelte";
import { devices } from "../managers/devices.svelte";
import { liveSocket } from "../managers/live";
import { preferences } from "../managers/preferences.svelte";
import { session } from "../managers/session.svelte";

export interface SetUp {
  readonly token: string;
  readonly email: string;
  readonly password: string;
  readonly nickname?: string;
  readonly country: string;
  readonly language: Language;
  readonly age_ok: boolean;
}

/** Makes the owner's account from the one-time link, and signs in. */
export async function setUp(command: SetUp): Promise<void> {
  await session.accept(await answer(api.POST("/api/v1/setup", { body: command })));
}

export async function signIn(email: string, password: string, remember: boolean): Promise<void> {
  await session.accept(await answer(api.POST("/api/v1/sign-in", { body: { email, password, remember } })));
}

export async function signOut(): Promise<void> {
  await answer(api.POST("/api/v1/sign-out"));
  leave();
}

/** Forgets on this page what belongs to the session; nothing was kept elsewhere. */
export function leave(): void {
  liveSocket.close();
  devices.stop();
  session.end();
}

export async function saveProfile(change: { nickname?: string | null; language?: Language }): Promise<void> {
  session.account = await answer(api.PATCH("/api/v1/account", { body: change }));
}

export async function chooseLanguage(language: Language): Promise<void> {
  await preferences.chooseLanguage(language);
  if (session.account && session.account.language !== language) await saveProfile({ language });
}

export async function listTerminals(): Promise<SignedInTerminal[]> {
  return (await answer(api.GET("/api/v1/sessions"))).items;
}

export async function endSession(id: string): Promise<void> {
  await answer(api.DELETE("/api/v1/sessions/{session_id}", { params: { path: { session_id: id } } }));
}

/** Every other session ends; this one goes on. */
export async function changePassword(present: string, wanted: string): Promise<void> {
  await answer(api.POST("/api/v1/account/password", { body: { current_password: present, new_password: wanted } }));
}
