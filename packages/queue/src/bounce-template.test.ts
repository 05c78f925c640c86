import { describe, expect, it } from 'vitest';
import { readTemplates, timeInUnit } from './bounce-template.ts';

const values: Readonly<Record<string, string>> = {
  myhostname: 'mx.example.com',
  maximal_queue_lifetime_days: '5',
};
const read = (text: string) => readTemplates(text, (name) => values[name]);

describe('readTemplates', () => {
  it('reads headers, text and what $name means', () => {
    const text = `# mine
failure_template = <<END
Charset: utf-8
from: Post <MAILER-DAEMON>
Subject: Zurück
`.replace('Zurück', 'Back');
    expect(read(`${text}\n  Grüße von $myhostname, \${myhostname}: $$5\n\nEND\n\n`)).toEqual({
      templates: {
        failure: {
          charset: 'utf-8',
          from: 'Post <MAILER-DAEMON>',
          subject: 'Back',
          text: ['  Grüße von mx.example.com, mx.example.com: $5', ''],
        },
      },
      problems: [],
    });
  });
  it('reads several', () => {
    const { templates } = read(
      'delay_template = <<EOF\n\na\nEOF\nsuccess_template=<<EOF\nSubject: s\n\nb\nEOF\n',
    );
    expect(templates).toEqual({ delay: { text: ['a'] }, success: { subject: 's', text: ['b'] } });
  });
  it.each([
    ['failure_template = <<EOF\n\nx\n', '1: there is no line "EOF"'],
    ['x\n', '1: expected'],
    ['\nfailures = <<EOF\n\nx\nEOF\n', '2: unknown template "failures"'],
    ['failure_template = <<EOF\nX-Mine: y\n\nx\nEOF\n', 'is no header of a template'],
    ['failure_template = <<EOF\n\n$nothing\nEOF\n', 'names a parameter that there is not'],
    ['failure_template = <<EOF\n\nGrüße\nEOF\n', 'no Charset:'],
    ['failure_template = <<EOF\nSubject: x\nEOF\n', 'no text'],
  ])('%j', (text, problem) => {
    const { templates, problems } = read(text);
    expect(templates).toEqual({});
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });
});

it.each([
  ['delay_warning_time_hours', '4'],
  ['maximal_queue_lifetime_weeks', '0'],
  ['maximal_queue_lifetime_years', undefined],
  ['other_time_days', undefined],
])('%s', (name, expected) => expect(timeInUnit(name, () => 14_400)).toBe(expected));
