// Completing one address as it stands in a header: `bob` is `bob@$myorigin`, `site!bob` is `bob@site`, a source route
// goes. POSTFIX: trivial-rewrite(8): rewrite_tree. Binary strings in, binary strings out; pure.

import { type Token, innerText, isPlainAddress, quoteLocal, scanTokens } from './address-tokens.ts';

export interface RewriteRules {
  readonly swapBangpath: boolean;
  readonly allowPercentHack: boolean;
  readonly appendAtMyorigin: boolean;
  readonly appendDotMydomain: boolean;
}

/** Whose names are put in: our own, or those of `remote_header_rewrite_domain`. */
export interface RewriteContext extends RewriteRules {
  readonly origin: string;
  readonly domain: string;
}

type Word = Pick<Token, 'kind' | 'text'>;

const operator = (text: string): Word => ({ kind: 'operator', text });
const isOperator = (word: Word | undefined, text: string): boolean =>
  word?.kind === 'operator' && word.text === text;
const indexOf = (words: readonly Word[], text: string): number =>
  words.findIndex((word) => isOperator(word, text));
const lastIndexOf = (words: readonly Word[], text: string): number =>
  words.findLastIndex((word) => isOperator(word, text));

/** `external`: with quotes where they are needed. */
export function completeAddress(external: string, context: RewriteContext): string {
  return completePlain(external, context) ?? completeWords(external, context);
}

/** Nearly all addresses need no reading word by word. Undefined: this one does. */
function completePlain(external: string, context: RewriteContext): string | undefined {
  if (!isPlainAddress(external)) return undefined;
  const at = external.indexOf('@');
  if (at !== -1)
    return !context.appendDotMydomain || external.includes('.', at) || context.domain === ''
      ? external
      : undefined;
  if (external.includes('!') || external.includes('%') || !isPlainAddress(context.origin)) return undefined;
  if (!context.appendAtMyorigin) return external;
  const complete = `${external}@${context.origin}`;
  return context.appendDotMydomain && !context.origin.includes('.') ? undefined : complete;
}

function completeWords(external: string, context: RewriteContext): string {
  let words: readonly Word[] = scanTokens(external).tokens;
  const [only] = words;
  if (only === undefined || (words.length === 1 && only.kind === 'quoted' && only.text === ''))
    return quoteWords(words);
  if (words.length === 1 && isOperator(only, '@')) return '""';
  words = withoutRoute(words);
  words = withDomain(words, context);
  words = withFullDomain(words, context);
  return quoteWords(withoutLastDot(words));
}

/** RFC 5322 §4.4: a source route means nothing any more. */
function withoutRoute(words: readonly Word[]): readonly Word[] {
  const colon = isOperator(words[0], '@') ? indexOf(words, ':') : -1;
  return colon === -1 || colon === words.length - 1 ? words : words.slice(colon + 1);
}

function withDomain(words: readonly Word[], context: RewriteContext): readonly Word[] {
  if (lastIndexOf(words, '@') !== -1) return words;
  const bang = indexOf(words, '!');
  if (context.swapBangpath && bang !== -1)
    return [...words.slice(bang + 1), operator('@'), ...words.slice(0, bang)];
  const percent = lastIndexOf(words, '%');
  if (context.allowPercentHack && percent !== -1)
    return [...words.slice(0, percent), operator('@'), ...words.slice(percent + 1)];
  if (!context.appendAtMyorigin || context.origin === '') return words;
  return [...words, operator('@'), ...scanTokens(context.origin).tokens];
}

function withFullDomain(words: readonly Word[], context: RewriteContext): readonly Word[] {
  if (!context.appendDotMydomain || context.domain === '') return words;
  const at = lastIndexOf(words, '@');
  if (at === -1 || at === words.length - 1) return words;
  const domain = words.slice(at + 1);
  if (domain.some((word) => word.kind === 'literal' || isOperator(word, '.'))) return words;
  return [...words, operator('.'), ...scanTokens(context.domain).tokens];
}

function withoutLastDot(words: readonly Word[]): readonly Word[] {
  const before = words.at(-2);
  const isDangling = isOperator(words.at(-1), '.') && before !== undefined;
  return isDangling && !isOperator(before, '.') && !isOperator(before, '@') ? words.slice(0, -1) : words;
}

const quoteWords = (words: readonly Word[]): string => quoteLocal(innerText(words));
