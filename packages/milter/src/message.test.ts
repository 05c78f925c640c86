import { describe, expect, it } from 'vitest';
import type { HeaderField, Inspected } from './content.ts';
import { type BodyStore, EditableMessage } from './edits.ts';
import { type EditableEnvelope } from './envelope-edits.ts';
import { formatEnvelopeAddress, parseEnvelopeAddress } from './envelope-address.ts';
import { parseMacroDefaults } from './macros.ts';
import type { Edit } from './response.ts';

class MemoryBody implements BodyStore {
  readonly #pieces: Buffer[] = [];
  size = 0;

  constructor(text = '') {
    void this.write(Buffer.from(text));
  }

  write(octets: Buffer): undefined {
    this.#pieces.push(Buffer.from(octets));
    this.size += octets.length;
  }

  async *read(): AsyncGenerator<Buffer> {
    yield* this.#pieces;
  }

  drop(): void {}
}

const HEADER =
  'Received: ours\r\n\tby us\r\nReceived: theirs\r\nSubject: one\r\nX-A: 1\r\nx-a:  2\r\n folded\r\n';

async function after(edits: readonly Edit[], leadingSpace = false) {
  const envelope: EditableEnvelope = {
    sender: 'a@b',
    recipients: [{ address: 'x@y' }, { address: '"q q"@y' }],
  };
  const warnings: string[] = [];
  const message = new EditableMessage({
    header: Buffer.from(HEADER),
    hasBody: true,
    body: new MemoryBody('body\r\n'),
    openBody: () => new MemoryBody(),
    envelope,
    messageSizeLimit: 100,
    headerSizeLimit: 1000,
    warn: (text) => warnings.push(text),
  });
  const problems: (string | undefined)[] = [];
  for (const edit of edits) problems.push(await message.apply(edit, { leadingSpace }));
  const visible = (message as Inspected).fields.map(({ name, value }: HeaderField) => `${name}:${value}`);
  const pieces: Buffer[] = [];
  for await (const piece of message.octets()) pieces.push(piece);
  return {
    text: Buffer.concat(pieces).toString(),
    visible,
    envelope,
    warnings,
    problem: problems.find((one) => one !== undefined),
  };
}

const b = (text: string): Buffer => Buffer.from(text);
const add = (name: string, value: string): Edit => ({ kind: 'addHeader', name: b(name), value: b(value) });
const insert = (index: number, name: string, value: string): Edit => ({
  kind: 'insertHeader',
  index,
  name: b(name),
  value: b(value),
});
const change = (index: number, name: string, value: string): Edit => ({
  kind: 'changeHeader',
  index,
  name: b(name),
  value: b(value),
});
const body = (text: string): Edit => ({ kind: 'replaceBody', octets: b(text) });

describe('a message under change', () => {
  it('is the same where nothing is changed, and hides our own Received', async () => {
    const { text, visible } = await after([]);
    expect(text).toBe(`${HEADER}\r\nbody\r\n`);
    expect(visible).toEqual(['Received: theirs', 'Subject: one', 'X-A: 1', 'x-a:  2\n folded']);
  });

  it.each<[string, Edit[], string]>([
    ['adds at the end', [add('X-B', 'b')], `${HEADER}X-B: b\r\n`],
    ['inserts above our own Received', [insert(0, 'Top', 't')], `Top: t\r\n${HEADER}`],
    [
      'inserts by place',
      [insert(1, 'Second', 's')],
      HEADER.replace('Received: theirs', 'Second: s\r\nReceived: theirs'),
    ],
    [
      'changes by name and place',
      [change(2, 'X-A', 'two')],
      HEADER.replace('x-a:  2\r\n folded', 'X-A: two'),
    ],
    [
      'does not count what it hides',
      [change(1, 'Received', 'new')],
      HEADER.replace('Received: theirs', 'Received: new'),
    ],
    ['removes', [change(1, 'subject', '')], HEADER.replace('Subject: one\r\n', '')],
    ['adds what is not there', [change(9, 'Subject', 'x')], `${HEADER}Subject: x\r\n`],
    [
      'keeps a value within its field',
      [add('X-B', 'one\r\nBcc: evil@x\n\n two\rthree')],
      `${HEADER}X-B: one\r\n\tBcc: evil@x\r\n\t\r\n two three\r\n`,
    ],
  ])('%s', async (_, edits, expected) => {
    expect((await after(edits)).text).toBe(`${expected}\r\nbody\r\n`);
  });

  it('leaves out a name that is none', async () => {
    const { text, warnings } = await after([
      add('X\r\nBcc', 'b'),
      add('A b', 'c'),
      add('a:b', 'c'),
      add('', 'c'),
    ]);
    expect(text).toBe(`${HEADER}\r\nbody\r\n`);
    expect(warnings).toHaveLength(4);
  });

  it('takes bodies as clean lines, up to a limit', async () => {
    expect((await after([body('a\nb\rc\0'), body('d\r'), body('\ne')])).text).toBe(
      `${HEADER}\r\na\r\nb cd\r\ne\r\n`,
    );
    expect((await after([body('x'.repeat(101))])).problem).toBe('552 5.3.4 Message file too big');
  });

  it('changes the envelope', async () => {
    const sender: Edit = {
      kind: 'changeSender',
      address: b('<n@e.w>'),
      parameters: b('RET=HDRS ENVID=a+2Bb X=y'),
    };
    const more: Edit = {
      kind: 'addRecipient',
      address: b('<new@y>'),
      parameters: b('NOTIFY=NEVER ORCPT=rfc822;o@x'),
    };
    const less: Edit = { kind: 'removeRecipient', address: b('<"q q"@Y>') };
    const nobody: Edit = { kind: 'addRecipient', address: b('<>'), parameters: b('') };
    const { envelope, warnings } = await after([sender, more, less, nobody]);
    expect(envelope).toEqual({
      sender: 'n@e.w',
      ret: 'HDRS',
      envelopeId: 'a+b',
      recipients: [
        { address: 'x@y' },
        { address: 'new@y', notify: ['NEVER'], originalRecipient: 'rfc822;o@x' },
      ],
    });
    expect(warnings).toEqual([
      'Ignoring bad ESMTP parameter "X=y" in SMFI_CHGFROM request',
      'ignoring attempt from Milter to add null recipient',
    ]);
  });
});

it.each([
  ['<a@b>', 'a@b'],
  ['a@b', 'a@b'],
  ['"a b"@c', '"a b"@c'],
  ['<@r,@s:a@b>', 'a@b'],
  ['a\\@b@c', '"a@b"@c'],
  ['bob', 'bob'],
  ['a@b, c@d', undefined],
  ['a b@c', undefined],
  ['<a@b', undefined],
  ['a@', undefined],
  ['"a@b', undefined],
  ['a@b\r\nDATA', undefined],
])('address %j', (text, expected) => {
  const parsed = parseEnvelopeAddress(text);
  expect(parsed === undefined || parsed === null ? parsed : formatEnvelopeAddress(parsed)).toBe(expected);
});

it('reads macro defaults', () => {
  expect(parseMacroDefaults(['a=1', '{b}=2', '{ c = 3 4 }'])).toEqual(
    new Map([
      ['{a}', '1'],
      ['{b}', '2'],
      ['{c}', '3 4'],
    ]),
  );
  expect(parseMacroDefaults(['what'])).toBe('malformed default macro entry: what');
});
