// A row of master.cf that runs pipe(8): read on the privileged side, carried out by a worker under its user. The front
// supplies addresses and nothing else. POSTFIX: pipe(8) of 3.7, attributes, flags and macros.

import type { ClientFacts } from './command-environment.ts';

export interface PipeService {
  readonly name: string;
  /** `user` or `user:group`. */
  readonly user: string;
  readonly group: string;
  readonly argv: readonly [program: string, ...args: string[]];
  readonly flags: string;
  readonly directory: string;
  /** 0: no limit. */
  readonly size: number;
  readonly nullSender: string;
  readonly lineEnd: string;
}

const FLAGS = 'BDFORXhqu.>';
const MACROS: ReadonlySet<string> = new Set([
  'nexthop',
  'recipient',
  'original_recipient',
  'sender',
  'user',
  'extension',
  'mailbox',
  'domain',
  'size',
  'client_address',
  'client_hostname',
  'client_port',
  'client_protocol',
  'client_helo',
  'sasl_method',
  'sasl_username',
  'sasl_sender',
  'queue_id',
]);

/** The words of a row after the program's name. A string is the complaint. */
export function parsePipeService(name: string, words: readonly string[]): PipeService | string {
  let user = '';
  let group = '';
  let flags = '';
  let directory = '';
  let size = 0;
  let nullSender = 'MAILER-DAEMON';
  let lineEnd = '\n';
  for (const [index, word] of words.entries()) {
    const equals = word.indexOf('=');
    const attribute = word.slice(0, equals).toLowerCase();
    const value = word.slice(equals + 1);
    switch (equals === -1 ? '' : attribute) {
      case 'user':
        [user = '', group = ''] = value.split(':');
        break;
      case 'flags': {
        const unknown = [...value].find((flag) => !FLAGS.includes(flag));
        if (unknown !== undefined) return `flags=${value}: "${unknown}" is not known`;
        flags = value;
        break;
      }
      case 'directory':
        directory = value;
        break;
      case 'chroot':
        return 'chroot= is not supported: run the command without it';
      case 'eol':
        lineEnd = unescape(value);
        break;
      case 'null_sender':
        nullSender = value;
        break;
      case 'size':
        if (!/^\d{1,15}$/.test(value)) return `size=${value} is not a number`;
        size = Number(value);
        break;
      case 'argv': {
        const argv = [value, ...words.slice(index + 1).map(stripBraces)];
        return finish({ name, user, group, argv, flags, directory, size, nullSender, lineEnd });
      }
      default:
        return `"${word}" is not an attribute of pipe(8)`;
    }
  }
  return 'there is no argv=';
}

function finish(
  service: Omit<PipeService, 'argv'> & { readonly argv: readonly string[] },
): PipeService | string {
  const [program, ...args] = service.argv;
  if (service.user === '') return 'there is no user=';
  if (program === undefined || program === '') return 'argv= is empty';
  for (const word of service.argv) {
    for (const [, plain, braced, parenthesised] of word.matchAll(MACRO)) {
      const macro = plain ?? braced ?? parenthesised;
      if (macro !== undefined && !MACROS.has(macro))
        return `"$${macro}" in "${word}" is not a macro of pipe(8)`;
    }
  }
  return { ...service, argv: [program, ...args] };
}

// master.cf(5): `{ … }` is one word whatever stands in it.
const stripBraces = (word: string): string => /^\{\s*(.*?)\s*\}$/s.exec(word)?.[1] ?? word;

function unescape(text: string): string {
  return text.replace(
    /\\([nrt0\\])/g,
    (_, char: string) => ({ n: '\n', r: '\r', t: '\t', '0': '\0' })[char] ?? char,
  );
}

export interface PipeRecipient {
  readonly address: string;
  readonly original: string;
}

export interface PipeEnvelope {
  readonly sender: string;
  readonly nexthop: string;
  readonly size: number;
  readonly queueId: string;
  readonly recipients: readonly PipeRecipient[];
  readonly client: ClientFacts;
}

const MACRO = /\$\$|\$(?:([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\}|\(([A-Za-z0-9_]+)\))/g;
const OF_RECIPIENT: ReadonlySet<string> = new Set([
  'recipient',
  'original_recipient',
  'user',
  'extension',
  'mailbox',
  'domain',
]);

/** A word that names a recipient is there once for each. */
export function expandArgv(
  service: PipeService,
  envelope: PipeEnvelope,
  delimiter: string,
): [string, ...string[]] {
  const common = commonMacros(service, envelope);
  const words = service.argv.flatMap((word) => {
    const names = [...word.matchAll(MACRO)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
    if (!names.some((name) => OF_RECIPIENT.has(name))) return [fill(word, common)];
    return envelope.recipients.map((one) =>
      fill(word, { ...common, ...recipientMacros(one, service, delimiter) }),
    );
  });
  return words as [string, ...string[]];
}

function fill(word: string, values: Readonly<Record<string, string>>): string {
  return word.replace(MACRO, (found, plain?: string, braced?: string, parenthesised?: string) =>
    found === '$$' ? '$' : (values[plain ?? braced ?? parenthesised ?? ''] ?? ''),
  );
}

function commonMacros({ flags, nullSender }: PipeService, envelope: PipeEnvelope): Record<string, string> {
  const { client, nexthop } = envelope;
  const sender = envelope.sender === '' ? nullSender : envelope.sender;
  return {
    sender: flags.includes('q') ? quoteLocal(sender) : unquoteLocal(sender),
    nexthop: flags.includes('h') ? nexthop.toLowerCase() : nexthop,
    size: String(envelope.size),
    queue_id: envelope.queueId,
    client_address: client.address ?? '',
    client_hostname: client.hostname ?? '',
    client_port: client.port ?? '',
    client_protocol: client.protocol ?? '',
    client_helo: client.helo ?? '',
    sasl_method: client.saslMethod ?? '',
    sasl_username: client.saslUsername ?? '',
    sasl_sender: client.saslSender ?? '',
  };
}

function recipientMacros(
  { address, original }: PipeRecipient,
  { flags }: PipeService,
  delimiter: string,
): Record<string, string> {
  const bare = fold(unquoteLocal(address), flags);
  const at = bare.lastIndexOf('@');
  const mailbox = at === -1 ? bare : bare.slice(0, at);
  const cut = [...mailbox].findIndex((char, index) => index > 0 && delimiter.includes(char));
  const quote = (text: string): string => (flags.includes('q') ? quoteLocal(text) : unquoteLocal(text));
  return {
    recipient: fold(quote(address), flags),
    original_recipient: fold(quote(original), flags),
    mailbox,
    domain: at === -1 ? '' : bare.slice(at + 1),
    user: cut === -1 ? mailbox : mailbox.slice(0, cut),
    extension: cut === -1 ? '' : mailbox.slice(cut + 1),
  };
}

function fold(address: string, flags: string): string {
  const at = address.lastIndexOf('@');
  const [local, domain] = at === -1 ? [address, ''] : [address.slice(0, at), address.slice(at)];
  return (
    (flags.includes('u') ? local.toLowerCase() : local) +
    (flags.includes('h') ? domain.toLowerCase() : domain)
  );
}

/** Addresses travel in their external form. */
function unquoteLocal(address: string): string {
  const match = /^"((?:[^"\\]|\\.)*)"(@.*)?$/s.exec(address);
  return match === null ? address : (match[1] ?? '').replace(/\\(.)/gs, '$1') + (match[2] ?? '');
}

const quoteLocal = (address: string): string => address;
