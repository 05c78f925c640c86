// What smtp_generic_maps and smtp_header_checks and kin do to mail on its way out: addresses of the envelope and of the
// header are other ones for the outside, fields and lines are left out, replaced, or noted. The message in the queue stays.
//
// POSTFIX: smtp_map11(3), hbc(3): one round through the map, and the actions IGNORE, INFO, PREPEND, REPLACE, STRIP and WARN
// alone. A table that cannot answer makes the mail wait.

import {
  type AddressTable,
  findAddress,
  formatFull,
  parseAddressList,
  parseMailbox,
  rewrite,
} from '@postcote/aliases';
import {
  askChecks,
  type CheckTable,
  findField,
  LOG_WORDS,
  MessageWalk,
  readAction,
  rewriteField,
  runSteps,
  toBinary,
  toText,
  type WalkEvent,
} from '@postcote/cleanup';
import type { PostfixSettings, TableRegistry } from '@postcote/config';
import type { OutboundBody, OutboundMessage } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import { addressRulesOf } from './address-book.ts';

type Rules = Parameters<typeof findAddress>[2];
type ChangeAddress = (address: string) => Promise<string>;

export interface RewritingPorts {
  isOwnAddress(address: string): boolean;
  readonly log: Log;
  /** `postfix/smtp` */
  readonly program: string;
}

interface Checks {
  readonly primary: CheckTable | undefined;
  readonly part: CheckTable | undefined;
  readonly nested: CheckTable | undefined;
  readonly body: CheckTable | undefined;
}

interface Rewriting {
  readonly checks: Checks;
  readonly change: ChangeAddress | undefined;
  readonly tokenLimit: number;
  readonly lineLimit: number;
  readonly bodyLimit: number;
  readonly walk: ConstructorParameters<typeof MessageWalk>[0];
  note(level: 'info' | 'warn', text: string): void;
}

/** Undefined: main.cf asks for nothing of it. */
export function outgoingRewritingOf(
  s: PostfixSettings,
  tables: TableRegistry,
  how: { readonly command: 'smtp' | 'lmtp'; readonly ports: RewritingPorts },
): ((message: OutboundMessage) => Promise<OutboundMessage>) | undefined {
  const { command, ports } = how;
  const table = (rest: string): (AddressTable & CheckTable) | undefined =>
    s.list(`${command}_${rest}`).length === 0 ? undefined : tables.parameter(s, `${command}_${rest}`);
  const generic = table('generic_maps');
  const checks: Checks = {
    primary: table('header_checks'),
    part: table('mime_header_checks'),
    nested: table('nested_header_checks'),
    body: table('body_checks'),
  };
  const hasChecks = Object.values(checks).some((one) => one !== undefined);
  if (generic === undefined && !hasChecks) return undefined;
  const rules: Rules = {
    rules: addressRulesOf(s),
    ports: {
      mydestination: tables.matchList(s, 'mydestination'),
      isOwnAddress: (address) => ports.isOwnAddress(address),
    },
  };
  const change: ChangeAddress | undefined =
    generic === undefined ? undefined : (address) => changeAddress(address, generic, rules);
  const settings: Omit<Rewriting, 'note'> = {
    checks,
    change,
    tokenLimit: s.int('header_address_token_limit'),
    lineLimit: s.int('line_length_limit'),
    bodyLimit: s.int('body_checks_size_limit'),
    walk: {
      headerSizeLimit: s.int('header_size_limit'),
      nestingLimit: s.int('mime_nesting_limit'),
      boundaryLengthLimit: s.int('mime_boundary_length_limit'),
      disableMime: false,
      reportNesting: false,
      report8bitHeader: false,
      report8bitBody: false,
      reportEncodingDomain: false,
    },
  };
  return async (message) => {
    const note = (level: 'info' | 'warn', text: string): void =>
      ports.log(level, ports.program, `${message.queueId}: ${text.replace(/\p{Cc}/gu, '?')}`);
    return await rewriteMessage(message, { ...settings, note });
  };
}

async function rewriteMessage(message: OutboundMessage, how: Rewriting): Promise<OutboundMessage> {
  const { change } = how;
  const envelope =
    change === undefined
      ? {}
      : {
          sender: message.sender === '' ? '' : await change(message.sender),
          recipients: await Promise.all(
            message.recipients.map(async (one) => ({ ...one, address: await change(one.address) })),
          ),
        };
  return {
    ...message,
    ...envelope,
    async open(): Promise<OutboundBody> {
      const body = await message.open();
      return { size: body.size, chunks: () => rewriteChunks(body.chunks(), how) };
    },
  };
}

/** generic(5). `@domain` as a result keeps the local part. */
async function changeAddress(address: string, table: AddressTable, { rules, ports }: Rules): Promise<string> {
  const parsed = parseMailbox(address);
  const mailbox = { local: parsed.local, domain: parsed.domain ?? '' };
  const hit = await findAddress(mailbox, [table], { rules, ports });
  const [first] = hit === undefined ? [] : parseAddressList(hit.value);
  if (hit === undefined || first === undefined) return address;
  const named = first.local === '' && first.domain !== undefined ? { ...first, local: mailbox.local } : first;
  const full = rewrite(named, rules);
  const extension = rules.propagateUnmatchedExtensions.has('generic') ? (hit.unmatched ?? '') : '';
  return formatFull({ local: full.local + extension, domain: full.domain });
}

const LF = 0x0a;
const CR = 0x0d;

async function* rewriteChunks(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  how: Rewriting,
): AsyncGenerator<Buffer> {
  const rewriter = new MessageRewriter(how);
  for await (const chunk of chunks) {
    const out = await rewriter.push(chunk);
    if (out.length > 0) yield out;
  }
  yield await rewriter.end();
}

/** Holds one field and one line at most. */
class MessageRewriter {
  readonly #how: Rewriting;
  readonly #walk: MessageWalk;
  #held: Buffer = Buffer.alloc(0);
  #out: string[] = [];
  /** Nothing looks at what is left. */
  #passing = false;

  constructor(how: Rewriting) {
    this.#how = how;
    this.#walk = new MessageWalk(how.walk);
  }

  async push(chunk: Buffer): Promise<Buffer> {
    if (this.#passing) return chunk;
    const octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const { lineLimit } = this.#how;
    let at = 0;
    while (at < octets.length && !this.#passing) {
      const end = octets.indexOf(LF, at);
      const stop = end === -1 ? octets.length : end;
      const textEnd = stop > at && octets[stop - 1] === CR ? stop - 1 : stop;
      if (textEnd - at > lineLimit) {
        await this.#line(octets.toString('latin1', at, at + lineLimit), false);
        at += lineLimit;
        continue;
      }
      if (end === -1) break;
      await this.#line(octets.toString('latin1', at, textEnd), true);
      at = end + 1;
    }
    this.#held = this.#passing ? Buffer.alloc(0) : Buffer.from(octets.subarray(at));
    const rest = this.#passing ? octets.subarray(at) : Buffer.alloc(0);
    return Buffer.concat([this.#take(), rest]);
  }

  async end(): Promise<Buffer> {
    if (this.#held.length > 0) await this.#line(this.#held.toString('latin1'), false);
    if (!this.#passing) for (const event of this.#walk.end()) await this.#event(event);
    return this.#take();
  }

  #take(): Buffer {
    const out = Buffer.from(this.#out.join(''), 'latin1');
    this.#out = [];
    return out;
  }

  async #line(text: string, ends: boolean): Promise<void> {
    for (const event of this.#walk.line(text, ends)) await this.#event(event);
    const { part, nested, body } = this.#how.checks;
    if (ends && this.#walk.pastHeader) this.#passing = (part ?? nested ?? body) === undefined;
  }

  async #event(event: WalkEvent): Promise<void> {
    if (event.kind === 'field') return await this.#field(event);
    if (event.kind === 'headerEnd') return;
    const { text, ends, offset } = event;
    const { checks, bodyLimit } = this.#how;
    const asked = checks.body !== undefined && (bodyLimit === 0 || offset < bodyLimit);
    const kept = asked ? await this.#check(checks.body, { text, name: '', title: 'body_checks' }) : text;
    if (kept !== undefined) this.#out.push(kept, ends ? '\r\n' : '');
  }

  async #field({ part, name, text }: Extract<WalkEvent, { kind: 'field' }>): Promise<void> {
    const { checks, change, tokenLimit } = this.#how;
    const kind = findField(name.toLowerCase());
    const place = kind?.mime === true ? 'part' : part;
    const title =
      place === 'primary'
        ? 'header_checks'
        : place === 'part'
          ? 'mime_header_checks'
          : 'nested_header_checks';
    const kept = await this.#check(checks[place], { text, name, title });
    if (kept === undefined) return;
    if (change === undefined || part !== 'primary' || kind?.holds === undefined) return this.#put(kept);
    const changed = await rewriteField(kept, {
      tokenLimit,
      changes: [async (address) => toBinary(await change(toText(address)))],
    });
    this.#put(changed);
  }

  /** The field or line as it is then; undefined: it is left out. */
  async #check(
    table: CheckTable | undefined,
    { text, name, title }: { readonly text: string; readonly name: string; readonly title: string },
  ): Promise<string | undefined> {
    if (table === undefined) return text;
    const value = await runSteps(askChecks(table, text, name));
    if (value === undefined) return text;
    const where = name === '' ? 'body' : 'header';
    const action = readAction(value, where, title);
    const say = (word: string, more: string): void =>
      this.#how.note(
        'info',
        `${word}: ${where} ${toText(text.slice(0, 200))}${more === '' ? '' : `: ${toText(more)}`}`,
      );
    switch (action.kind) {
      case 'ignore':
        return undefined;
      case 'strip':
        say(LOG_WORDS.strip, action.text);
        return undefined;
      case 'info':
      case 'warn':
        say(LOG_WORDS[action.kind], action.text);
        return text;
      case 'prepend':
        say(LOG_WORDS.prepend, action.text);
        if (where === 'header') this.#put(action.text);
        else this.#out.push(action.text, '\r\n');
        return text;
      case 'replace':
        say(LOG_WORDS.replace, action.text);
        return action.text;
      case 'none':
        if (action.warning !== undefined) this.#how.note('warn', toText(action.warning));
        return text;
      default:
        // POSTFIX: it is too late for the others.
        this.#how.note(
          'warn',
          `${title}: the action "${toText(value.slice(0, 60))}" is not for mail on its way out`,
        );
        return text;
    }
  }

  #put(field: string): void {
    this.#out.push(field.replace(/\n(?![ \t])/g, '\n\t').replaceAll('\n', '\r\n'), '\r\n');
  }
}
