// `postcote init`: asks what the package installer asks in the guide, and writes a first configuration and a
// self-signed certificate. What exists is left alone and said so.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { type GuideAnswers, type SiteKind, checkAnswers, guideFiles, siteKinds } from '@postcote/config';
import { writeGuideFiles } from '@postcote/config/edge';
import { makeSelfSigned } from '../certificate.ts';

export const INIT_HELP = `usage: postcote init [OPTION...]

Writes main.cf, master.cf, virtual, aliases, dovecot.conf and a self-signed certificate where there are none.
Asks what the options leave open.

  --kind KIND          ${siteKinds.map((kind) => `"${kind}"`).join(',\n                       ')}
  --mail-name NAME     what stands after the @ of local addresses: example.com
  --hostname NAME      the machine's full name               (the mail name)
  --smarthost HOST     for the kinds that have one: [smtp.example.net]:587
  --root-reader USER   who reads root's mail
  --root DIR           write below DIR in place of /, for a look first
`;

/** sysexits(3). */
const EX_USAGE = 64;
const EX_CANTCREAT = 73;

export async function runInit(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kind: { type: 'string' },
      'mail-name': { type: 'string' },
      hostname: { type: 'string' },
      smarthost: { type: 'string' },
      'root-reader': { type: 'string' },
      root: { type: 'string', default: '/' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(INIT_HELP);
    return 0;
  }
  const asking = process.stdin.isTTY === true;
  const ask = makeAsker(asking);
  const kind = readKind(values.kind ?? (await askKind(ask)));
  if (kind === undefined) {
    ask.close();
    process.stderr.write(`postcote init: the kind of site is one of: ${siteKinds.join(', ')}\n`);
    return EX_USAGE;
  }
  if (kind === 'No configuration') {
    ask.close();
    process.stdout.write('Nothing written.\n');
    return 0;
  }
  const mailName = values['mail-name'] ?? (await ask.question('Mail name', hostname()));
  const needsSmarthost = kind === 'Internet with smarthost' || kind === 'Satellite system';
  const smarthost = values.smarthost ?? (needsSmarthost ? await ask.question('Smarthost', '') : undefined);
  ask.close();
  const under = (path: string): string => join(values.root, path);
  const answers: GuideAnswers = {
    kind,
    mailName,
    ...(values.hostname === undefined ? {} : { hostname: values.hostname }),
    ...(smarthost === undefined ? {} : { smarthost }),
    ...(values['root-reader'] === undefined ? {} : { rootReader: values['root-reader'] }),
    certificateFile: under('/etc/ssl/certs/postfix.pem'),
    keyFile: under('/etc/ssl/private/postfix.key'),
    paths: {
      postfixDirectory: under('/etc/postfix'),
      aliases: under('/etc/aliases'),
      dovecotConf: under('/etc/dovecot/dovecot.conf'),
    },
  };
  const wrong = checkAnswers(answers);
  if (wrong !== undefined) {
    process.stderr.write(`postcote init: ${wrong}\n`);
    return EX_USAGE;
  }
  for (const outcome of writeGuideFiles(guideFiles(answers))) {
    if (outcome.kind === 'failed') {
      process.stderr.write(`postcote init: ${outcome.path} cannot be written (${outcome.reason})\n`);
      return EX_CANTCREAT;
    }
    report(outcome.path, outcome.kind === 'written');
  }
  await writeCertificate(answers);
  process.stdout.write('Look at the files, then start: postcote serve\n');
  return 0;
}

function report(path: string, written: boolean): void {
  process.stdout.write(written ? `written        ${path}\n` : `exists, kept   ${path}\n`);
}

async function writeCertificate({
  certificateFile,
  keyFile,
  mailName,
  hostname,
}: GuideAnswers): Promise<void> {
  if (existsSync(certificateFile) || existsSync(keyFile)) {
    report(certificateFile, false);
    report(keyFile, false);
    return;
  }
  const name = hostname ?? mailName;
  const pair = await makeSelfSigned(
    { commonName: name, alternativeNames: [mailName, `mail.${mailName}`, 'localhost'] },
    new Date(),
  );
  mkdirSync(dirname(certificateFile), { recursive: true });
  mkdirSync(dirname(keyFile), { recursive: true, mode: 0o710 });
  writeFileSync(keyFile, pair.key, { mode: 0o600, flag: 'wx' });
  writeFileSync(certificateFile, pair.certificate, { mode: 0o644, flag: 'wx' });
  report(certificateFile, true);
  report(keyFile, true);
}

interface Asker {
  question(text: string, standIn: string): Promise<string>;
  close(): void;
}

/** Without a terminal nobody answers: the stand-in is taken. */
function makeAsker(asking: boolean): Asker {
  if (!asking) return { question: async (_text, standIn) => standIn, close: () => {} };
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  return {
    async question(text, standIn) {
      const answer = (await terminal.question(`${text}${standIn === '' ? '' : ` [${standIn}]`}: `)).trim();
      return answer === '' ? standIn : answer;
    },
    close: () => terminal.close(),
  };
}

async function askKind(ask: Asker): Promise<string> {
  const list = siteKinds.map((kind, index) => `  ${index + 1}  ${kind}\n`).join('');
  return await ask.question(`Kind of site:\n${list}Number or name`, '1');
}

function readKind(text: string): SiteKind | undefined {
  const byNumber = siteKinds[Number(text) - 1];
  return byNumber ?? siteKinds.find((kind) => kind.toLowerCase() === text.trim().toLowerCase());
}
