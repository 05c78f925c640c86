// Transports of destinations that go nowhere; the next hop is a status and the reason. POSTFIX: error(8), of which
// `retry` keeps the mail.

export const WAITING_TRANSPORT = 'retry';
export const REFUSING_TRANSPORT = 'error';
