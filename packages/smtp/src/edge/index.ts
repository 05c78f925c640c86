export { systemClock } from './clock.ts';
export { type DnsOptions, openDns } from './dns.ts';
export { type HostsFile, openHostsFile } from './hosts-file.ts';
export { type ListenerOptions, SmtpListenerServer } from './listener.ts';
export { PolicyServer, type PolicyServerOptions, parsePolicyServer } from './policy-client.ts';
export { makeClientContext } from './client-connection.ts';
export { MailSender, type SendRequest, type SendService, type SentRecipient } from './mail-sender.ts';
export { type Passed, Screen, type ScreenCache, type ScreenOptions } from './screen.ts';
export { openSecureDns } from './secure-dns.ts';
