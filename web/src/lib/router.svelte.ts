/**
 * Addresses of this application: plain paths through the history API.
 *
 * Links stay ordinary `<a href>`; clicks on those that lead to one of our pages are taken over here. After a change of
 * page, focus goes to its heading, so that keyboard and screen reader start at the top.
 */
import { tick } from "svelte";

const ROUTES = {
  wall: /^\/$/,
  setup: /^\/setup$/,
  signIn: /^\/sign-in$/,
  camera: /^\/cameras\/([0-9a-f-]{36})$/,
  add: /^\/add$/,
  device: /^\/devices\/([0-9a-f-]{36})$/,
  edges: /^\/edges$/,
  me: /^\/me$/,
} as const;

export type RouteName = keyof typeof ROUTES;

export interface Route {
  readonly name: RouteName | "notFound";
  readonly id: string;
  readonly path: string;
}

/** Which page a path stands for. */
export function matchRoute(path: string): Route {
  for (const [name, pattern] of Object.entries(ROUTES)) {
    const match = pattern.exec(path);
    if (match) return { name: name as RouteName, id: match[1] ?? "", path };
  }
  return { name: "notFound", id: "", path };
}

class Router {
  route = $state.raw<Route>(matchRoute(globalThis.location?.pathname ?? "/"));

  start(): void {
    addEventListener("popstate", () => this.show());
    addEventListener("click", (event) => this.follow(event));
  }

  go(path: string, { replace = false }: { replace?: boolean } = {}): void {
    if (replace) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
    this.show();
  }

  private show(): void {
    this.route = matchRoute(location.pathname);
    scrollTo(0, 0);
    void tick().then(() => document.querySelector<HTMLElement>("h1")?.focus());
  }

  private follow(event: MouseEvent): void {
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    const link = (event.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
    if (!isPlain || event.defaultPrevented || !link || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || link.hash || matchRoute(link.pathname).name === "notFound") return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();
