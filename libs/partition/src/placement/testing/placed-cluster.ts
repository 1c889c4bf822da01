import type { NodeId } from '@millrace/kernel';
import { digestOf, emptyView, type ClusterView, type Member, type Role } from '../cluster-view.ts';
import { nextView, type Standing } from '../place.ts';

export const aMember = (name: string, run = 1, more: Partial<Member> = {}): Member => ({
  name,
  node: `${name}.${String(run)}` as NodeId,
  roles: ['gateway', 'actors'],
  isDraining: false,
  url: '',
  socketUrl: '',
  ...more,
});

/** Members without a store: each learns of a view, and settles it, when a test says so. */
export class PlacedCluster {
  view: ClusterView;
  readonly movesMax: number;
  readonly standings = new Map<string, Standing>();
  #runs = 0;

  constructor(partitionCount: number, movesMax = 16) {
    this.view = emptyView(partitionCount);
    this.movesMax = movesMax;
  }

  get living(): readonly Standing[] {
    return [...this.standings.values()];
  }

  /** Those that may be given something. */
  get takers(): readonly string[] {
    return this.living
      .filter(({ member }) => member.roles.includes('actors') && !member.isDraining)
      .map(({ member }) => member.name);
  }

  /** Joins, or a new run of one that is there. */
  start(name: string, roles: readonly Role[] = ['gateway', 'actors']): void {
    this.#runs += 1;
    this.standings.set(name, {
      member: aMember(name, this.#runs, { roles }),
      knownVersion: 0,
      knownDigest: '-',
      settledVersion: 0,
    });
  }

  drain(name: string): void {
    const standing = this.standings.get(name);
    if (standing === undefined) return;
    this.standings.set(name, { ...standing, member: { ...standing.member, isDraining: true } });
  }

  end(name: string): void {
    this.standings.delete(name);
  }

  /** The member has the present view and carried it out. */
  settle(name: string): void {
    const standing = this.standings.get(name);
    if (standing === undefined) return;
    const { version } = this.view;
    const knownDigest = digestOf(this.view);
    this.standings.set(name, { ...standing, knownVersion: version, knownDigest, settledVersion: version });
  }

  settleAll(): void {
    for (const name of this.standings.keys()) this.settle(name);
  }

  /** @returns whether the view changed. */
  step(living = this.living): boolean {
    const next = nextView(this.view, living, { movesPerRoundMax: this.movesMax });
    if (next === null) return false;
    this.view = next;
    return true;
  }

  /** Views and settling by turns until nothing changes any more. @returns how many views that took. */
  converge(viewsMax = 10_000): number {
    for (let views = 0; views <= viewsMax; views += 1) {
      const stepped = this.step();
      this.settleAll();
      if (!stepped && !this.step()) return views;
    }
    throw new Error(`there was always another view, ${String(viewsMax)} times`);
  }

  owned(name: string): readonly number[] {
    return this.view.owners.flatMap((owner, partition) => (owner === name ? [partition] : []));
  }

  get loads(): readonly number[] {
    return this.takers.map((name) => this.owned(name).length);
  }
}
