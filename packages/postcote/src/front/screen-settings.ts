// main.cf's `postscreen_…` with the row's overrides → typed settings.

import { type LookupTable, type PostfixSettings, type TableRegistry, splitList } from '@postcote/config';
import { type DnsblSite, type ScreenAction, type ScreenSettings, parseDnsblSite } from '@postcote/smtp';

export function screenSettingsOf(s: PostfixSettings, tables: TableRegistry): ScreenSettings {
  const ms = (name: string): number => s.time(name) * 1000;
  const interfaces = tables.matchList(s, 'postscreen_allowlist_interfaces');
  const names =
    s.list('postscreen_dnsbl_reply_map').length === 0
      ? undefined
      : tables.parameter(s, 'postscreen_dnsbl_reply_map');
  return {
    program: `${s.string('syslog_name')}/postscreen`,
    access: accessList(s, tables),
    denylistAction: action(s, 'postscreen_denylist_action'),
    greetWait: ms('postscreen_greet_wait'),
    greetBanner: s.string('postscreen_greet_banner'),
    greetAction: action(s, 'postscreen_greet_action'),
    greetTtl: ms('postscreen_greet_ttl'),
    dnsblSites: s.list('postscreen_dnsbl_sites').flatMap((word): DnsblSite[] => {
      const site = parseDnsblSite(word);
      if (site === undefined) throw new Error(`postscreen_dnsbl_sites: "${word}" is no list with a weight`);
      return [site];
    }),
    dnsblThreshold: s.int('postscreen_dnsbl_threshold'),
    dnsblAllowlistThreshold: Number(s.string('postscreen_dnsbl_allowlist_threshold')) || 0,
    dnsblAction: action(s, 'postscreen_dnsbl_action'),
    dnsblTtl: ms('postscreen_dnsbl_max_ttl'),
    dnsblTimeout: ms('postscreen_dnsbl_timeout'),
    preQueueLimit: s.int('postscreen_pre_queue_limit'),
    mayPassAt: (address) => now(() => interfaces.matches({ address })) === true,
    dnsblName: (zone) => now(() => names?.find(zone))?.value ?? zone,
  };
}

/** What cannot be answered at once is no answer. */
function now<T>(ask: () => T | Promise<T>): T | undefined {
  try {
    const answer = ask();
    return answer instanceof Promise ? undefined : answer;
  } catch {
    return undefined;
  }
}

function action(s: PostfixSettings, name: string): ScreenAction {
  const word = s.string(name).toLowerCase();
  if (word === 'ignore' || word === 'enforce' || word === 'drop') return word;
  throw new Error(`${name} = ${word} is none of ignore, enforce and drop`);
}

type Verdict = ReturnType<ScreenSettings['access']>;

/** POSTFIX: words and tables in their order; the first that has a say decides. */
function accessList(s: PostfixSettings, tables: TableRegistry): ScreenSettings['access'] {
  const name = 'postscreen_access_list';
  const networks = tables.matchList(s, 'mynetworks');
  const rules = s.list(name).map((word): ((address: string) => Verdict | 'dunno') => {
    const fixed = verdictOf(word);
    if (fixed !== undefined) return () => fixed;
    if (word.toLowerCase() === 'permit_mynetworks')
      return (address) => (now(() => networks.matches({ address })) === true ? 'permit' : undefined);
    const table: LookupTable = tables.open(word, { parameter: name, origin: s.originOfWord(name, word) });
    return (address) => verdictOf(now(() => table.find(address))?.value ?? '');
  });
  return (address) => {
    for (const rule of rules) {
      const verdict = rule(address);
      if (verdict === 'dunno') return undefined;
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };
}

function verdictOf(text: string): Verdict | 'dunno' {
  const [word = ''] = splitList(text.toLowerCase());
  return word === 'permit' || word === 'reject' || word === 'dunno' ? word : undefined;
}
