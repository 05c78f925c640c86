// check_policy_service: somebody else decides (Postfix's policy delegation protocol). The question is what is known of
// the session; the answer is read as an access table's. POSTFIX: smtpd_check.c: check_policy_service.

import { printable } from '../reply.ts';
import { applyAccessResult } from './access-result.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

/** When Postfix tells how many recipients there are. */
const AFTER_RECIPIENTS: ReadonlySet<string> = new Set(['DATA', 'BDAT', 'END-OF-MESSAGE']);
const BUILT_IN_DEFAULT = '451 4.3.5 Server configuration problem';

const checkPolicyService: RestrictionWord = {
  word: 'check_policy_service',
  cost: 'dns',
  needs: 'nothing',
  argument: 'required',
  async run(input, subject, argument, item) {
    const policy = item?.policy;
    if (policy === undefined) {
      return { kind: 'fault', saw: 'no server', warnings: [`no client endpoint for server ${argument}`] };
    }
    const answer = await policy.ask(await policyRequest(input, policy.context));
    const judge = (value: string): WordVerdict => judgeAnswer(input, { value, subject, server: argument });
    if (answer.kind === 'action') return judge(answer.action);
    const verdict = judge(policy.defaultAction);
    const warnings = [...answer.warnings, ...(verdict.warnings ?? [])];
    // POSTFIX: a default action that asks the server again comes to the built-in one.
    if (verdict.kind === 'list' && verdict.items.some(({ word }) => word === 'check_policy_service'))
      return { ...judge(BUILT_IN_DEFAULT), warnings };
    return { ...verdict, warnings };
  },
};

function judgeAnswer(
  input: RestrictionInput,
  { value, subject, server }: { value: string; subject: Subject; server: string },
): WordVerdict {
  return applyAccessResult({ value, subject, table: server, datum: 'policy query' }, input);
}

/** Names and values in Postfix 3.7's order. */
export async function policyRequest(
  input: RestrictionInput,
  context: string,
): Promise<readonly (readonly [name: string, value: string])[]> {
  const client = await input.clientName();
  const { where = 'RCPT', tls, login } = input;
  const certificate = tls?.client;
  const attributes: readonly (readonly [string, string])[] = [
    ['request', 'smtpd_access_policy'],
    ['protocol_state', where === 'BDAT' ? 'DATA' : where],
    ['protocol_name', input.esmtp ? 'ESMTP' : 'SMTP'],
    ['client_address', input.clientAddress],
    ['client_name', client.name],
    ['client_port', input.clientPort === undefined ? '' : String(input.clientPort)],
    ['reverse_client_name', client.reverseName],
    ['server_address', input.serverAddress ?? ''],
    ['server_port', input.serverPort === undefined ? '' : String(input.serverPort)],
    ['helo_name', input.helo ?? ''],
    ['sender', input.sender?.display ?? ''],
    ['recipient', input.recipient?.display ?? ''],
    ['recipient_count', AFTER_RECIPIENTS.has(where) ? String(input.recipientCount) : '0'],
    ['queue_id', input.queueId ?? ''],
    ['instance', input.instance ?? ''],
    ['size', String(input.messageSize ?? 0)],
    ['etrn_domain', input.etrn ?? ''],
    ['stress', input.settings.stress],
    ['sasl_method', login?.method ?? ''],
    ['sasl_username', login?.user ?? ''],
    ['sasl_sender', ''],
    // POSTFIX: names only where an authority vouches for them; fingerprints of any certificate.
    ['ccert_subject', certificate?.trusted === true ? certificate.commonName : ''],
    ['ccert_issuer', certificate?.trusted === true ? certificate.issuer : ''],
    ['ccert_fingerprint', certificate?.fingerprint ?? ''],
    ['ccert_pubkey_fingerprint', certificate?.keyFingerprint ?? ''],
    ['encryption_protocol', tls?.protocol ?? ''],
    ['encryption_cipher', tls?.cipher ?? ''],
    ['encryption_keysize', String(tls?.usedBits ?? 0)],
    ['policy_context', context],
  ];
  return attributes.map(([name, value]) => [name, printable(value)] as const);
}

export const POLICY_WORDS: readonly RestrictionWord[] = [checkPolicyService];
