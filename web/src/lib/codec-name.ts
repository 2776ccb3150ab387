/** What people call a codec, from its RFC 6381 name: "hvc1.1.6.L93.B0" is H.265. */
export function codecName(codec: string | null): string {
  if (codec === null) return "";
  if (/^avc[13]/.test(codec)) return "H.264";
  if (/^(hvc1|hev1)/.test(codec)) return "H.265";
  return codec;
}
