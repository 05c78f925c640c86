// Enhanced status codes in texts of administrators (RFC 3463). POSTFIX: dsn_util.c and smtpd_dsn_fix.c: codes about
// addresses are turned into those that fit what is being refused; the class is the reply code's in any case.

const STATUS = /^([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=\s|$)/;

/** `5.7.1 go away` → the code without its class, and the rest. */
export function splitStatus(text: string, standIn: string): { status: string; text: string } {
  const trimmed = text.trim();
  const match = STATUS.exec(trimmed);
  if (match === null) return { status: standIn.slice(2), text: trimmed };
  return { status: `${match[2]}.${match[3]}`, text: trimmed.slice(match[0].length).trim() };
}

/** Third number of x.1.y → what it becomes for a sender and for a recipient. */
const ADDRESS_STATUS: ReadonlyMap<string, readonly [sender: string, recipient: string]> = new Map([
  ['1', ['1.7', '1.1']],
  ['2', ['1.8', '1.2']],
  ['3', ['1.7', '1.3']],
  ['4', ['1.7', '1.4']],
  ['5', ['1.0', '1.5']],
  ['6', ['1.7', '1.6']],
  ['7', ['1.7', '1.3']],
  ['8', ['1.8', '1.2']],
]);
const OTHER_ADDRESS = ['1.0', '1.0'] as const;

/** The detail (`7.1`) that fits what is refused, by Postfix's name of it. */
export function statusFor(detail: string, label: string): string {
  if (!detail.startsWith('1.')) return detail;
  const [sender, recipient] = ADDRESS_STATUS.get(detail.slice(2)) ?? OTHER_ADDRESS;
  if (label === 'Sender address') return sender;
  if (label === 'Recipient address') return recipient;
  return '0.0';
}
