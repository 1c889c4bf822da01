import { err, hash32, invariant, ok, parseNodeId, type NodeId, type Result } from '@millrace/kernel';

/** What a node does: `gateway` holds sockets, `actors` owns partitions, `jobs` works what may wait. */
export type Role = 'gateway' | 'actors' | 'jobs';

const ROLES: readonly unknown[] = ['gateway', 'actors', 'jobs'] satisfies readonly Role[];

/** One node of the cluster, as it registered itself. */
export interface Member {
  /** The same for every run of a node: what partitions are placed on. Not empty. */
  readonly name: string;
  /** This run of it. */
  readonly node: NodeId;
  readonly roles: readonly Role[];
  /** It goes down soon: it keeps what it owns until that is moved away, and is given nothing. */
  readonly isDraining: boolean;
  /** Its HTTP address, for operators; may be empty. */
  readonly url: string;
  /** Where clients open sockets to it; empty without the role `gateway`, and when it cannot tell. */
  readonly socketUrl: string;
  /** The identity of the archive that it uses; absent without one. */
  readonly archive?: string;
  /** The identity of the search index that it feeds; absent without one. */
  readonly search?: string;
  /** It rolls conversations of others into the archive; absent when it does not, or knows of no such jobs. */
  readonly rolls?: true;
  /** The newest version of the messages between nodes that it reads; absent for the first. */
  readonly speaks?: number;
}

/** Who is in the cluster, and who is to own what. Immutable; of two views the one with the higher version is the newer. */
export interface ClusterView {
  /** From 1; 0 for the view before the first one. */
  readonly version: number;
  /** By name, in order. */
  readonly members: readonly Member[];
  /** By partition: the name of the member that is to own it, null for none. It may name a member that is gone. */
  readonly owners: readonly (string | null)[];
  /** By partition: the version of the view that gave it to the present run of its owner; 0 when nobody had it yet. */
  readonly since: readonly number[];
  /** By partition: what `since` was for the run that was to own it before. */
  readonly before: readonly number[];
}

/** What a view says of one partition to the member that owns it, or did before. */
export interface Placement {
  /** The version of the view that gave it to the asker: what its time as the owner goes by. */
  readonly givenIn: number;
  /** The same of whoever was to own it before, 0 for nobody. */
  readonly precededBy: number;
}

/** Without a view nobody was given anything. */
export function placementOf(
  view: ClusterView | null,
  partition: number,
  { name, node }: Pick<Member, 'name' | 'node'>,
): Placement {
  const [since = 0, before = 0] = [view?.since[partition], view?.before[partition]];
  if (view?.owners[partition] !== name) return { givenIn: before, precededBy: 0 };
  const isThisRun = view.members.some((member) => member.node === node);
  // A run that the view does not know yet succeeds the one that it was made for.
  return isThisRun ? { givenIn: since, precededBy: before } : { givenIn: since, precededBy: since };
}

/** The view before the first one: nobody is there, nothing is owned. */
export const emptyView = (partitionCount: number): ClusterView => ({
  version: 0,
  members: [],
  owners: Array.from({ length: partitionCount }, () => null),
  since: Array.from({ length: partitionCount }, () => 0),
  before: Array.from({ length: partitionCount }, () => 0),
});

/** A text that is not what it should be: of a later version of the program, or a stranger's. */
export interface ViewError {
  readonly code: 'bad_view';
  readonly message: string;
}

const FORMAT = 1;
const PARTITIONS_MAX = 65_536;

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isCounts = (value: unknown, length: number): value is number[] =>
  Array.isArray(value) && value.length === length && value.every(isCount);

const bad = (message: string): Result<never, ViewError> => err({ code: 'bad_view', message });

function parsed(text: string): Result<Fields, ViewError> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return bad('it is not JSON');
  }
  const fields = fieldsOf(value);
  if (fields['format'] === FORMAT) return ok(fields);
  return bad(`it is not of format ${String(FORMAT)}`);
}

function memberOf(value: unknown): Result<Member, ViewError> {
  // Whoever wrote none runs an older version of the program.
  const { name, node, roles, isDraining, url, socketUrl = '', archive, search, rolls, speaks } = fieldsOf(value);
  if (typeof name !== 'string' || name === '') return bad('a member has no name');
  const run = parseNodeId(node);
  if (!run.ok) return bad(`member ${name}: ${run.error.message}`);
  if (!Array.isArray(roles) || !roles.every((role) => ROLES.includes(role))) return bad(`member ${name}: its roles`);
  if (typeof isDraining !== 'boolean') return bad(`member ${name}: isDraining`);
  if (typeof url !== 'string') return bad(`member ${name}: its url`);
  if (typeof socketUrl !== 'string') return bad(`member ${name}: its socketUrl`);
  if (archive !== undefined && typeof archive !== 'string') return bad(`member ${name}: its archive`);
  if (search !== undefined && typeof search !== 'string') return bad(`member ${name}: its search`);
  const of = {
    ...(archive === undefined ? {} : { archive }),
    ...(search === undefined ? {} : { search }),
    ...(rolls === true ? { rolls: true as const } : {}),
    ...(typeof speaks === 'number' ? { speaks } : {}),
  };
  return ok({ name, node: run.value, roles: roles as readonly Role[], isDraining, url, socketUrl, ...of });
}

/** What every version of the program keeps of a member: an older one drops the rest of a view that it reads. */
const keptMember = ({ name, node, roles, isDraining, url, socketUrl, archive, search }: Member): Member => ({
  name,
  node,
  roles,
  isDraining,
  url,
  socketUrl,
  ...(archive === undefined ? {} : { archive }),
  ...(search === undefined ? {} : { search }),
});

const plainMember = (member: Member): Member => ({
  ...keptMember(member),
  ...(member.rolls === undefined ? {} : { rolls: member.rolls }),
  ...(member.speaks === undefined ? {} : { speaks: member.speaks }),
});

/** One member as text, as it is kept beside its registration. */
export const encodeMember = (member: Member): string => JSON.stringify({ format: FORMAT, ...plainMember(member) });

export function decodeMember(text: string): Result<Member, ViewError> {
  const fields = parsed(text);
  return fields.ok ? memberOf(fields.value) : fields;
}

/** Owners are written as places in a table of names: a name is some twenty characters, and partitions are many. */
export function encodeView({ version, members, owners, since, before }: ClusterView): string {
  invariant(isCount(version) && owners.length <= PARTITIONS_MAX, 'a view that could not be read back');
  const names = [...new Set(owners.filter((owner) => owner !== null))].sort();
  const places = new Map(names.map((name, place) => [name, place]));
  return JSON.stringify({
    format: FORMAT,
    version,
    members: members.map(plainMember),
    names,
    owners: owners.map((owner) => (owner === null ? null : places.get(owner))),
    since,
    before,
  });
}

/**
 * What tells two views of one version apart, eight hexadecimal digits. A store that lost its end lets a coordinator that
 * does not know the lost view make another one with the same version.
 *
 * Of what an older version of the program has of it, too: by another digest of the same view its coordinator, or ours, would
 * make one view after the other.
 */
export const digestOf = (view: ClusterView): string =>
  hash32(encodeView({ ...view, members: view.members.map(keptMember) }))
    .toString(16)
    .padStart(8, '0');

export function decodeView(text: string): Result<ClusterView, ViewError> {
  const fields = parsed(text);
  if (!fields.ok) return fields;
  const { version, members, names, owners } = fields.value;
  if (!isCount(version)) return bad('its version is not a whole number');
  if (!Array.isArray(members) || !Array.isArray(names) || !Array.isArray(owners)) return bad('a list is missing');
  if (owners.length > PARTITIONS_MAX) return bad(`it has more than ${String(PARTITIONS_MAX)} partitions`);
  const read: Member[] = [];
  for (const value of members) {
    const member = memberOf(value);
    if (!member.ok) return member;
    read.push(member.value);
  }
  const placed: (string | null)[] = [];
  for (const place of owners as readonly unknown[]) {
    const name: unknown = place === null ? null : isCount(place) ? names[place] : undefined;
    if (name !== null && typeof name !== 'string') return bad(`the owner of partition ${String(placed.length)}`);
    placed.push(name);
  }
  // Whoever wrote neither runs an older version of the program: then nobody is known to have preceded anybody.
  const { since = placed.map(() => version), before = placed.map(() => 0) } = fields.value;
  if (!isCounts(since, placed.length) || !isCounts(before, placed.length)) return bad('since when it is so');
  return ok({ version, members: read, owners: placed, since, before });
}
