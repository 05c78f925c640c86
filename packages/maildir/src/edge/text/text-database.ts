// One user's texts on disk: an SQLite database with trigrams of all texts (FTS5) and the texts themselves in compressed
// blocks. Trigrams say quickly which messages may hold a needle; the texts tell which do.
//
// Every call blocks, so callers keep them short. Throws what SQLite throws; `TextIndex` decides what that means.

import type Database from 'better-sqlite3';
import {
  packTexts,
  TEXT_VERSION,
  trigramText,
  uidsOf,
  unpackTexts,
  type MessageTexts,
  type PackedTexts,
} from '../../message-texts.ts';

/** Another one means that the database is made anew. Unicode's tables are part of how texts are folded. */
const SCHEMA = `1.${TEXT_VERSION}.${process.versions['unicode'] ?? ''}`;
/** Texts of one block before they are compressed: what a search has to unpack for one message. */
const BLOCK_OCTETS = 96 * 1024;
const CACHE_KIB = 1024;
/** Pages of log before they are moved into the database: 2 MiB at a time hold nobody up. */
const CHECKPOINT_PAGES = 500;

const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE boxes (id INTEGER PRIMARY KEY, guid TEXT NOT NULL, uidvalidity INTEGER NOT NULL, UNIQUE (guid, uidvalidity));
  CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, box INTEGER NOT NULL, octets INTEGER NOT NULL, numbers BLOB NOT NULL, texts BLOB NOT NULL);
  CREATE INDEX blocks_of_box ON blocks (box, id);
  CREATE VIRTUAL TABLE trigrams USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1');
`;

export interface BoxIdentity {
  readonly guid: string;
  readonly uidValidity: number;
}

export interface TextBlock {
  readonly id: number;
  readonly uids: readonly number[];
  /** Those of `uids` of which nothing is kept. */
  readonly opaque: readonly number[];
}

interface BlockRow {
  readonly id: number;
  readonly octets: number;
  readonly numbers: Buffer;
  readonly texts: Buffer;
}

/** Documents are numbered by mailbox and UID together. */
const UID_RANGE = 4_294_967_296n;
const documentOf = (box: number, uid: number): bigint => BigInt(box) * UID_RANGE + BigInt(uid);

export class TextDatabase {
  #changes = 0;
  readonly #database: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;

  /** `open` is better-sqlite3's constructor, loaded by whoever needs it first. */
  constructor(open: typeof Database, path: string) {
    this.#database = new open(path, { timeout: 20 });
    try {
      const database = this.#database;
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = NORMAL');
      database.pragma(`cache_size = -${CACHE_KIB}`);
      database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      if (!this.#fits()) throw new StaleDatabase('made by another version');
      this.#statements = prepare(database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  #fits(): boolean {
    const database = this.#database;
    const tables = database.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'table'").pluck().get();
    if (tables === 0) {
      database.transaction(() => {
        database.exec(TABLES);
        database.prepare("INSERT INTO meta VALUES ('schema', ?)").run(SCHEMA);
      })();
      return true;
    }
    return database.prepare("SELECT value FROM meta WHERE name = 'schema'").pluck().get() === SCHEMA;
  }

  close(): void {
    this.#database.close();
  }

  /** Octets on disk, without the log. */
  get size(): number {
    const pages = this.#database.pragma('page_count', { simple: true }) as number;
    const free = this.#database.pragma('freelist_count', { simple: true }) as number;
    return (pages - free) * (this.#database.pragma('page_size', { simple: true }) as number);
  }

  /** The number of a mailbox; a new one where it is not known. */
  boxOf({ guid, uidValidity }: BoxIdentity): number {
    const { findBox, addBox } = this.#statements;
    const known = findBox.get(guid, uidValidity) as number | undefined;
    return known ?? Number(addBox.run(guid, uidValidity).lastInsertRowid);
  }

  boxes(): readonly (BoxIdentity & { readonly box: number })[] {
    return this.#statements.boxes.all() as (BoxIdentity & { box: number })[];
  }

  begin(): void {
    if (!this.#database.inTransaction) this.#database.exec('BEGIN IMMEDIATE');
  }

  commit(): void {
    if (this.#database.inTransaction) this.#database.exec('COMMIT');
  }

  rollBack(): void {
    if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
  }

  /** In one transaction with the block that makes the message known. */
  addTrigrams(box: number, texts: MessageTexts): void {
    this.#statements.addTrigrams.run(documentOf(box, texts.uid), trigramText(texts));
  }

  /** Adds to the last block while it is small, so that messages that come one by one share blocks as well. */
  addBlock(box: number, messages: readonly MessageTexts[]): void {
    const { lastBlock, addBlock, removeBlock } = this.#statements;
    this.#changes++;
    let all = messages;
    const last = lastBlock.get(box) as BlockRow | undefined;
    if (last && last.octets < BLOCK_OCTETS / 2) {
      all = [...this.#unpack(last), ...messages];
      removeBlock.run(last.id);
    }
    for (const block of cut(all)) {
      const { numbers, texts } = packTexts(block);
      addBlock.run(box, texts.length, numbers, zlib().zstdCompressSync(texts));
    }
  }

  /** Blocks of a mailbox behind `after`, without their texts. */
  blocks(box: number, after: number, limit: number): TextBlock[] {
    const rows = this.#statements.blockNumbers.all(box, after, limit) as { id: number; numbers: Buffer }[];
    return rows.map(({ id, numbers }) => ({ id, ...uidsOf(numbers) }));
  }

  textsOf(block: number): readonly MessageTexts[] {
    const packed = this.packedTexts(block);
    return packed ? unpackTexts(packed) : [];
  }

  packedTexts(block: number): PackedTexts | undefined {
    const row = this.#statements.block.get(block) as BlockRow | undefined;
    return row && { numbers: row.numbers, texts: unzip(row) };
  }

  /** Another one after each block that was added or removed. */
  get changes(): number {
    return this.#changes;
  }

  /** UIDs in a range that may hold a needle. */
  candidates(box: number, query: string, range: { readonly first: number; readonly last: number }): number[] {
    const documents = this.#statements.match.all(
      query,
      documentOf(box, range.first),
      documentOf(box, range.last),
    ) as number[];
    const base = box * Number(UID_RANGE);
    return documents.map((document) => document - base);
  }

  /** Forgets messages of one block. */
  remove(box: number, block: number, isGone: (uid: number) => boolean): void {
    const { removeTrigrams, removeBlock, addBlock } = this.#statements;
    this.#changes++;
    const messages = this.textsOf(block);
    const kept = messages.filter(({ uid }) => !isGone(uid));
    for (const { uid } of messages) if (isGone(uid)) removeTrigrams.run(documentOf(box, uid));
    removeBlock.run(block);
    if (kept.length === 0) return;
    const { numbers, texts } = packTexts(kept.map((k) => ({ ...k })));
    addBlock.run(box, texts.length, numbers, zlib().zstdCompressSync(texts));
  }

  /** The mailbox itself is gone. Its blocks must be gone already. */
  removeBox(box: number): void {
    this.#statements.removeBox.run(box);
  }

  #unpack(row: BlockRow): MessageTexts[] {
    return unpackTexts({ numbers: row.numbers, texts: unzip(row) });
  }
}

/** It cannot be used and is to be made anew. */
export class StaleDatabase extends Error {
  override readonly name = 'StaleDatabase';
}

function prepare(database: Database.Database) {
  return {
    findBox: database.prepare('SELECT id FROM boxes WHERE guid = ? AND uidvalidity = ?').pluck(),
    addBox: database.prepare('INSERT INTO boxes (guid, uidvalidity) VALUES (?, ?)'),
    boxes: database.prepare('SELECT id AS box, guid, uidvalidity AS uidValidity FROM boxes'),
    removeBox: database.prepare('DELETE FROM boxes WHERE id = ?'),
    addTrigrams: database.prepare('INSERT INTO trigrams (rowid, text) VALUES (?, ?)'),
    removeTrigrams: database.prepare('DELETE FROM trigrams WHERE rowid = ?'),
    match: database
      .prepare('SELECT rowid FROM trigrams WHERE trigrams MATCH ? AND rowid BETWEEN ? AND ?')
      .pluck(),
    addBlock: database.prepare('INSERT INTO blocks (box, octets, numbers, texts) VALUES (?, ?, ?, ?)'),
    removeBlock: database.prepare('DELETE FROM blocks WHERE id = ?'),
    block: database.prepare('SELECT id, octets, numbers, texts FROM blocks WHERE id = ?'),
    lastBlock: database.prepare(
      'SELECT id, octets, numbers, texts FROM blocks WHERE box = ? ORDER BY id DESC LIMIT 1',
    ),
    blockNumbers: database.prepare(
      'SELECT id, numbers FROM blocks WHERE box = ? AND id > ? ORDER BY id LIMIT ?',
    ),
  };
}

/** Loaded with the first text: it costs a worker 600 KiB. */
const zlib = (): typeof import('node:zlib') => process.getBuiltinModule('node:zlib');

/** In one piece: its length is known. */
function unzip({ octets, texts }: BlockRow): Buffer {
  return zlib().zstdDecompressSync(texts, { chunkSize: Math.max(1024, octets + 1) });
}

function* cut(messages: readonly MessageTexts[]): Generator<MessageTexts[]> {
  let block: MessageTexts[] = [];
  let octets = 0;
  for (const message of messages) {
    block.push(message);
    octets += message.head.length + message.body.length;
    if (octets < BLOCK_OCTETS) continue;
    yield block;
    block = [];
    octets = 0;
  }
  if (block.length > 0) yield block;
}
