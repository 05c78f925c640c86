// Modified UTF-7 of mailbox names (RFC 3501 §5.1.3), both ways, and the check that a name is canonical: there is
// one spelling for every name, so that two clients cannot make two folders that look the same.

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,';
const VALUE = new Map([...BASE64].map((char, value) => [char, value]));

/** Text to modified UTF-7. Lone surrogates become U+FFFD, so that the result always decodes. */
export function encodeMailboxName(text: string): string {
  let out = '';
  let run = '';
  const flush = (): void => {
    if (run === '') return;
    const utf16 = Buffer.from(run, 'utf16le').swap16();
    out += `&${utf16.toString('base64').replaceAll('/', ',').replaceAll('=', '')}-`;
    run = '';
  };
  for (const char of text.toWellFormed()) {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20 || code > 0x7e) {
      run += char;
    } else {
      flush();
      out += char === '&' ? '&-' : char;
    }
  }
  flush();
  return out;
}

/** Modified UTF-7 to text, or undefined when `name` is not valid and canonical. */
export function decodeMailboxName(name: string): string | undefined {
  let out = '';
  let at = 0;
  /** `&..-&..-` without anything between must be one run. */
  let afterRun = false;
  while (at < name.length) {
    const char = name[at] as string;
    const code = name.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return undefined;
    if (char !== '&') {
      out += char;
      at += 1;
      afterRun = false;
      continue;
    }
    const end = name.indexOf('-', at + 1);
    if (end === -1) return undefined;
    if (end === at + 1) {
      out += '&';
      afterRun = false;
    } else {
      if (afterRun) return undefined;
      const run = decodeRun(name.slice(at + 1, end));
      if (run === undefined) return undefined;
      out += run;
      afterRun = true;
    }
    at = end + 1;
  }
  return out;
}

function decodeRun(text: string): string | undefined {
  let bits = 0;
  let count = 0;
  let out = '';
  for (const char of text) {
    const value = VALUE.get(char);
    if (value === undefined) return undefined;
    bits = ((bits << 6) | value) & 0xffffff;
    count += 6;
    if (count >= 16) {
      count -= 16;
      const unit = (bits >> count) & 0xffff;
      // Printable ASCII has to stand for itself.
      if (unit >= 0x20 && unit <= 0x7e) return undefined;
      out += String.fromCharCode(unit);
    }
  }
  // What is left over is padding: less than one character of base64, all zero.
  if (count >= 6 || (bits & ((1 << count) - 1)) !== 0 || out === '') return undefined;
  return out.isWellFormed() ? out : undefined;
}

export function isValidMailboxName(name: string): boolean {
  return decodeMailboxName(name) !== undefined;
}
