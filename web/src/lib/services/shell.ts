/**
 * The installed application: its own files work without a line, so that it opens at once and says what is missing.
 * Registered only after sign-in: a first visit stores nothing on the terminal (privacy book K-01).
 */
export function keepShell(): void {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  navigator.serviceWorker.register("/sw.js").catch(() => undefined); // refused storage costs the offline start only
}
