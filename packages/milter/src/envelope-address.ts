// Envelope addresses as filters write them: `<a@b>`, `a@b`, `"a b"@c`, `<>`. One pass; never throws.

export interface EnvelopeAddress {
  /** Unquoted. */
  readonly local: string;
  readonly domain: string | undefined;
}

const CONTROL = /[\0-\x1f\x7f]/;
const MAX_LENGTH = 1024;

/** `null` for the null address; undefined for what is no single address. */
export function parseEnvelopeAddress(text: string): EnvelopeAddress | null | undefined {
  let inner = text.trim();
  if (inner.startsWith('<')) {
    if (!inner.endsWith('>')) return undefined;
    inner = inner.slice(1, -1).trim();
  }
  if (inner === '') return null;
  if (inner.length > MAX_LENGTH || CONTROL.test(inner)) return undefined;
  // RFC 5321 §4.1.1.3: a source route means nothing.
  if (inner.startsWith('@')) inner = inner.slice(inner.indexOf(':') + 1);
  const local: string[] = [];
  let quoted = false;
  let at = 0;
  for (; at < inner.length; at++) {
    const character = inner[at] as string;
    if (character === '\\' && at + 1 < inner.length) local.push(inner[++at] as string);
    else if (character === '"') quoted = !quoted;
    else if (!quoted && character === '@') break;
    else if (!quoted && /[\s<>(),;:]/.test(character)) return undefined;
    else local.push(character);
  }
  if (quoted || local.length === 0) return undefined;
  if (at === inner.length) return { local: local.join(''), domain: undefined };
  const domain = inner.slice(at + 1);
  return domain === '' || /[\s<>(),;@"\\]/.test(domain) ? undefined : { local: local.join(''), domain };
}

const DOT_ATOM = /^[^\s"(),:;<>@[\\\]\0-\x1f\x7f.]+(?:\.[^\s"(),:;<>@[\\\]\0-\x1f\x7f.]+)*$/;

export function formatEnvelopeAddress({ local, domain }: EnvelopeAddress): string {
  const shown = DOT_ATOM.test(local) ? local : `"${local.replace(/[\\"]/g, '\\$&')}"`;
  return domain === undefined ? shown : `${shown}@${domain}`;
}

/** Whether two texts name the same recipient; only a domain's case means nothing. */
export function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [parseEnvelopeAddress(one), parseEnvelopeAddress(other)];
  if (a === undefined || b === undefined || a === null || b === null) return one === other;
  return a.local === b.local && a.domain?.toLowerCase() === b.domain?.toLowerCase();
}
