// FETCH and UID FETCH: message after message, in batches, giving way to other sessions.

import { MailboxError, type MaybePromise, type MessageHandle } from '@postcote/mailbox';
import { bad, no, ok } from '../../codec/response.ts';
import { decodedPieces, UnknownEncoding } from '../../fetch/binary.ts';
import { planFetch } from '../../fetch/fetch-plan.ts';
import { fetchMessage, type FetchSettings, type Piece } from '../../fetch/message-response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import type { Selected } from '../selected.ts';
import { formatVanishedEarlier } from '../resync.ts';
import { NO_MAILBOX } from './messages.ts';

/** The promised octets of a literal could not be delivered: only closing the connection is left. */
export class BrokenLiteral extends Error {
  override readonly name = 'BrokenLiteral';
}

/** The client left in the middle of a response. */
class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

const EMPTY = Buffer.alloc(0);
/** Messages marked `\Seen` in one go. */
const SEEN_BATCH = 200;

export const FETCH: CommandRow<'fetch'> = {
  kinds: ['fetch'],
  needsMailbox: true,
  sync: 'holdExpunges',
  refresh: false,
  async run(core, command) {
    const { set, numbering, items, changedSince } = command;
    const { selected } = core;
    if (selected === undefined) return NO_MAILBOX;
    if (command.vanished === true && !core.enabled.has('QRESYNC'))
      return done(bad('Error in IMAP command UID FETCH: QRESYNC not enabled'));
    const ranges = selected.resolve(set, numbering);
    if (ranges === undefined) return done(bad('Error in IMAP command FETCH: Invalid messageset'));
    const withModseq = changedSince !== undefined;
    if (withModseq || items.some(({ kind }) => kind === 'modseq')) core.enableCondstore();
    if (command.vanished === true && changedSince !== undefined)
      core.out.text(formatVanishedEarlier(selected, { since: changedSince, asked: set }));
    const plan = planFetch(items, { numbering, readOnly: selected.readOnly, withModseq });
    const settings: FetchSettings = { plan, zone: core.settings.zone, counters: core.counters };
    const seen = new SeenMarker(selected);
    let missing = false;
    let unknownEncoding = false;
    try {
      for (const { first, last } of ranges) {
        for (let index = first; index <= last && !core.over; index++) {
          if (core.shouldBreathe) await core.breathe();
          if (changedSince !== undefined) {
            const record = selected.record(selected.uids[index] as number, index);
            if (record !== undefined && record.modseq <= changedSince) continue;
          }
          const telling = fetchOne(core, { selected, index, settings });
          const told = telling instanceof Promise ? await telling : telling;
          if (told === 'missing') missing = true;
          else if (told === 'unknownEncoding') unknownEncoding = true;
          else if (plan.setsSeen && told === 'unseen') await seen.add(selected.uids[index] as number);
        }
      }
    } finally {
      await seen.flush();
    }
    if (unknownEncoding) return done(no('Unknown Content-Transfer-Encoding.', 'UNKNOWN-CTE'));
    return done(
      missing ? ok('Some messages were already expunged.', 'EXPUNGEISSUED') : ok('Fetch completed.'),
    );
  },
};

type Told = 'missing' | 'seen' | 'unseen' | 'unknownEncoding';

function fetchOne(
  core: SessionCore,
  what: { readonly selected: Selected; readonly index: number; readonly settings: FetchSettings },
): MaybePromise<Told> {
  const { selected, index, settings } = what;
  const uid = selected.uids[index] as number;
  const record = selected.record(uid, index);
  const handle = record === undefined ? undefined : selected.mailbox.message(uid);
  if (record === undefined || handle === undefined) return 'missing';
  const message = { seq: index + 1, record, recent: selected.isRecent(uid), handle };
  const told: Told = record.flags.includes('\\Seen') ? 'seen' : 'unseen';
  let begun = false;
  const emit = (pieces: readonly Piece[]): MaybePromise<void> => {
    begun = true;
    return giveAway(core, handle, pieces);
  };
  const failed = (error: unknown): Told => {
    if (error instanceof Abandoned) return 'seen';
    if (error instanceof UnknownEncoding && !begun) return 'unknownEncoding';
    if (begun && !(error instanceof BrokenLiteral))
      throw new BrokenLiteral('message changed while sent', { cause: error });
    if (error instanceof MailboxError && error.code === 'expunged') return 'missing';
    throw error;
  };
  try {
    const telling = fetchMessage(message, settings, emit);
    return telling instanceof Promise ? telling.then(() => told, failed) : told;
  } catch (error) {
    return failed(error);
  }
}

/** At once, up to the first range of a message that has to be streamed. */
function giveAway(core: SessionCore, handle: MessageHandle, pieces: readonly Piece[]): MaybePromise<void> {
  for (const [at, piece] of pieces.entries()) {
    if (core.over) throw new Abandoned();
    if (typeof piece === 'string') core.out.text(piece);
    else if (Buffer.isBuffer(piece)) core.out.bytes(piece);
    else {
      return stream(core, handle, piece).then(() => giveAway(core, handle, pieces.slice(at + 1)));
    }
  }
  return core.shouldBreathe ? core.breathe() : undefined;
}

async function stream(
  core: SessionCore,
  handle: MessageHandle,
  { range, encoding, part }: Exclude<Piece, string | Buffer>,
): Promise<void> {
  const source = encoding === undefined ? handle.stream(range) : decodedPieces(handle, { range, encoding });
  let skip = part?.start ?? 0;
  let left = part === undefined ? range.end - range.start : part.end - part.start;
  try {
    for await (const whole of source) {
      if (core.over) return;
      const chunk = skip >= whole.length ? EMPTY : whole.subarray(skip, skip + left);
      skip = Math.max(0, skip - whole.length);
      if (chunk.length > 0) core.out.bytes(chunk);
      left -= chunk.length;
      if (core.shouldBreathe) await core.breathe();
      if (left <= 0) return;
    }
  } catch (error) {
    throw new BrokenLiteral('message could not be read to its end', { cause: error });
  }
  if (left > 0) throw new BrokenLiteral(`message ended ${left} octets early`);
}

/** Sets `\Seen` on what was sent. The client saw it in the response and is not told again. */
class SeenMarker {
  readonly #selected: Selected;
  #uids: number[] = [];

  constructor(selected: Selected) {
    this.#selected = selected;
  }

  async add(uid: number): Promise<void> {
    this.#uids.push(uid);
    if (this.#uids.length >= SEEN_BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    const uids = this.#uids;
    if (uids.length === 0) return;
    this.#uids = [];
    const known = this.#selected.known(uids);
    await this.#selected.mailbox.store(uids, { mode: 'add', flags: ['\\Seen'] });
    this.#selected.silence(known);
  }
}
