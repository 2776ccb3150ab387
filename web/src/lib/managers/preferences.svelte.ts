/** Choices kept in this browser only: theme, wall, player. Language goes to the account as well. */
import { readKey, writeKey } from "../client-keys";
import { i18n, type Language } from "../i18n/i18n.svelte";

export type Theme = "system" | "light" | "dark";
export type WallMode = "always" | "hover" | "never";
export type PlayerMode = "smooth" | "low_delay";

interface WallChoice {
  mode: WallMode;
  /** Nothing but pictures, over the whole screen: a terminal that hangs on a wall. */
  isFull: boolean;
}

interface PlayerChoice {
  mode: PlayerMode;
  volume: number;
}

class Preferences {
  theme = $state<Theme>("system");
  wall = $state<WallMode>("always");
  isWallFull = $state(false);
  playerMode = $state<PlayerMode>("smooth");
  volume = $state(1);

  /** Reads what was chosen; the returned promise is kept when the words of the language are there. */
  load(): Promise<void> {
    this.theme = readKey<Theme>("incamera.theme") ?? "system";
    const wall = readKey<WallChoice | WallMode>("incamera.wall");
    this.wall = (typeof wall === "string" ? wall : wall?.mode) ?? "always";
    this.isWallFull = typeof wall === "object" && (wall?.isFull ?? false);
    const player = readKey<PlayerChoice>("incamera.player");
    this.playerMode = player?.mode ?? "smooth";
    this.volume = player?.volume ?? 1;
    this.showTheme();
    return i18n.set(readKey<Language>("incamera.language") ?? i18n.language);
  }

  chooseTheme(theme: Theme): void {
    this.theme = theme;
    writeKey("incamera.theme", theme);
    this.showTheme();
  }

  chooseWall(choice: Partial<WallChoice>): void {
    this.wall = choice.mode ?? this.wall;
    this.isWallFull = choice.isFull ?? this.isWallFull;
    writeKey<WallChoice>("incamera.wall", { mode: this.wall, isFull: this.isWallFull });
  }

  async chooseLanguage(language: Language): Promise<void> {
    await i18n.set(language);
    writeKey("incamera.language", language);
  }

  choosePlayer(choice: Partial<PlayerChoice>): void {
    this.playerMode = choice.mode ?? this.playerMode;
    this.volume = choice.volume ?? this.volume;
    writeKey<PlayerChoice>("incamera.player", { mode: this.playerMode, volume: this.volume });
  }

  private showTheme(): void {
    const root = document.documentElement;
    if (this.theme === "system") root.removeAttribute("data-theme");
    else root.dataset["theme"] = this.theme;
  }
}

export const preferences = new Preferences();
