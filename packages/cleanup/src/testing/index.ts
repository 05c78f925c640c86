// Settings and messages for tests of the stream.

import { type AddressTable, DEFAULT_ADDRESS_RULES } from '@postcote/aliases';
import { CleanupStream, type MessageFacts, type Verdict } from '../cleanup-stream.ts';
import type { CheckTable, CleanupSettings } from '../settings.ts';
import { NO_OVERRIDES } from '../settings.ts';

const rules = {
  ...DEFAULT_ADDRESS_RULES,
  myorigin: 'example.com',
  mydomain: 'example.com',
  appendDotMydomain: false,
};

export const testSettings: CleanupSettings = {
  rules,
  ports: { mydestination: { matches: ({ name }) => name === 'example.com' }, isOwnAddress: () => false },
  canonical: [],
  senderBccMaps: [],
  recipientBccMaps: [],
  remoteHeaderRewriteDomain: '',
  alwaysAddMissingHeaders: false,
  alwaysBcc: '',
  emptyAddressRecipient: 'MAILER-DAEMON',
  undisclosedRecipientsHeader: '',
  messageDropHeaders: new Set(['bcc', 'content-length', 'resent-bcc', 'return-path']),
  headerFromFormat: 'standard',
  myhostname: 'mail.example.com',
  longQueueIds: false,
  headerSizeLimit: 102_400,
  headerAddressTokenLimit: 10_240,
  bodyChecksSizeLimit: 51_200,
  mimeNestingLimit: 100,
  mimeBoundaryLengthLimit: 2048,
  lineLengthLimit: 2048,
  disableMimeInputProcessing: false,
  strict7bitHeaders: false,
  strict8bitmime: false,
  strict8bitmimeBody: false,
  strictMimeEncodingDomain: false,
};

export const localContext = { ...rules, origin: rules.myorigin, domain: rules.mydomain };

export const testFacts: MessageFacts = {
  queueId: '4A',
  sender: 'bob@example.com',
  recipient: 'alice@example.com',
  fullName: undefined,
  date: new Date('2026-11-24T22:16:34Z'),
  mailDate: 'Tue, 24 Nov 2026 22:16:34 +0000 (UTC)',
  origin: 'client[192.0.2.1]',
  protocol: 'ESMTP',
  helo: 'there',
  context: undefined,
  overrides: NO_OVERRIDES,
  goesOnWhenRefused: false,
};

/** `[['^Subject: x', 'REJECT'], …]` */
export function patternTable(rows: readonly (readonly [pattern: string, value: string])[]): CheckTable {
  return {
    describe: 'test',
    find(key) {
      const row = rows.find(([pattern]) => new RegExp(pattern, 'i').test(key));
      return row === undefined ? undefined : { value: row[1] };
    },
  };
}

export function addressTable(rows: Readonly<Record<string, string>>): AddressTable {
  return {
    describe: 'test',
    find(key) {
      const value = rows[key.toLowerCase()];
      return value === undefined ? undefined : { value };
    },
  };
}

export interface StreamRun {
  readonly text: string;
  readonly verdict: Verdict;
  readonly log: readonly string[];
}

/** `step`: octets of a chunk. */
export async function runStream(
  input: string,
  how: {
    readonly settings?: Partial<CleanupSettings>;
    readonly facts?: Partial<MessageFacts>;
    readonly step?: number;
  } = {},
): Promise<StreamRun> {
  const log: string[] = [];
  const keep = (text: string): void => void log.push(text);
  const stream = new CleanupStream(
    { ...testSettings, ...how.settings },
    { ...testFacts, ...how.facts },
    { info: keep, warn: keep },
  );
  const pieces: Buffer[] = [];
  const emit = (piece: Buffer): void => void pieces.push(Buffer.from(piece));
  const octets = Buffer.from(input, 'latin1');
  const step = how.step ?? octets.length;
  for (let at = 0; at < octets.length; at += step) {
    // A chunk is the writer's again when `write` has returned.
    const chunk = Buffer.from(octets.subarray(at, at + step));
    const taken = stream.write(chunk, emit);
    chunk.fill(0);
    await taken;
  }
  const verdict = await stream.finish(emit);
  return { text: Buffer.concat(pieces).toString('latin1'), verdict, log };
}
