// Where the configuration is: the options that `serve` and `config` share.

export const CONFIG_OPTIONS = {
  'postfix-dir': { type: 'string', default: '/etc/postfix' },
  'dovecot-conf': { type: 'string', default: '/etc/dovecot/dovecot.conf' },
} as const;
