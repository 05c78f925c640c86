// Hosts of a test's own: network namespaces on a bridge in another one, each with its own loopback, its own /etc/resolv.conf
// and every port free. Nothing in them can reach the machine's network. Needs root.
//
// A host carries a child process (`net-child.ts`) that serves scripted mail servers and DNS there and speaks for the
// test; other programs start there by `command`.

import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Zone } from './dns-server.ts';
import type { Answer, Call, MxState, Sending } from './net-child.ts';
import type { Behaviour } from './scripted-mx.ts';

const CHILD = fileURLToPath(new URL('net-child.ts', import.meta.url));
const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

/** Why hosts cannot be made here, or undefined when they can. */
export function hostsMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root: network namespaces';
  const name = `pc${crypto.randomBytes(3).toString('hex')}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return undefined;
  } catch {
    return 'needs network namespaces (ip netns add fails)';
  }
}

export class TestNetwork {
  readonly #prefix = `pc${crypto.randomBytes(3).toString('hex')}`;
  readonly #hosts: NetHost[] = [];
  readonly #wire: string;

  constructor() {
    this.#wire = `${this.#prefix}w`;
    ip('netns', 'add', this.#wire);
    ip('-n', this.#wire, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', this.#wire, 'link', 'set', 'br0', 'up');
  }

  /** `addresses` without a prefix length; those of IPv4 are in one /16, those of IPv6 in one /64. The zone is what its resolver on 127.0.0.1 knows. */
  async host(name: string, addresses: readonly string[], zone: Zone): Promise<NetHost> {
    const namespace = `${this.#prefix}${name}`;
    ip('netns', 'add', namespace);
    const far = `v${this.#hosts.length}`;
    ip('-n', namespace, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', far, 'netns', this.#wire);
    ip('-n', this.#wire, 'link', 'set', far, 'master', 'br0', 'up');
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    for (const address of addresses) {
      // Without waiting for another host that might have the same IPv6 address.
      const how = address.includes(':') ? [`${address}/64`, 'nodad'] : [`${address}/16`];
      ip('-n', namespace, 'addr', 'add', ...how, 'dev', 'eth0');
    }
    // As in a namespace that a system has booted: ten datagrams, the kernel's default, are too few for postlogd.
    const queue = 'echo 512 > /proc/sys/net/unix/max_dgram_qlen';
    ip('netns', 'exec', namespace, 'sh', '-c', queue);
    fs.mkdirSync(`/etc/netns/${namespace}`, { recursive: true });
    fs.writeFileSync(
      `/etc/netns/${namespace}/resolv.conf`,
      'nameserver 127.0.0.1\noptions timeout:2 attempts:1 trust-ad edns0\n',
    );
    const host = new NetHost(namespace);
    this.#hosts.push(host);
    await host.call({ method: 'dns', zone });
    return host;
  }

  async stop(): Promise<void> {
    for (const host of this.#hosts) await host.stop();
    ip('netns', 'del', this.#wire);
  }
}

export class NetHost {
  readonly namespace: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #calls = 0;

  constructor(namespace: string) {
    this.namespace = namespace;
    // What is forked is ip(8), which becomes the child: the channel stays open over both.
    this.#child = fork(CHILD, [], {
      execPath: 'ip',
      execArgv: ['netns', 'exec', namespace, process.execPath, '--no-warnings'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** A program's words, so that it runs here. */
  command(...words: string[]): string[] {
    return ['ip', 'netns', 'exec', this.namespace, ...words];
  }

  call(call: Call): Promise<unknown> {
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ error, value }) =>
        error === undefined ? resolve(value) : reject(new Error(error)),
      );
      this.#child.send({ id, ...call });
    });
  }

  /** A scripted mail server. */
  async serve(address: string, behaviour: Behaviour = {}): Promise<void> {
    await this.call({ method: 'mx', address, behaviour });
  }

  async served(address: string): Promise<MxState> {
    return (await this.call({ method: 'state', address })) as MxState;
  }

  /** Hands a message to a server from here; gives the reply to its end. */
  async send(sending: Sending): Promise<string> {
    return String(await this.call({ method: 'send', ...sending }));
  }

  /** Waits until a server greets: an open port says nothing yet. */
  async greeted(address: string, port: number): Promise<void> {
    await this.call({ method: 'greeted', address, port });
  }

  async setZone(zone: Zone): Promise<void> {
    await this.call({ method: 'zone', zone });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
    ip('netns', 'del', this.namespace);
    fs.rmSync(`/etc/netns/${this.namespace}`, { recursive: true, force: true });
  }
}
