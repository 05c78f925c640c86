import type { Socket } from 'node:net';
import { silentLog } from '@postcote/wire';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Account, SleepingSession, SupervisorToWorker, WorkerToSupervisor } from '../ipc.ts';
import type { WokenSession } from './sleeping-sessions.ts';
import { type WorkerChild, WorkerTable, type WorkerTableOptions, WorkersBusy } from './worker-table.ts';

// A worker that is no process: it keeps what it was sent.
class FakeWorker {
  readonly sent: SupervisorToWorker[] = [];
  readonly killed: string[] = [];
  readonly pid: number;
  readonly tell: (message: WorkerToSupervisor, socket?: Socket) => void;
  readonly exit: (reason: string, failed: boolean) => void;
  constructor(
    pid: number,
    tell: (message: WorkerToSupervisor, socket?: Socket) => void,
    exit: (reason: string, failed: boolean) => void,
  ) {
    this.pid = pid;
    this.tell = tell;
    this.exit = exit;
  }
  readonly onSent: ((error: Error | null) => void)[] = [];
  gone = false;
  send(message: SupervisorToWorker, _socket?: Socket, onSent?: (error: Error | null) => void): boolean {
    if (this.gone) return false;
    this.sent.push(message);
    if (onSent !== undefined) this.onSent.push(onSent);
    return true;
  }
  kill(signal: string): void {
    this.killed.push(signal);
    this.exit(`killed by ${signal}`, true);
  }
  ended(): Promise<void> {
    return Promise.resolve();
  }
  types(): string[] {
    return this.sent.map(({ type }) => type);
  }
}

const alice: Account = { name: 'alice', uid: 1000, gid: 1000, home: '/home/alice' };
const bob: Account = { name: 'bob', uid: 1001, gid: 1001, home: '/home/bob' };
const socket = { destroy: () => {} } as unknown as Socket;
const deliver = { type: 'connection', kind: 'deliver', task: { kind: 'user' } } as const;

let workers: FakeWorker[];
/** By account, until somebody takes them. */
let asleep: Map<string, WokenSession[]>;
const sleeping: WorkerTableOptions['sleeping'] = {
  keep: ({ name }, session, connection) =>
    void asleep.set(name, [...(asleep.get(name) ?? []), { session, socket: connection, said: '' }]),
  take: ({ name }) => {
    const sessions = asleep.get(name) ?? [];
    asleep.delete(name);
    return sessions;
  },
};
let table: WorkerTable;

function makeTable(maxWorkers = 10): WorkerTable {
  workers = [];
  asleep = new Map();
  return new WorkerTable({
    launch: (tell, exit) => {
      const worker = new FakeWorker(100 + workers.length, tell, exit);
      workers.push(worker);
      return worker as unknown as WorkerChild;
    },
    assignment: (account) => ({ type: 'assign', account }) as SupervisorToWorker,
    log: silentLog,
    sleeping,
    maxWorkers,
    pingInterval: 1000,
  });
}

/** The worker that was assigned to somebody, in order of launching. */
const nth = (index: number): FakeWorker => workers[index] as FakeWorker;

describe('WorkerTable', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    table = makeTable();
  });
  afterEach(async () => {
    await table.stop(0);
    vi.useRealTimers();
  });

  it('gives the spare worker to the first user and keeps another spare', () => {
    expect(workers).toHaveLength(1);
    table.handOver(alice, deliver, socket);
    expect(nth(0).types()).toEqual(['assign', 'connection']);
    vi.runOnlyPendingTimers();
    expect(workers.length).toBeGreaterThanOrEqual(2);
    expect(nth(1).types()).toEqual([]);
  });

  it('has one worker a user, whatever comes', () => {
    table.handOver(alice, deliver, socket);
    table.handOver(alice, deliver, socket);
    table.handOver(bob, deliver, socket);
    expect(nth(0).types()).toEqual(['assign', 'connection', 'connection']);
    expect(nth(1).types()).toEqual(['assign', 'connection']);
    expect(table.size).toBe(2);
  });

  it('lets an idle worker leave only when it has seen every connection', () => {
    table.handOver(alice, deliver, socket);
    table.handOver(alice, deliver, socket);
    nth(0).tell({ type: 'idle', connections: 1 });
    expect(nth(0).types()).not.toContain('leave');
    nth(0).tell({ type: 'idle', connections: 2 });
    expect(nth(0).types()).toContain('leave');
    expect(table.size).toBe(0);
    table.handOver(alice, deliver, socket);
    expect(
      nth(0)
        .types()
        .filter((type) => type === 'connection'),
    ).toHaveLength(2);
    expect(table.size).toBe(1);
  });

  describe('with sleeping sessions', () => {
    const session = { state: {}, closedLine: '' } as SleepingSession;
    const sleepTwice = (): void => {
      table.handOver(alice, deliver, socket);
      nth(0).tell({ type: 'asleep', session }, socket);
      nth(0).tell({ type: 'asleep', session }, socket);
    };

    it('keeps them when their worker leaves, and gives them to the next one before anything else', () => {
      sleepTwice();
      nth(0).tell({ type: 'idle', connections: 1 });
      expect(nth(0).types()).toContain('leave');
      expect(asleep.get('alice')).toHaveLength(2);
      vi.runOnlyPendingTimers();
      table.handOver(alice, deliver, socket);
      expect(
        nth(1).sent.map((message) => (message.type === 'connection' ? message.kind : message.type)),
      ).toEqual(['assign', 'wake', 'wake', 'deliver']);
    });

    it('gives them back to a worker that was handed something meanwhile', () => {
      sleepTwice();
      table.handOver(alice, deliver, socket);
      nth(0).tell({ type: 'idle', connections: 1 });
      expect(nth(0).types()).not.toContain('leave');
      expect(
        nth(0)
          .types()
          .filter((type) => type === 'connection'),
      ).toHaveLength(4);
    });

    it('starts a worker for a session that wakes', () => {
      sleepTwice();
      nth(0).tell({ type: 'idle', connections: 1 });
      vi.runOnlyPendingTimers();
      table.wake(alice);
      expect(nth(1).types()).toEqual(['assign', 'connection', 'connection']);
      expect(asleep.size).toBe(0);
    });

    it('closes a connection that comes with any other message', () => {
      table.handOver(alice, deliver, socket);
      const stray = { destroy: vi.fn() };
      nth(0).tell({ type: 'pong' }, stray as unknown as Socket);
      expect(stray.destroy).toHaveBeenCalledOnce();
    });
  });

  it('starts a failed worker again at once, and waits longer each time it fails again', () => {
    table.handOver(alice, deliver, socket);
    nth(0).exit('exit status 70', true);
    for (const pause of [200, 400, 800]) {
      table.handOver(alice, deliver, socket);
      const worker = workers.findLast((w) => w.sent.some((m) => m.type === 'assign')) as FakeWorker;
      worker.exit('exit status 70', true);
      expect(() => table.handOver(alice, deliver, socket)).toThrow(WorkersBusy);
      vi.advanceTimersByTime(pause - 10);
      expect(() => table.handOver(alice, deliver, socket)).toThrow(WorkersBusy);
      vi.advanceTimersByTime(20);
    }
    expect(() => table.handOver(bob, deliver, socket)).not.toThrow();
  });

  it('ends a worker that does not answer, and no other', () => {
    table.handOver(alice, deliver, socket);
    table.handOver(bob, deliver, socket);
    for (let i = 0; i < 6; i++) {
      vi.advanceTimersByTime(1000);
      nth(1).tell({ type: 'pong' });
    }
    expect(nth(0).killed).toEqual(['SIGKILL']);
    expect(nth(1).killed).toEqual([]);
    expect(table.size).toBe(1);
  });

  it('has a highest number of workers', async () => {
    await table.stop(0);
    table = makeTable(1);
    table.handOver(alice, deliver, socket);
    expect(() => table.handOver(bob, deliver, socket)).toThrow(/all 1 mailbox workers are in use/);
    expect(() => table.handOver(alice, deliver, socket)).not.toThrow();
  });

  it('closes what a dead worker had not taken yet', () => {
    const taken = { destroy: vi.fn() } as unknown as Socket;
    const waiting = { destroy: vi.fn() } as unknown as Socket;
    table.handOver(alice, deliver, taken);
    nth(0).onSent.shift()?.(null);
    table.handOver(alice, deliver, waiting);
    nth(0).exit('killed by SIGKILL', true);
    expect(taken.destroy).not.toHaveBeenCalled();
    expect(waiting.destroy).toHaveBeenCalledOnce();
  });

  it('does not lose a connection to a worker whose end was not heard yet', () => {
    table.handOver(alice, deliver, socket);
    nth(0).gone = true;
    expect(() => table.handOver(alice, deliver, socket)).toThrow(WorkersBusy);
  });
});
