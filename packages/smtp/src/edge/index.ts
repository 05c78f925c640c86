export { systemClock } from './clock.ts';
export { type DnsOptions, openDns } from './dns.ts';
export { type HostsFile, openHostsFile } from './hosts-file.ts';
export { type ListenerOptions, SmtpListenerServer } from './listener.ts';
export { PolicyServer, type PolicyServerOptions, parsePolicyServer } from './policy-client.ts';
