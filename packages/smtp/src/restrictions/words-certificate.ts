// Words about the client's certificate: known by fingerprint, or vouched for by an authority of `smtpd_tls_CAfile`.
// POSTFIX: smtpd_check.c: permit_tls_clientcerts, check_ccert_access.

import { printable } from '../reply.ts';
import { findFirst } from './access-lookup.ts';
import { applyAccessResult } from './access-result.ts';
import { whenReady } from './look-up-once.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const permit = (saw: string): WordVerdict => ({ kind: 'permit', saw });

/** What of the certificate may stand in tables, in the order in which they are asked. */
function printsOf({ tls }: RestrictionInput, order: readonly ('key' | 'certificate')[]): readonly string[] {
  const { client } = tls ?? {};
  if (client === undefined) return [];
  const prints = { key: client.keyFingerprint, certificate: client.fingerprint };
  return order.map((which) => prints[which]).filter((print) => print !== '');
}

/** A word that can never find a certificate, since none is asked for. */
function withoutCertificate({ settings }: RestrictionInput, word: string): WordVerdict {
  const verdict = pass('no client certificate');
  return settings.tlsAskCcert
    ? verdict
    : { ...verdict, warnings: [`${word} is requested, but "smtpd_tls_ask_ccert = no"`] };
}

function clientcertsWord(word: string, trusted: 'all' | 'listed'): RestrictionWord {
  return {
    word,
    cost: 'free',
    needs: 'nothing',
    argument: 'none',
    run(input) {
      const { tls, settings } = input;
      if (tls === undefined) return pass('no TLS');
      if (tls.client === undefined) return withoutCertificate(input, word);
      if (trusted === 'all' && tls.client.trusted) return permit('certificate is trusted');
      if (settings.relayClientcerts === undefined) return pass('relay_clientcerts is empty');
      const keys = printsOf(input, ['key', 'certificate']).map((print) => [print, 'full'] as const);
      return whenReady(findFirst(settings.relayClientcerts, keys), (answer): WordVerdict => {
        if (answer.kind === 'found') return permit('fingerprint is in relay_clientcerts');
        if (answer.kind === 'missing') return pass('fingerprint is not in relay_clientcerts');
        const warnings = [`relay_clientcerts: lookup error: ${answer.reason}`];
        return { kind: 'fault', saw: answer.reason, warnings };
      });
    },
  };
}

const ccertAccess: RestrictionWord = {
  word: 'check_ccert_access',
  cost: 'free',
  needs: 'nothing',
  argument: 'required',
  async run(input, _, __, item) {
    const table = item?.table;
    const client = input.tls?.client;
    if (table === undefined)
      return { kind: 'fault', saw: 'no table', warnings: ['an access check without a table'] };
    if (client === undefined) return withoutCertificate(input, 'check_ccert_access');
    const subject: Subject = { name: printable(client.commonName), label: 'Client certificate' };
    for (const print of printsOf(input, ['certificate', 'key'])) {
      const answer = await findFirst(table, [[print, 'full']]);
      if (answer.kind === 'missing') continue;
      const value = answer.kind === 'found' ? answer.value : '451 4.3.5 Server configuration error';
      const verdict = applyAccessResult({ value, subject, table: table.describe, datum: print }, input);
      if (answer.kind === 'failed')
        return { ...verdict, warnings: [`${table.describe} lookup error for "${print}": ${answer.reason}`] };
      if (verdict.kind !== 'pass' || verdict.note !== undefined) return verdict;
    }
    return pass(`${table.describe} has no entry for the certificate`);
  },
};

export const CERTIFICATE_WORDS: readonly RestrictionWord[] = [
  clientcertsWord('permit_tls_all_clientcerts', 'all'),
  clientcertsWord('permit_tls_clientcerts', 'listed'),
  ccertAccess,
];
