/**
 * Words. `t("key", {name})` in either language; a missing key or language does not compile, because both files must
 * have the keys of `fr.json`. Plurals: keys ending in `.one` and `.other`, chosen by `tn`.
 */
import en from "./en.json";
import fr from "./fr.json";

export type Language = "fr" | "en";
export type MessageKey = keyof typeof fr;
type PluralBase = MessageKey extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;
type Values = Record<string, string | number>;

const MESSAGES: Record<Language, Record<MessageKey, string>> = { fr, en };
export const LANGUAGES: readonly { code: Language; name: string }[] = [
  { code: "fr", name: "Français" },
  { code: "en", name: "English" },
];

class I18n {
  language = $state<Language>(preferredLanguage(globalThis.navigator?.languages ?? []));

  set(language: Language): void {
    this.language = language;
    document.documentElement.lang = language;
  }
}

/** First language of the browser that we speak; English otherwise. */
export function preferredLanguage(languages: readonly string[]): Language {
  for (const language of languages) {
    const code = language.slice(0, 2).toLowerCase();
    if (code === "fr" || code === "en") return code;
  }
  return "en";
}

export const i18n = new I18n();

/** The message in the current language, with `{name}` replaced. */
export function t(key: MessageKey, values: Values = {}): string {
  return MESSAGES[i18n.language][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The singular or plural message for a count, which is also `{n}`. */
export function tn(base: PluralBase, count: number, values: Values = {}): string {
  const isOne = new Intl.PluralRules(i18n.language).select(count) === "one";
  const key = `${base}.${isOne ? "one" : "other"}` as MessageKey;
  return t(key, { n: formatNumber(count), ...values });
}

/** The message for a code that came from the server, or null if there is none (a newer server than this page). */
export function findMessage(key: string, values: Values = {}): string | null {
  return key in fr ? t(key as MessageKey, values) : null;
}

export function formatNumber(value: number, options: Intl.NumberFormatOptions = {}): string {
  return new Intl.NumberFormat(i18n.language, options).format(value);
}
