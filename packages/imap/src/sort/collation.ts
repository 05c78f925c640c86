// i;unicode-casemap (RFC 5051), by which SORT and THREAD compare texts (I18NLEVEL=1, RFC 5255 §4): characters in title
// case, taken apart, compared by code point.

/** Characters of a text that are compared: what differs only beyond them keeps the order of the mailbox. */
const MAX_COMPARED = 256;

export function collationKey(text: string): string {
  const cut = text.length > MAX_COMPARED ? text.slice(0, MAX_COMPARED) : text;
  // oxlint-disable-next-line no-control-regex
  if (/^[\x00-\x7f]*$/.test(cut)) return cut.toUpperCase();
  let key = '';
  for (const char of cut) {
    const upper = char.toUpperCase();
    // Title case is one character for one: ß stays, where upper case would make two of it.
    key += upper.length === char.length ? upper : char;
  }
  return key.normalize('NFKD');
}

/** By code point, which differs from the order of UTF-16 units beyond the first plane. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}
