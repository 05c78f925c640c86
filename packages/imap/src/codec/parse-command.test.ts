import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Parsed } from './command.ts';
import { CommandReader } from './command-reader.ts';
import { type FetchItem, formatSection, type Section } from './fetch-item.ts';
import { DEFAULT_CODEC_LIMITS } from './limits.ts';
import { parseCommand } from './parse-command.ts';

function parse(line: string | Buffer): Parsed<Command> | 'unknown' | 'invalid' {
  const reader = new CommandReader(DEFAULT_CODEC_LIMITS);
  reader.push(
    Buffer.concat([
      Buffer.from('a '),
      typeof line === 'string' ? Buffer.from(line, 'latin1') : line,
      Buffer.from('\r\n'),
    ]),
  );
  for (let event = reader.next(); event !== undefined; event = reader.next()) {
    if (event.kind === 'command') return parseCommand(event.verb, event.args);
    if (event.kind !== 'continue') break;
  }
  return 'invalid';
}

function value(line: string): Command {
  const result = parse(line);
  if (typeof result === 'string' || !result.ok) throw new Error(`${line}: ${JSON.stringify(result)}`);
  return result.value;
}

function fetchItems(text: string): readonly FetchItem[] {
  const command = value(`FETCH 1 ${text}`);
  return command.kind === 'fetch' ? command.items : [];
}

describe('parseCommand', () => {
  it('reads fetch items', () => {
    expect(fetchItems('(body.peek[1.2.header.fields ("Date" from)]<5.10>)')).toEqual([
      {
        kind: 'section',
        peek: true,
        label: 'BODY[1.2.HEADER.FIELDS (DATE FROM)]<5>',
        section: { part: [1, 2], what: 'fields', fields: ['DATE', 'FROM'] },
        partial: { start: 5, length: 10 },
      },
    ]);
    expect(fetchItems('FAST').map(({ kind }) => kind)).toEqual(['flags', 'internalDate', 'size']);
    // Asked with and without PEEK: the one with an effect stays.
    expect(fetchItems('(BODY.PEEK[] BODY[] BODY.PEEK[])')).toMatchObject([{ label: 'BODY[]', peek: false }]);
    expect(fetchItems('RFC822.HEADER')).toMatchObject([
      { label: 'RFC822.HEADER', peek: true, section: { what: 'header' } },
    ]);
  });

  it.each([
    'FETCH 1 BODY[0]',
    'FETCH 1 BODY[1.]',
    'FETCH 1 BODY[MIME]',
    'FETCH 1 BODY[HEADER.FIELDS ()]',
    'FETCH 1 BODY[HEADER.FIELDS]',
    'FETCH 1 BODY[HEADER.FIELDS (a)',
    'FETCH 1 BODY[TEXT (a)]',
    'FETCH 1 BODY[]<1.2',
    'FETCH 1 BODY[]<-1.2>',
    'FETCH 1 BODY[]x',
    `FETCH 1 BODY[${'1.'.repeat(200)}1]`,
    'FETCH 1 FLAGS (CHANGEDSINCE x)',
    'UID FETCH 1 FLAGS (VANISHED)',
    'FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)',
    'FETCH 1 BINARY[1.MIME]',
    'FETCH 1 BINARY.SIZE[1]<0.1>',
    'FETCH 1 PREVIEW (FROB)',
    'STORE 1 (UNCHANGEDSINCE) FLAGS (a)',
    'SELECT a (QRESYNC (1))',
    'SELECT a (QRESYNC (1 1 1:*))',
    'FETCH 1 "FLAGS"',
    'FETCH 0 FLAGS',
    'STORE 1 FLAGS',
    'STORE 1 FLAGS ("a")',
    'STORE 1 FLAGS (a(b))',
    'SEARCH CHARSET',
    'SEARCH ()',
    'SEARCH KEYWORD',
    'SEARCH SUBJECT (a)',
    'SEARCH LARGER -1',
    'LIST "" (a (b))',
    'LIST',
    'UID EXPUNGE',
    'COPY 1',
    'RENAME a',
  ])('refuses %s', (line) => {
    expect(parse(line)).toMatchObject({ ok: false });
  });

  it('takes INBOX in any case, and no broken modified UTF-7', () => {
    expect(value('SELECT inbox')).toMatchObject({ mailbox: 'INBOX' });
    expect(value('EXAMINE InBox/x/')).toMatchObject({ mailbox: 'INBOX/x', readOnly: true });
    expect(value('SELECT inboxes')).toMatchObject({ mailbox: 'inboxes' });
    expect(parse('SELECT &')).toMatchObject({ ok: false, kind: 'no' });
  });

  it('reads search texts in their charset', () => {
    expect(value('SEARCH CHARSET iso-8859-1 SUBJECT {1+}\r\n\xfc')).toMatchObject({ key: { text: 'ü' } });
    expect(value('SEARCH SUBJECT {2+}\r\n\xc3\xbc')).toMatchObject({ key: { text: 'ü' } });
    expect(parse('SEARCH CHARSET foo ALL')).toMatchObject({ ok: false, kind: 'no', code: 'BADCHARSET' });
  });

  it('bounds nesting without recursion', () => {
    expect(parse(`SEARCH ${'NOT '.repeat(400)}ALL`)).toMatchObject({ ok: true });
    expect(parse(`SEARCH ${'OR ALL '.repeat(400)}ALL`)).toMatchObject({ ok: true });
    expect(parse(`SEARCH ${'NOT '.repeat(9000)}ALL`)).toMatchObject({ ok: false });
    expect(parse(`SEARCH ${'('.repeat(49)}ALL${')'.repeat(49)}`)).toMatchObject({ ok: true });
  });

  it('reads back every section it names', () => {
    const name = fc.stringMatching(/^[A-Z!#$%&'*+,./;<=>?@[\]^_`{|}~"\\()-]{1,10}$/);
    const section: fc.Arbitrary<Section> = fc.record({
      part: fc.array(fc.integer({ min: 1, max: 999_999 }), { maxLength: 5 }),
      what: fc.constantFrom('all', 'header', 'text', 'mime', 'fields', 'fieldsNot'),
      fields: fc.array(name, { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(section, (any) => {
        const named = any.what === 'fields' || any.what === 'fieldsNot';
        const wanted: Section = { ...any, fields: named ? any.fields : [] };
        if (wanted.what === 'mime' && wanted.part.length === 0) return;
        const [item] = fetchItems(`BODY[${formatSection(wanted)}]`);
        expect(item).toMatchObject({ section: wanted, label: `BODY[${formatSection(wanted)}]` });
      }),
    );
  });

  it('never throws', () => {
    const word = fc.constantFrom(
      'FETCH',
      'UID',
      'STORE',
      'SEARCH',
      'LIST',
      'RETURN',
      '(',
      ')',
      'BODY[',
      ']',
      '1:*',
      '*',
      '""',
      '"x"',
      'OR',
      'NOT',
      'HEADER',
      'STATUS',
      'CHARSET',
      'ID',
      'NIL',
      'ENABLE',
      'FLAGS',
      '+FLAGS',
      '\\Seen',
      'BODY.PEEK[HEADER.FIELDS',
      '<1.2>',
      '1-Jan-2020',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        parse(words.join(' '));
      }),
      { numRuns: 1000 },
    );
  });
});
