// The queue's database: tables, statements, and the writes and reads of protocol.ts carried out on them. Runs
// in the queue's own thread (every call blocks) and throws what SQLite throws.
//
// Journal WAL with `synchronous=FULL`: a commit is one write and one flush of the log. One process owns the
// file (`locking_mode=EXCLUSIVE`); a second one is told so instead of sharing it.
//
// `next_attempt` is null while the front half has the message in memory, so a message that is delivered at its
// first attempt never enters the index. After a crash the nulls are what was in flight: they are due at once.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { SPOOL_FOLDER, RECIPIENT_WINDOW } from './protocol.ts';
import type {
  AcceptWrite,
  QueueCounts,
  Read,
  SettleWrite,
  StoredMessage,
  StoredRecipient,
  Write,
} from './protocol.ts';

const DATABASE_FILE = 'queue.db';
const SCHEMA_VERSION = 1;
/** Ids set aside at a time; a restart wastes what is left of them. */
const RESERVED_IDS = 65_536;
/** Recipients one window of due messages may bring along. */
const WINDOW_RECIPIENTS = 10_000;
/** Pages of log before its content is moved into the database: 16 MiB. */
const CHECKPOINT_PAGES = 4000;
/** Page cache. Inserts go to the ends of the tables: 100,000 messages are as fast with this as with four times it. */
const CACHE_KIB = 4000;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('next_id', 65536);
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY, queue_id TEXT NOT NULL, arrived_at INTEGER NOT NULL, sender TEXT NOT NULL,
    envelope TEXT NOT NULL, size INTEGER NOT NULL, spool TEXT, held INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER, attempted_at INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX due ON messages (next_attempt, id) WHERE next_attempt IS NOT NULL AND held = 0;
  CREATE TABLE recipients (
    message INTEGER NOT NULL, place INTEGER NOT NULL, address TEXT NOT NULL, original TEXT NOT NULL,
    transport TEXT NOT NULL, nexthop TEXT NOT NULL, details TEXT, dsn TEXT, reason TEXT,
    PRIMARY KEY (message, place)) WITHOUT ROWID;
  CREATE TABLE bodies (message INTEGER PRIMARY KEY, octets BLOB NOT NULL);
`;

interface MessageRow {
  readonly id: number;
  readonly queue_id: string;
  readonly arrived_at: number;
  readonly sender: string;
  readonly envelope: string;
  readonly size: number;
  readonly spool: string | null;
  readonly held: number;
  readonly next_attempt: number | null;
  readonly attempted_at: number;
}

interface RecipientRow {
  readonly place: number;
  readonly address: string;
  readonly original: string;
  readonly transport: string;
  readonly nexthop: string;
  readonly details: string | null;
  readonly dsn: string | null;
  readonly reason: string | null;
}

const MESSAGE_COLUMNS =
  'id, queue_id, arrived_at, sender, envelope, size, spool, held, next_attempt, attempted_at';
const RECIPIENT_COLUMNS = 'place, address, original, transport, nexthop, details, dsn, reason';

function prepareStatements(database: Database.Database) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
    rollback: database.prepare('ROLLBACK'),
    insertMessage: database.prepare(
      'INSERT INTO messages (id, queue_id, arrived_at, sender, envelope, size, spool, next_attempt) VALUES (?,?,?,?,?,?,?,?)',
    ),
    insertRecipient: database.prepare(
      'INSERT INTO recipients (message, place, address, original, transport, nexthop, details) VALUES (?,?,?,?,?,?,?)',
    ),
    insertBody: database.prepare('INSERT INTO bodies (message, octets) VALUES (?,?)'),
    deleteMessage: database.prepare<[number], { spool: string | null }>(
      'DELETE FROM messages WHERE id = ? RETURNING spool',
    ),
    deleteRecipients: database.prepare('DELETE FROM recipients WHERE message = ?'),
    deleteRecipient: database.prepare('DELETE FROM recipients WHERE message = ? AND place = ?'),
    deleteBody: database.prepare('DELETE FROM bodies WHERE message = ?'),
    deferRecipient: database.prepare(
      'UPDATE recipients SET dsn = ?, reason = ? WHERE message = ? AND place = ?',
    ),
    deferMessage: database.prepare('UPDATE messages SET next_attempt = ?, attempted_at = ? WHERE id = ?'),
    makeDue: database.prepare(
      'UPDATE messages SET next_attempt = ? WHERE id = ? AND held = 0 AND next_attempt IS NOT NULL',
    ),
    hold: database.prepare('UPDATE messages SET held = ?, next_attempt = ? WHERE id = ?'),
    reserve: database.prepare<[number], { value: number }>(
      "INSERT INTO meta (name, value) VALUES ('next_id', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value",
    ),
    due: database.prepare<[number, number, number, number, number], MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE next_attempt IS NOT NULL AND held = 0
       AND (next_attempt, id) > (?, ?) AND next_attempt <= ? AND attempted_at < ? ORDER BY next_attempt, id LIMIT ?`,
    ),
    list: database.prepare<[number, number], MessageRow>(
      `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id > ? ORDER BY id LIMIT ?`,
    ),
    queueId: database.prepare<[number], { queue_id: string }>('SELECT queue_id FROM messages WHERE id = ?'),
    message: database.prepare<[number], MessageRow>(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`),
    recipients: database.prepare<[number, number, number], RecipientRow>(
      `SELECT ${RECIPIENT_COLUMNS} FROM recipients WHERE message = ? AND place > ? ORDER BY place LIMIT ?`,
    ),
    lastPlace: database.prepare<[number], { place: number }>(
      'SELECT place FROM recipients WHERE message = ? ORDER BY place DESC LIMIT 1',
    ),
    body: database.prepare<[number], { octets: Buffer }>('SELECT octets FROM bodies WHERE message = ?'),
    counts: database.prepare<[], QueueCounts>(
      `SELECT count(*) AS messages, coalesce(sum(held), 0) AS held,
       coalesce(sum(held = 0 AND next_attempt IS NOT NULL), 0) AS deferred FROM messages`,
    ),
  };
}

/** Loads the native part too, which otherwise comes with the first database. */
export function loadDatabaseCode(): void {
  new Database(':memory:').close();
}

export class QueueDatabase {
  readonly #database: Database.Database;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #spool: string;
  #durable = true;
  reservedFrom: number;
  reservedTo: number;

  /** Opens or makes the database and recovers from whatever ended the last run. */
  constructor(directory: string) {
    this.#spool = join(directory, SPOOL_FOLDER);
    mkdirSync(this.#spool, { recursive: true, mode: 0o700 });
    this.#database = new Database(join(directory, DATABASE_FILE), { timeout: 500 });
    this.#database.pragma('locking_mode = EXCLUSIVE');
    this.#database.pragma('journal_mode = WAL');
    this.#database.pragma('synchronous = FULL');
    this.#database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    this.#database.pragma(`cache_size = -${CACHE_KIB}`);
    const version = this.#database.pragma('user_version', { simple: true });
    if (version === 0) {
      this.#database.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
      syncFolders([this.#spool, directory, dirname(directory)]);
    } else if (version !== SCHEMA_VERSION) {
      throw new Error(
        `${DATABASE_FILE} has schema version ${String(version)}; this is version ${SCHEMA_VERSION}`,
      );
    }
    this.#database.exec('UPDATE messages SET next_attempt = 0 WHERE next_attempt IS NULL');
    this.#statements = prepareStatements(this.#database);
    this.#removeStrays();
    this.reservedTo = this.#reserve();
    this.reservedFrom = this.reservedTo - RESERVED_IDS;
  }

  /** One transaction; after a throw nothing of it holds. Answers spool files that nothing refers to any more. */
  writeAll(writes: readonly Write[], bodies: Uint8Array | undefined, durable: boolean): string[] {
    this.#setDurable(durable);
    const strays: string[] = [];
    let reservedTo = this.reservedTo;
    this.#statements.begin.run();
    try {
      for (const write of writes) {
        if (write.kind === 'reserve') reservedTo = this.#reserve();
        else this.#write(write, bodies, strays);
      }
      this.#statements.commit.run();
    } catch (error) {
      if (this.#database.inTransaction) this.#statements.rollback.run();
      throw error;
    }
    this.reservedTo = reservedTo;
    return strays;
  }

  unlinkSpooled(names: readonly string[]): void {
    for (const name of names) {
      try {
        unlinkSync(join(this.#spool, name));
      } catch {
        // Gone already, or it will be a stray at the next start.
      }
    }
  }

  /** After a write for which there was no space: moves the log's content into the database and gives its space back. */
  shrinkLog(): void {
    try {
      this.#database.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // No space for that either; the next failed write tries again.
    }
  }

  read(read: Read): unknown {
    switch (read.kind) {
      case 'due':
        return this.#withRecipients(
          this.#statements.due.iterate(
            read.after.nextAttempt,
            read.after.id,
            read.until,
            read.attemptedBefore,
            read.limit,
          ),
        );
      case 'list':
        return this.#withRecipients(this.#statements.list.iterate(read.after, read.limit));
      case 'message': {
        const row = this.#statements.message.get(read.id);
        return row === undefined ? undefined : this.#readMessage(row, read.afterRecipient);
      }
      case 'body':
        return this.#statements.body.get(read.id)?.octets;
      case 'known':
        return read.messages.filter(
          ({ id, queueId }) => this.#statements.queueId.get(id)?.queue_id === queueId,
        );
      case 'counts':
        return this.#statements.counts.get();
    }
  }

  close(): void {
    this.#database.close();
  }

  #write(write: Exclude<Write, { kind: 'reserve' }>, bodies: Uint8Array | undefined, strays: string[]): void {
    switch (write.kind) {
      case 'accept':
        return this.#accept(write, bodies);
      case 'settle':
        return this.#settle(write, strays);
      case 'hold':
        for (const id of write.ids) this.#statements.hold.run(write.held ? 1 : 0, write.now, id);
        return;
      case 'due':
        for (const id of write.ids) this.#statements.makeDue.run(write.now, id);
        return;
      case 'remove':
        for (const id of write.ids) this.#remove(id, strays);
    }
  }

  #accept(write: AcceptWrite, bodies: Uint8Array | undefined): void {
    const statements = this.#statements;
    const { id, queueId, arrivedAt, sender, envelope, size, spool, nextAttempt } = write;
    statements.insertMessage.run(id, queueId, arrivedAt, sender, envelope, size, spool, nextAttempt);
    if (write.held === true) statements.hold.run(1, nextAttempt, id);
    this.#insertRecipients(id, write.recipients);
    if (spool === null) {
      const octets = bodies?.subarray(write.offset, write.offset + write.length) ?? new Uint8Array(0);
      statements.insertBody.run(id, Buffer.from(octets.buffer, octets.byteOffset, octets.length));
    }
  }

  #settle(write: SettleWrite, strays: string[]): void {
    if (write.remove) {
      this.#remove(write.id, strays);
      return;
    }
    this.#insertRecipients(write.id, write.added);
    for (const index of write.done) this.#statements.deleteRecipient.run(write.id, index);
    for (const { index, dsn, reason } of write.deferred) {
      this.#statements.deferRecipient.run(dsn, reason, write.id, index);
    }
    if (write.nextAttempt !== undefined) {
      this.#statements.deferMessage.run(write.nextAttempt, write.attemptedAt ?? 0, write.id);
    }
  }

  #insertRecipients(id: number, recipients: readonly StoredRecipient[]): void {
    for (const { index, address, original, transport, nexthop, details } of recipients)
      this.#statements.insertRecipient.run(id, index, address, original, transport, nexthop, details);
  }

  #remove(id: number, strays: string[]): void {
    const spool = this.#statements.deleteMessage.get(id)?.spool;
    this.#statements.deleteRecipients.run(id);
    if (typeof spool === 'string') strays.push(spool);
    else this.#statements.deleteBody.run(id);
  }

  #withRecipients(rows: IterableIterator<MessageRow>): StoredMessage[] {
    const messages: StoredMessage[] = [];
    let recipients = 0;
    for (const row of rows) {
      const message = this.#readMessage(row, -1);
      messages.push(message);
      recipients += message.recipients.length;
      if (recipients >= WINDOW_RECIPIENTS) break;
    }
    return messages;
  }

  #readMessage(row: MessageRow, afterRecipient: number): StoredMessage {
    const rows = this.#statements.recipients.all(row.id, afterRecipient, RECIPIENT_WINDOW + 1);
    return {
      id: row.id,
      queueId: row.queue_id,
      arrivedAt: row.arrived_at,
      sender: row.sender,
      envelope: row.envelope,
      size: row.size,
      spool: row.spool,
      held: row.held !== 0,
      nextAttempt: row.next_attempt,
      attemptedAt: row.attempted_at,
      recipients: rows.slice(0, RECIPIENT_WINDOW).map(({ place, ...rest }) => ({ index: place, ...rest })),
      partial: rows.length > RECIPIENT_WINDOW,
      nextIndex: (this.#statements.lastPlace.get(row.id)?.place ?? -1) + 1,
    };
  }

  #reserve(): number {
    const row = this.#statements.reserve.get(RESERVED_IDS);
    if (row === undefined) throw new Error('the database gave no ids');
    return row.value;
  }

  /** Nothing is lost when a deletion waits for the next flush, so only acceptance pays for one. */
  #setDurable(durable: boolean): void {
    if (durable === this.#durable) return;
    this.#database.pragma(durable ? 'synchronous = FULL' : 'synchronous = NORMAL');
    this.#durable = durable;
  }

  /** Files whose row was never committed, or whose removal was. */
  #removeStrays(): void {
    const names = readdirSync(this.#spool);
    if (names.length === 0) return;
    const rows = this.#database
      .prepare<[], { spool: string }>('SELECT spool FROM messages WHERE spool IS NOT NULL')
      .all();
    const kept = new Set(rows.map((row) => row.spool));
    this.unlinkSpooled(names.filter((name) => !kept.has(name)));
  }
}

/** A new queue's own names must be on the disk before anything in it is promised. */
function syncFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    try {
      const descriptor = openSync(folder, 'r');
      fsyncSync(descriptor);
      closeSync(descriptor);
    } catch {
      // The parent may be closed to this process; whoever made the folder in it answers for its name.
    }
  }
}
