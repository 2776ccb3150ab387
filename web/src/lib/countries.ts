/** Countries offered at set-up: those with a known age of consent first in mind, the rest of the world after them. */

const CODES =
  "AD AE AF AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CF CG CH CI CL CM CN CO CR CU CV CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW GY HN HR HT HU ID IE IL IN IQ IR IS IT JM JO JP KE KG KH KI KM KN KP KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MM MN MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR NZ OM PA PE PG PH PK PL PS PT PW PY QA RO RS RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SY SZ TD TG TH TJ TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VN VU WS XK YE ZA ZM ZW".split(
    " ",
  );

export interface Country {
  readonly code: string;
  readonly name: string;
}

/** All countries by their name in that language, in its alphabetical order. */
export function countries(language: string): Country[] {
  const names = new Intl.DisplayNames([language], { type: "region" });
  return CODES.map((code) => ({ code, name: names.of(code) ?? code })).sort((a, b) => a.name.localeCompare(b.name, language));
}

/** The country a browser's language names ("fr-CA"), or null; a guess to start from, nothing is asked of anybody. */
export function guessCountry(languages: readonly string[]): string | null {
  for (const language of languages) {
    const region = new Intl.Locale(language).region;
    if (region && CODES.includes(region)) return region;
  }
  return null;
}
