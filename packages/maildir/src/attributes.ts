// The text of a `dovecot-attributes` file: DOVECOT's file dictionary, a line with the key and a line with the value, with
// \x01 before what a line cannot hold.
//
//   priv/GUID/ENTRY, shared/GUID/ENTRY

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\x01', '1'],
  ['\0', '0'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\t', 't'],
]);
const UNESCAPES: ReadonlyMap<string, string> = new Map([...ESCAPES].map(([char, letter]) => [letter, char]));

/** Strings of one character an octet. What has no partner is passed over. */
export function parseAttributes(text: string): Map<string, string> {
  const lines = text.split('\n');
  const attributes = new Map<string, string>();
  for (let at = 0; at + 1 < lines.length; at += 2)
    attributes.set(unescape(lines[at] as string), unescape(lines[at + 1] as string));
  return attributes;
}

export function formatAttributes(attributes: ReadonlyMap<string, string>): string {
  const keys = [...attributes.keys()].sort();
  return keys.map((key) => `${escape(key)}\n${escape(attributes.get(key) ?? '')}\n`).join('');
}

function escape(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\x00\x01\n\r\t]/g, (char) => `\x01${ESCAPES.get(char) ?? ''}`);
}

function unescape(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\x01(.?)/g, (_, letter: string) => UNESCAPES.get(letter) ?? letter);
}
