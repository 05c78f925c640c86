// A message's sender and recipients as filters change them. What cannot be understood is left out with a line in the
// log, as Postfix does: it is no reason to lose the message.

import { formatEnvelopeAddress, isSameAddress, parseEnvelopeAddress } from './envelope-address.ts';

export interface EditableRecipient {
  readonly address: string;
  /** Before it was rewritten: what filters know it by. */
  readonly original?: string;
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  readonly originalRecipient?: string;
}

export interface EditableEnvelope {
  sender: string;
  ret?: 'FULL' | 'HDRS';
  envelopeId?: string;
  recipients: readonly EditableRecipient[];
}

/** POSTFIX: filters add any number; here no more than one message may have. */
const MAX_RECIPIENTS = 50_000;

type Warn = (text: string) => void;

export function changeSender(
  envelope: EditableEnvelope,
  { address, parameters }: { readonly address: string; readonly parameters: string },
  warn: Warn,
): void {
  for (const parameter of wordsOf(parameters)) {
    const { name, value } = splitParameter(parameter);
    const ret = value.toUpperCase();
    const envelopeId = name === 'ENVID' ? decodeXtext(value) : undefined;
    if (name === 'RET' && (ret === 'FULL' || ret === 'HDRS')) envelope.ret = ret;
    else if (envelopeId !== undefined) envelope.envelopeId = envelopeId;
    else warn(`Ignoring bad ESMTP parameter "${shown(parameter)}" in SMFI_CHGFROM request`);
  }
  const parsed = parseEnvelopeAddress(address);
  if (parsed === undefined) warn(`Ignoring bad sender address "${shown(address)}" in SMFI_CHGFROM request`);
  else envelope.sender = parsed === null ? '' : formatEnvelopeAddress(parsed);
}

export function addRecipient(
  envelope: EditableEnvelope,
  { address, parameters }: { readonly address: string; readonly parameters: string },
  warn: Warn,
): void {
  let notify: EditableRecipient['notify'];
  let originalRecipient: string | undefined;
  for (const parameter of wordsOf(parameters)) {
    const { name, value } = splitParameter(parameter);
    if (name === 'NOTIFY') {
      const read = notify === undefined ? readNotify(value) : undefined;
      if (read === undefined) warn(`Bad NOTIFY parameter from Milter: "${shown(parameter)}"`);
      notify ??= read;
    } else if (name === 'ORCPT') {
      const isGood = originalRecipient === undefined && isOriginalRecipient(value);
      if (isGood) originalRecipient = value;
      else warn(`Bad ORCPT parameter from Milter: "${shown(parameter)}"`);
    } else {
      warn(`ignoring ESMTP argument from Milter: "${shown(parameter)}"`);
    }
  }
  const parsed = parseEnvelopeAddress(address);
  if (parsed === null || parsed === undefined) {
    warn(
      parsed === null
        ? 'ignoring attempt from Milter to add null recipient'
        : `ignoring bad recipient from Milter: "${shown(address)}"`,
    );
    return;
  }
  if (envelope.recipients.length >= MAX_RECIPIENTS) {
    warn('ignoring attempt from Milter to add too many recipients');
    return;
  }
  envelope.recipients = [
    ...envelope.recipients,
    {
      address: formatEnvelopeAddress(parsed),
      ...(notify === undefined ? {} : { notify }),
      ...(originalRecipient === undefined ? {} : { originalRecipient }),
    },
  ];
}

export function removeRecipient(envelope: EditableEnvelope, address: string): void {
  envelope.recipients = envelope.recipients.filter(
    (recipient) => !isSameAddress(recipient.original || recipient.address, address),
  );
}

const wordsOf = (text: string): string[] => text.split(' ').filter((word) => word !== '');
const shown = (text: string): string => text.slice(0, 100);

function splitParameter(parameter: string): { readonly name: string; readonly value: string } {
  const equals = parameter.indexOf('=');
  return equals === -1
    ? { name: parameter.toUpperCase(), value: '' }
    : { name: parameter.slice(0, equals).toUpperCase(), value: parameter.slice(equals + 1) };
}

const NOTIFY_WORDS = ['SUCCESS', 'FAILURE', 'DELAY'] as const;

// RFC 3461 §4.1
function readNotify(value: string): EditableRecipient['notify'] {
  const words = value.toUpperCase().split(',', 8);
  if (words.length === 1 && words[0] === 'NEVER') return ['NEVER'];
  const known = NOTIFY_WORDS.filter((word) => words.includes(word));
  return words.every((word) => (NOTIFY_WORDS as readonly string[]).includes(word)) ? known : undefined;
}

// RFC 3461 §4.2: original-recipient-address = atom ";" xtext
function isOriginalRecipient(value: string): boolean {
  const semicolon = value.indexOf(';');
  return semicolon > 0 && value.length <= 500 && decodeXtext(value.slice(semicolon + 1)) !== undefined;
}

/** RFC 3461 §4. */
function decodeXtext(text: string): string | undefined {
  if (text === '' || /\+(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const decoded = text.replace(/\+([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /^[ -~]*$/.test(decoded) ? decoded : undefined;
}
