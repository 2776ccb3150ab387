/** Short messages at the bottom of the page; one may offer a way back. */

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "plain" | "warn";
  readonly action: { readonly label: string; readonly run: () => void } | null;
}

const SHOWN_MS = 6000;
const SHOWN_WITH_ACTION_MS = 20_000;

class Toasts {
  items = $state.raw<readonly Toast[]>([]);
  private lastId = 0;

  show(text: string, options: Partial<Pick<Toast, "tone" | "action">> & { shownMs?: number } = {}): void {
    this.lastId += 1;
    const toast: Toast = { id: this.lastId, text, tone: options.tone ?? "plain", action: options.action ?? null };
    this.items = [...this.items.slice(-2), toast];
    setTimeout(() => this.dismiss(toast.id), options.shownMs ?? (toast.action ? SHOWN_WITH_ACTION_MS : SHOWN_MS));
  }

  dismiss(id: number): void {
    this.items = this.items.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
