/**
 * Words, of one language at a time: another is fetched when it is chosen. `t("key", {name})` speaks it; a missing key does
 * not compile, because every file must have the keys of `fr.json`. Plurals: keys ending in `.one` and `.other`, chosen by
 * `tn`.
 */
import type fr from "./fr.json";

export type MessageKey = keyof typeof fr;
type PluralBase = MessageKey extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;
type Values = Record<string, string | number>;

type Messages = Record<MessageKey, string>;

/** Every language there is: its own name, the locale of its dates, its words. */
export const LANGUAGES = [
  { code: "fr", name: "Français", locale: "fr-FR", load: () => import("./fr.json") },
  { code: "en", name: "English", locale: "en-GB", load: () => import("./en.json") },
] as const satisfies readonly { code: string; name: string; locale: string; load: () => Promise<{ default: Messages }> }[];

export type Language = (typeof LANGUAGES)[number]["code"];

class I18n {
  language = $state<Language>(preferredLanguage(globalThis.navigator?.languages ?? []));

  private messages = $state.raw<Messages | null>(null);
  private wanted: Language | null = null;

  /** Fetches the words and then speaks that language; rejects where they cannot be had. Awaited once before the start. */
  async set(language: Language): Promise<void> {
    this.wanted = language;
    const { default: messages } = await find(language).load();
    if (this.wanted !== language) return; // another was chosen meanwhile
    this.messages = messages;
    this.language = language;
    document.documentElement.lang = language;
  }

  /** For dates and times. */
  get locale(): string {
    return find(this.language).locale;
  }

  message(key: MessageKey): string | undefined {
    return this.messages?.[key];
  }
}

function find(language: Language): (typeof LANGUAGES)[number] {
  return LANGUAGES.find((one) => one.code === language) ?? LANGUAGES[0];
}

/** First language of the browser that we speak; English otherwise. */
export function preferredLanguage(languages: readonly string[]): Language {
  for (const language of languages) {
    const spoken = LANGUAGES.find((one) => one.code === language.slice(0, 2).toLowerCase());
    if (spoken) return spoken.code;
  }
  return "en";
}

export const i18n = new I18n();

/** The message in the current language, with `{name}` replaced. */
export function t(key: MessageKey, values: Values = {}): string {
  return (i18n.message(key) ?? key).replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The singular or plural message for a count, which is also `{n}`. */
export function tn(base: PluralBase, count: number, values: Values = {}): string {
  const isOne = new Intl.PluralRules(i18n.language).select(count) === "one";
  const key = `${base}.${isOne ? "one" : "other"}` as MessageKey;
  return t(key, { n: formatNumber(count), ...values });
}

/** The message for a code that came from the server, or null if there is none (a newer server than this page). */
export function findMessage(key: string, values: Values = {}): string | null {
  return i18n.message(key as MessageKey) === undefined ? null : t(key as MessageKey, values);
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(i18n.language, options).format(value);
}
