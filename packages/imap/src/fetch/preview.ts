// PREVIEW (RFC 8970): the first words of a message's text, for lists of messages. Bounded; never throws on content.

import type { MessageHandle } from '@postcote/mailbox';
import {
  decodeCharset,
  decodeParameter,
  decodeTransferEncoding,
  type LeafPart,
  type MessageStructure,
  type MimePart,
} from '@postcote/mime';

/** DOVECOT: characters of a preview; RFC 8970 §3.2 allows 256. */
const MAX_CHARACTERS = 200;
/** Octets of the part that are looked at. */
const MAX_READ = 64 * 1024;
const MAX_PARTS_SEEN = 1000;

export async function previewOf(handle: MessageHandle, { root }: MessageStructure): Promise<string> {
  const part = firstText(root);
  if (part === undefined) return '';
  const end = Math.min(part.bodyEnd, part.bodyStart + MAX_READ);
  if (end <= part.bodyStart) return '';
  const octets = decodeTransferEncoding(await handle.read({ start: part.bodyStart, end }), part.encoding);
  const text = decodeCharset(octets, decodeParameter(part.parameters, 'charset') ?? 'us-ascii');
  return /^html$/i.test(part.subtype) ? cut(textOfHtml(text)) : previewOfPlain(text);
}

/** The first part of text that is no attachment. */
function firstText(root: MimePart): LeafPart | undefined {
  const rest: MimePart[] = [root];
  for (let seen = 0; seen < MAX_PARTS_SEEN; seen++) {
    const part = rest.pop();
    if (part === undefined) return undefined;
    if (part.kind === 'multipart') {
      for (let at = part.children.length - 1; at >= 0; at--) rest.push(part.children[at] as MimePart);
    } else if (part.kind === 'leaf' && /^text$/i.test(part.type)) {
      if (!/^attachment$/i.test(part.disposition?.type ?? '')) return part;
    }
  }
  return undefined;
}

/** DOVECOT: quoted lines are shown only where there is nothing else. */
function previewOfPlain(text: string): string {
  const lines = text.slice(0, MAX_READ).split('\n');
  const own = cut(lines.filter((line) => !line.startsWith('>')).join('\n'));
  if (own !== '') return own;
  const quoted = cut(lines.map((line) => line.replace(/^[> ]+/, '')).join('\n'));
  return quoted === '' ? '' : cut(`>${quoted}`);
}

function cut(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const words = text.replace(/[\x00-\x20\x7f\u00a0\u200b-\u200f\ufeff]+/g, ' ').trim();
  let end = 0;
  for (let count = 0; count < MAX_CHARACTERS && end < words.length; count++)
    end += (words.codePointAt(end) as number) > 0xffff ? 2 : 1;
  return words.slice(0, end).trim();
}

/** Elements whose content nobody reads. */
const HIDDEN: ReadonlySet<string> = new Set(['style', 'script', 'blockquote']);

/** What is left of HTML without its tags: one walk, no tree. */
function textOfHtml(html: string): string {
  let text = '';
  let hidden: string | undefined;
  for (let at = 0; at < html.length && text.length < 4 * MAX_CHARACTERS;) {
    const open = html.indexOf('<', at);
    const end = open === -1 ? html.length : open;
    if (hidden === undefined) text += decodeEntities(html.slice(at, end));
    if (open === -1) break;
    const comment = html.startsWith('<!--', open);
    const close = comment ? html.indexOf('-->', open) : html.indexOf('>', open);
    if (close === -1) break;
    const tag = /^<(\/?)([a-z0-9]{1,20})/i.exec(html.slice(open, open + 24));
    const name = tag?.[2]?.toLowerCase() ?? '';
    if (hidden === undefined) {
      if (tag?.[1] === '' && HIDDEN.has(name)) hidden = name;
      else if (!INLINE.has(name)) text += ' ';
    } else if (tag?.[1] === '/' && name === hidden) {
      hidden = undefined;
    }
    at = close + (comment ? 3 : 1);
  }
  return text;
}

const INLINE: ReadonlySet<string> = new Set(['a', 'b', 'em', 'font', 'i', 'span', 'strong', 'u']);

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['nbsp', ' '],
  ['quot', '"'],
]);

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hex, name) => {
    if (typeof name === 'string') return ENTITIES.get(name.toLowerCase()) ?? whole;
    const code = typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
      ? String.fromCodePoint(code)
      : ' ';
  });
}
