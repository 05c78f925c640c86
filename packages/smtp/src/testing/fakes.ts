// Stand-ins for what SMTP sessions need from the world: a queue in memory, a DNS made of a table, users with
// passwords, a clock that stands still.

import { type Log, type LogLevel, type LoginRequest, type LoginVerdict } from '@postcote/wire';
import type { SmtpPorts } from '../conversation.ts';
import type {
  AcceptedEnvelope,
  AddressClass,
  Addresses,
  Clock,
  Dns,
  DnsAnswer,
  EnvelopeMailbox,
  IncomingMessage,
  MessageQueue,
  MxRecord,
  Sasl,
  SaslStep,
} from '../ports.ts';
import { AcceptError } from '../ports.ts';

export interface QueuedMessage {
  readonly queueId: string;
  readonly envelope: Omit<AcceptedEnvelope, 'messageSize'>;
  readonly octets: string;
}

export class FakeQueue implements MessageQueue {
  readonly messages: QueuedMessage[] = [];
  begun = 0;
  aborted = 0;
  room = Number.POSITIVE_INFINITY;
  /** Thrown by the operation of that name. */
  readonly faults: Partial<Record<'begin' | 'write' | 'commit', Error>> = {};
  /** Each write takes this promise's time. */
  slow: (() => Promise<void>) | undefined;

  hasRoomFor(octets: number): Promise<boolean> {
    return Promise.resolve(octets <= this.room);
  }

  async begin(envelope: Omit<AcceptedEnvelope, 'messageSize'>): Promise<IncomingMessage> {
    if (this.faults.begin !== undefined) throw this.faults.begin;
    const queueId = `Q${++this.begun}`;
    const pieces: Buffer[] = [];
    let kept = envelope;
    return {
      queueId,
      amend(changed) {
        kept = changed;
      },
      write: (chunk) => {
        if (this.faults.write !== undefined) return Promise.reject(this.faults.write);
        pieces.push(Buffer.from(chunk));
        return this.slow?.();
      },
      commit: async () => {
        if (this.faults.commit !== undefined) throw this.faults.commit;
        this.messages.push({ queueId, envelope: kept, octets: Buffer.concat(pieces).toString('latin1') });
        return { queueId };
      },
      abort: async () => {
        this.aborted++;
      },
    };
  }
}

export const noSpace = (): AcceptError => new AcceptError('noSpace', 'no space left on device');

/** Records of a name, by type; `SERVFAIL` for a zone that is broken. Everything else does not exist. */
export interface FakeZone {
  readonly mx?: Readonly<Record<string, readonly MxRecord[]>>;
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
  readonly reverse?: Readonly<Record<string, readonly string[]>>;
  readonly txt?: Readonly<Record<string, readonly string[]>>;
  readonly ns?: Readonly<Record<string, readonly string[]>>;
  /** Names that exist without the record asked for. */
  readonly empty?: readonly string[];
  readonly broken?: readonly string[];
}

export class FakeDns implements Dns {
  readonly asked: string[] = [];
  readonly #zone: FakeZone;

  constructor(zone: FakeZone = {}) {
    this.#zone = zone;
  }

  mx = (name: string): Promise<DnsAnswer<MxRecord>> => this.#answer('MX', name, this.#zone.mx);
  addresses = (name: string): Promise<DnsAnswer<string>> => this.#answer('A', name, this.#zone.addresses);
  reverse = (address: string): Promise<DnsAnswer<string>> => this.#answer('PTR', address, this.#zone.reverse);
  txt = (name: string): Promise<DnsAnswer<string>> => this.#answer('TXT', name, this.#zone.txt);
  ns = (name: string): Promise<DnsAnswer<string>> => this.#answer('NS', name, this.#zone.ns);

  async #answer<T>(
    type: string,
    name: string,
    table: Readonly<Record<string, readonly T[]>> | undefined,
  ): Promise<DnsAnswer<T>> {
    this.asked.push(`${type} ${name}`);
    const key = name.toLowerCase();
    if (this.#zone.broken?.includes(key) === true)
      return { kind: 'failed', reason: 'Host not found, try again' };
    const records = table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
    if (records !== undefined) return { kind: 'found', records };
    const tables = [this.#zone.mx, this.#zone.addresses, this.#zone.txt];
    const exists =
      this.#zone.empty?.includes(key) === true ||
      tables.some((t) => t !== undefined && Object.hasOwn(t, key));
    return { kind: 'absent', nxdomain: !exists };
  }
}

/** Addresses of a site whose domains and users are lists. */
export class FakeAddresses implements Addresses {
  readonly #classes: ReadonlyMap<string, AddressClass>;
  readonly #users: ReadonlySet<string>;

  constructor(classes: Readonly<Record<string, AddressClass>>, users: readonly string[]) {
    this.#classes = new Map(Object.entries(classes));
    this.#users = new Set(users);
  }

  classify({ domain }: EnvelopeMailbox): AddressClass {
    return domain === undefined ? 'local' : (this.#classes.get(domain.toLowerCase()) ?? 'default');
  }

  async verify(mailbox: EnvelopeMailbox): ReturnType<Addresses['verify']> {
    const kind = this.classify(mailbox);
    const name = (mailbox.local.split('+', 1)[0] ?? '').toLowerCase();
    if (kind === 'default' || kind === 'relay' || this.#users.has(name))
      return { kind: 'known', class: kind };
    return { kind: 'unknown', class: kind, text: 'User unknown in local recipient table' };
  }
}

const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

/** PLAIN and LOGIN, just enough of them: the real ones have tests of their own. */
export const fakeSasl: Sasl = {
  mechanisms: ['PLAIN', 'LOGIN'],
  startSasl(mechanism, initial) {
    if (mechanism === 'PLAIN') return initial === undefined ? challenge('', plain) : plain(initial);
    const password = (user: string): SaslStep =>
      challenge(encode('Password:'), (line) => ({
        kind: 'credentials',
        authzid: '',
        user: decode(user),
        password: decode(line),
      }));
    if (mechanism === 'LOGIN')
      return initial === undefined ? challenge(encode('Username:'), password) : password(initial);
    return { kind: 'unknownMechanism' };
  },
};

function challenge(text: string, read: (line: string) => SaslStep): SaslStep {
  return { kind: 'challenge', text, next: (line) => (line === '*' ? { kind: 'cancelled' } : read(line)) };
}

function plain(line: string): SaslStep {
  const [authzid, user, password, ...rest] = decode(line).split('\0');
  if (user === undefined || password === undefined || rest.length > 0)
    return { kind: 'malformed', reason: 'too few fields' };
  return { kind: 'credentials', authzid: authzid ?? '', user, password };
}

export interface LogEntry {
  readonly level: LogLevel;
  readonly program: string;
  readonly message: string;
}

/** A clock that stands still; `slept` lists the naps asked for, which end at once. */
export class FakeClock implements Clock {
  readonly slept: number[] = [];
  time = new Date('2026-11-24T20:53:09Z');
  now = (): Date => this.time;
  sleep = async (ms: number): Promise<void> => {
    this.slept.push(ms);
  };
}

export interface FakeWorld {
  readonly ports: SmtpPorts;
  readonly queue: FakeQueue;
  readonly dns: FakeDns;
  readonly clock: FakeClock;
  readonly logins: LoginRequest[];
  readonly log: LogEntry[];
  /** Log messages in order. */
  logLines(): string[];
}

export interface FakeWorldOptions {
  readonly zone?: FakeZone;
  readonly classes?: Readonly<Record<string, AddressClass>>;
  readonly users?: readonly string[];
  readonly passwords?: Readonly<Record<string, string>>;
  readonly login?: (request: LoginRequest) => Promise<LoginVerdict>;
}

export function fakeWorld(options: FakeWorldOptions = {}): FakeWorld {
  const log: LogEntry[] = [];
  const write: Log = (level, program, message) => log.push({ level, program, message });
  const logins: LoginRequest[] = [];
  const passwords = new Map(Object.entries(options.passwords ?? { alice: 'secret' }));
  const login = async (request: LoginRequest): Promise<LoginVerdict> =>
    passwords.get(request.user) === request.password
      ? { kind: 'granted', user: request.user }
      : { kind: 'refused', message: 'no' };
  const queue = new FakeQueue();
  const dns = new FakeDns(options.zone);
  const clock = new FakeClock();
  const classes = options.classes ?? {
    'example.com': 'local',
    localhost: 'local',
    'mail.example.com': 'local',
  };
  const addresses = new FakeAddresses(classes, options.users ?? ['alice', 'bob', 'postmaster']);
  const ports: SmtpPorts = {
    dns,
    sasl: fakeSasl,
    addresses,
    queue,
    clock,
    log: write,
    login: (request) => {
      logins.push(request);
      return (options.login ?? login)(request);
    },
  };
  return { ports, queue, dns, clock, logins, log, logLines: () => log.map(({ message }) => message) };
}
