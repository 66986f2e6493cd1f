/** Which cells the benchmark of the proxies measures, how the command line chooses among them, and how long they take. Pure. */
import { PROTOCOLS } from '../lib/protocols.ts';
import type { Body, Protocol } from '../lib/protocols.ts';

export const SCENARIOS = ['none', 'hop', 'mtls-pair', 'tcp-pair'] as const;
export type Scenario = (typeof SCENARIOS)[number];
export const PROXIES = ['haproxy', 'nginx', 'envoy', 'mesh'] as const;
export const RUNTIME_NAMES = ['bun', 'node'] as const;

/**
 * How requests come. `closed`: each connection sends its next when an answer is complete, as fast as that goes. The others are open loops: requests
 * come at a rate whatever becomes of those before. Percentages are of what the slowest proxy of the group reached in a closed loop, so that all of a group get
 * the same rate and their latencies can be compared.
 */
export const LOADS = ['closed', '1000/s', '30%', '70%'] as const;
export type LoadKind = (typeof LOADS)[number];

/** One thing that is measured, with every proxy of its group. */
export interface Cell {
  readonly connections: number;
  readonly body: Body;
  readonly load: LoadKind;
}

/** What one proxy is set up for at a time: its cells are measured one after the other, and proxies take turns. */
export interface Group {
  readonly scenario: Scenario;
  readonly protocol: Protocol;
  readonly cells: readonly Cell[];
}

/** What the command line asks for; an empty list leaves the choice to us. */
export interface Choice {
  readonly scenarios: readonly Scenario[];
  readonly protocols: readonly Protocol[];
  readonly connections: readonly number[];
  readonly bodies: readonly Body[];
  readonly loads: readonly LoadKind[];
}

/** The cell whose result is the capacity that percentages are of. */
export const CAPACITY: Cell = { connections: 32, body: 'small', load: 'closed' };

const one = (connections: number, body: Body = 'small', load: LoadKind = 'closed'): Cell => ({
  connections,
  body,
  load,
});
const EVERY_SIZE = [one(1), one(32), one(256), one(32, '1m')];
const OPEN_LOOP = LOADS.filter((load) => load !== 'closed').map((load) => one(32, 'small', load));

/** Not the full product, which would take five hours: every number of connections where proxies authenticate each other, and of the plain hop and of bytes what shows the difference. */
const STANDARD: readonly Group[] = [
  { scenario: 'hop', protocol: 'http1', cells: [...EVERY_SIZE, ...OPEN_LOOP] },
  { scenario: 'hop', protocol: 'http2', cells: [one(32), one(32, '1m')] },
  { scenario: 'mtls-pair', protocol: 'http1', cells: [...EVERY_SIZE, ...OPEN_LOOP] },
  { scenario: 'mtls-pair', protocol: 'http2', cells: [...EVERY_SIZE, ...OPEN_LOOP] },
  { scenario: 'mtls-pair', protocol: 'grpc', cells: [one(1), one(32), one(256)] },
  { scenario: 'tcp-pair', protocol: 'http1', cells: [one(32), one(32, '1m')] },
];

/**
 * The groups to measure, those without any proxy first. Scenarios, protocols and loads pick from the standard cells; with connections or bodies the product of
 * all that was asked for is measured instead, with 32 connections and small bodies where nothing was said.
 */
export function plan(choice: Choice): Group[] {
  const picks = <T>(wanted: readonly T[], value: T): boolean => wanted.length === 0 || wanted.includes(value);
  const isProduct = choice.connections.length > 0 || choice.bodies.length > 0;
  const all = isProduct || isOutside(choice) ? product(choice) : STANDARD;
  const groups = all
    .filter(({ scenario, protocol }) => picks(choice.scenarios, scenario) && picks(choice.protocols, protocol))
    .map((group) => ({ ...group, cells: withCapacity(group.cells.filter(({ load }) => picks(choice.loads, load))) }))
    .filter(({ cells }) => cells.length > 0);
  if (!picks(choice.scenarios, 'none')) return groups;
  // Asked for alone, it has all that the others would have.
  const isAlone = choice.scenarios.length === 1;
  return [
    ...withoutProxy(isAlone ? plan({ ...choice, scenarios: SCENARIOS.filter((name) => name !== 'none') }) : groups),
    ...groups,
  ];
}

/** Scenarios with protocols that no standard group has. */
function isOutside({ scenarios, protocols }: Choice): boolean {
  const proxied = scenarios.filter((scenario) => scenario !== 'none');
  return (
    proxied.length > 0 &&
    protocols.length > 0 &&
    !STANDARD.some(
      (group) => proxied.some((scenario) => scenario === group.scenario) && protocols.includes(group.protocol),
    )
  );
}

function product(choice: Choice): Group[] {
  const { connections, bodies, loads } = choice;
  const cells = (connections.length > 0 ? connections : [32]).flatMap((count) =>
    (bodies.length > 0 ? bodies : ['small' as const]).flatMap((body) =>
      (loads.length > 0 ? loads : ['closed' as const]).map((load) => one(count, body, load)),
    ),
  );
  return SCENARIOS.filter((scenario) => scenario !== 'none').flatMap((scenario) =>
    // To a proxy of bytes all are the same.
    (scenario === 'tcp-pair' ? (['http1'] as const) : PROTOCOLS).map((protocol) => ({ scenario, protocol, cells })),
  );
}

function withCapacity(cells: readonly Cell[]): readonly Cell[] {
  if (!cells.some(({ load }) => load.endsWith('%')) || cells.some((cell) => isSame(cell, CAPACITY))) return cells;
  return [CAPACITY, ...cells];
}

/** What the load and the backend cost and reach by themselves, for each cell that has no rate of its own group. */
function withoutProxy(groups: readonly Group[]): Group[] {
  return PROTOCOLS.map((protocol): Group => {
    const cells = groups.filter((group) => group.protocol === protocol).flatMap((group) => group.cells);
    const own = cells.filter(({ load }) => !load.endsWith('%'));
    const distinct = own.filter((cell, index) => own.findIndex((other) => isSame(cell, other)) === index);
    return { scenario: 'none', protocol, cells: distinct };
  }).filter(({ cells }) => cells.length > 0);
}

export function isSame(a: Cell, b: Cell): boolean {
  return a.connections === b.connections && a.body === b.body && a.load === b.load;
}

/** What a run spends its time with, in seconds, as seen; only the warm-up of what compiles while it runs depends on the machine. */
export const COST_S = {
  /** Starting everything, and waiting twice until memory has settled. */
  run: 90,
  warmUpNative: 1,
  warmUpCompiled: 6,
  /** The start and the end of a load generator. */
  cell: 0.4,
  /** What is compiled meets each cell with a moment of its own that is not counted. */
  cellCompiled: 1.2,
};

/** Seconds that a run takes about. */
export function estimateS(
  groups: readonly Group[],
  run: { readonly durationS: number; readonly rounds: number; readonly native: number; readonly compiled: number },
): number {
  const perRound = groups.map(({ scenario, cells }) => {
    const native = scenario === 'none' ? 1 : run.native;
    const compiled = scenario === 'none' ? 0 : run.compiled;
    const cell = run.durationS + COST_S.cell;
    // Shares of the capacity have a turn of their own, after everybody's capacity is known.
    const turns = cells.some(({ load }) => load.endsWith('%')) ? 2 : 1;
    const warmUps = turns * (native * COST_S.warmUpNative + compiled * COST_S.warmUpCompiled);
    return warmUps + cells.length * (native * cell + compiled * (cell + COST_S.cellCompiled));
  });
  return COST_S.run + run.rounds * perRound.reduce((sum, seconds) => sum + seconds, 0);
}
