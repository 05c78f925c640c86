// Header text is kept as binary strings, one character per octet, so that nothing is lost. Tables hold text.

/** Whether all octets are ASCII. */
// oxlint-disable-next-line no-control-regex -- that is ASCII
export const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text);

export const toBinary = (text: string): string =>
  isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');

/** What the octets say in UTF-8; what is none becomes U+FFFD. */
export const toText = (binary: string): string =>
  isAscii(binary) ? binary : Buffer.from(binary, 'latin1').toString('utf8');
