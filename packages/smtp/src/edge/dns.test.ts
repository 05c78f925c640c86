import { type Socket, createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AnswerCache } from './answer-cache.ts';
import { openDns } from './dns.ts';
import { openHostsFile, parseHosts } from './hosts-file.ts';

/** A name server of a few answers: by the first label of the name. */
class NameServer {
  readonly #socket: Socket = createSocket('udp4');
  readonly asked: string[] = [];
  address = '';

  async start(): Promise<void> {
    this.#socket.on('message', (query, from) => {
      const answer = this.#answer(query);
      if (answer !== undefined) this.#socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    this.address = `127.0.0.1:${this.#socket.address().port}`;
  }

  stop(): void {
    this.#socket.close();
  }

  #answer(query: Buffer): Buffer | undefined {
    let at = 12;
    const labels: string[] = [];
    while ((query[at] ?? 0) > 0) {
      const length = query[at] ?? 0;
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = query.readUInt16BE(at + 1);
    const question = query.subarray(12, at + 5);
    this.asked.push(`${type} ${labels.join('.')}`);
    const kind = labels[0] ?? '';
    if (kind === 'silent') return undefined;
    const codes: Readonly<Record<string, number>> = { nowhere: 3, servfail: 2, refused: 5 };
    const records = kind in codes || kind === 'nodata' ? [] : this.#records(type, labels);
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (codes[kind] ?? 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question, ...records]);
  }

  #records(type: number, labels: readonly string[]): Buffer[] {
    const data: Readonly<Record<number, Buffer>> = {
      1: Buffer.from([192, 0, 2, 1]),
      15: Buffer.concat([Buffer.from([0, 10]), Buffer.from('\u0002mx\u0007example\0', 'latin1')]),
      16: Buffer.from('\u0003one\u0003two', 'latin1'),
      12: Buffer.from('\u0004host\u0007example\0', 'latin1'),
    };
    if (labels[0] === 'v6only' && type !== 28) return [];
    const value =
      type === 28 && labels[0] === 'v6only'
        ? Buffer.from('20010db8000000000000000000000001', 'hex')
        : data[type];
    if (value === undefined) return [];
    const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, value.length]);
    return [Buffer.concat([head, value])];
  }
}

const server = new NameServer();
let folder: string;
beforeAll(async () => {
  await server.start();
  folder = mkdtempSync(path.join(tmpdir(), 'smtp-dns-'));
});
afterAll(() => {
  server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const open = (): ReturnType<typeof openDns> =>
  openDns({
    servers: [server.address],
    hosts: openHostsFile(path.join(folder, 'absent')),
    queryTimeout: 200,
    totalTimeout: 500,
  });

describe('openDns', () => {
  it('finds records', async () => {
    const dns = open();
    expect(await dns.mx('a.example')).toEqual({
      kind: 'found',
      records: [{ preference: 10, exchange: 'mx.example' }],
    });
    expect(await dns.addresses('a.example')).toEqual({ kind: 'found', records: ['192.0.2.1'] });
    expect(await dns.addresses('v6only.example')).toEqual({ kind: 'found', records: ['2001:db8::1'] });
    expect(await dns.txt('a.example')).toEqual({ kind: 'found', records: ['onetwo'] });
    expect(await dns.reverse('192.0.2.1')).toEqual({ kind: 'found', records: ['host.example'] });
  });

  it('tells what does not exist from what has no such record', async () => {
    const dns = open();
    expect(await dns.mx('nowhere.example')).toEqual({ kind: 'absent', nxdomain: true });
    expect(await dns.mx('nodata.example')).toEqual({ kind: 'absent', nxdomain: false });
    expect(await dns.addresses('nowhere.example')).toEqual({ kind: 'absent', nxdomain: true });
  });

  it.each(['servfail', 'refused', 'silent'])('fails with %s within the time limit', async (kind) => {
    const started = performance.now();
    expect(await open().mx(`${kind}.example`)).toMatchObject({ kind: 'failed' });
    expect(performance.now() - started).toBeLessThan(1500);
  });

  it.each([`${'x'.repeat(70)}.example`, 'a b', '', 'a..b', '\0', '-'])(
    'never rejects, whatever is asked for (%j)',
    async (name) => {
      const dns = open();
      for (const answer of [dns.mx(name), dns.addresses(name), dns.txt(name), dns.reverse(name)]) {
        expect((await answer).kind).toMatch(/^(found|absent|failed)$/);
      }
    },
  );

  it('asks once for equal questions at the same time, and keeps the answer', async () => {
    const dns = open();
    server.asked.length = 0;
    await Promise.all([dns.mx('once.example'), dns.mx('ONCE.example'), dns.mx('once.example')]);
    await dns.mx('once.example');
    expect(server.asked).toEqual(['15 once.example']);
  });

  it('asks /etc/hosts first', async () => {
    const file = path.join(folder, 'hosts');
    writeFileSync(file, '# comment\n127.0.0.1\tlocalhost other # x\n::1 localhost\nbroken\n');
    const dns = openDns({ servers: [server.address], hosts: openHostsFile(file) });
    expect(await dns.reverse('127.0.0.1')).toEqual({ kind: 'found', records: ['localhost', 'other'] });
    expect(await dns.addresses('LocalHost')).toEqual({ kind: 'found', records: ['127.0.0.1', '::1'] });
  });
});

describe('parseHosts', () => {
  it('gathers names and addresses', () => {
    const { byName, byAddress } = parseHosts('10.0.0.1 a b\n10.0.0.2 a\n\n#10.0.0.3 c\n');
    expect(byName.get('a')).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(byAddress.get('10.0.0.1')).toEqual(['a', 'b']);
    expect(byName.has('c')).toBe(false);
  });
});

describe('AnswerCache', () => {
  it('forgets failures sooner than answers, and the oldest when full', async () => {
    let now = 0;
    let asked = 0;
    const cache = new AnswerCache(() => now);
    const ask = (kind: 'found' | 'failed') => async () => {
      asked++;
      return kind === 'found' ? { kind, records: ['x'] } : { kind, reason: 'x' };
    };
    await cache.get('a', ask('found'));
    await cache.get('b', ask('failed'));
    now = 10_000;
    await cache.get('a', ask('found'));
    await cache.get('b', ask('failed'));
    expect(asked).toBe(3);
    for (let i = 0; i < 2_000; i++) await cache.get(`x${i}`, ask('found'));
    await cache.get('a', ask('found'));
    expect(asked).toBe(2_004);
  });
});
