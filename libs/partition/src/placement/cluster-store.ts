import type { NodeId } from '@millrace/kernel';
import type { ClusterView, Member } from './cluster-view.ts';

/** How far a member is with the views, by version; 0 for none. */
export interface KnownViews {
  /** The newest view that it has. */
  readonly version: number;
  /** `digestOf` that view, `-` for none. */
  readonly digest: string;
  /** The newest view that it has carried out: what was taken from it is released. */
  readonly settled: number;
}

export type RegisterAnswer =
  /** `view`: the stored one when it is newer than the one that the member knows, else null. */
  | { readonly code: 'held'; readonly untilMonotonicMs: number; readonly view: ClusterView | null }
  | { readonly code: 'replaced'; readonly by: NodeId }
  | { readonly code: 'unavailable'; readonly message: string };

/** A member whose registration holds. */
export interface LivingMember {
  readonly member: Member;
  /** Until its registration runs out, if it is not renewed. */
  readonly remainingMs: number;
  readonly knownVersion: number;
  readonly knownDigest: string;
  readonly settledVersion: number;
}

export type LeadAnswer =
  | {
      readonly code: 'leading';
      readonly term: number;
      readonly untilMonotonicMs: number;
      /** The stored view, null before the first one. */
      readonly view: ClusterView | null;
      /** In no particular order. */
      readonly living: readonly LivingMember[];
    }
  /** `leader` is the name of the member that leads, `remainingMs` how long it may at most without renewing. */
  | { readonly code: 'following'; readonly leader: string; readonly remainingMs: number }
  | { readonly code: 'unregistered' }
  | { readonly code: 'unavailable'; readonly message: string };

export type PutViewAnswer =
  | { readonly code: 'put' }
  | { readonly code: 'outdated' }
  /** It may be stored, or not: the next answer to `lead` tells. */
  | { readonly code: 'unavailable'; readonly message: string };

/**
 * Who is in the cluster, who coordinates it, and the view that the coordinator made. All time is the store's own (I10):
 * what is granted may be used until `untilMonotonicMs` of the caller's clock, which is counted from before the request
 * was sent and so ends before the store's time does. One suite (`@millrace/partition/conformance`) holds every
 * implementation to this:
 *
 * - Nothing rejects. `unavailable` says nothing about whether it happened.
 * - `register` takes or renews the registration of `member.name` for the run `member.node`. A run that was not
 *   registered under that name before replaces the present one at once, and the replaced run never takes it back,
 *   neither when the newer one has left nor when it has run out: it is answered `replaced` from then on. (The last
 *   1,000 replaced runs are remembered.) A registration that ran out without being replaced is taken again by its run.
 * - `leave` gives the registration back at once, if it is this run's.
 * - `lead` takes or renews the leadership. Only a run whose registration holds may lead, else it is `unregistered`. The
 *   leadership is another one's as long as both its lease and the registration of its run hold, so it is free at once
 *   when the leader leaves, or is replaced by a newer run of its own. `term` rises whenever another run than the last
 *   one becomes the leader. Registrations that ran out are removed from the store by it, when it answers `leading`.
 * - `putView` stores a view, if the caller's run and term are the last leader's and its version is above the stored
 *   one's; else it changes nothing. It is stored as a whole.
 * - A store that lost its end may come back with anything older, a term included: the leader keeps
 *   its versions above every one that is known, and above one that is known with another content.
 */
export interface ClusterStore {
  register(member: Member, leaseMs: number, known: KnownViews): Promise<RegisterAnswer>;
  leave(name: string, node: NodeId): Promise<void>;
  lead(name: string, node: NodeId, leaseMs: number): Promise<LeadAnswer>;
  putView(term: number, node: NodeId, view: ClusterView): Promise<PutViewAnswer>;
}
