import type { NodeId, UserId } from '@millrace/kernel';
import type { Member } from '@millrace/partition';
import { userKey } from '@millrace/timeline';
import type { Router } from './router.ts';

/** The nodes that take sockets and do not go down, as of the newest view that is known here. */
export class Gateways {
  readonly #self: NodeId;
  readonly #router: Pick<Router, 'view' | 'ownerOf' | 'partitionOf'>;

  constructor(self: NodeId, router: Pick<Router, 'view' | 'ownerOf' | 'partitionOf'>) {
    this.#self = self;
    this.#router = router;
  }

  /** Without this node. */
  get others(): readonly Member[] {
    return this.#open.filter(({ node }) => node !== this.#self);
  }

  /**
   * The one on which the user's own actor lives: what comes into their inbox need go to no other node from there. Null when
   * that node takes no sockets, or is not known; any other one will do, now and always.
   */
  homeOf(user: UserId): Member | null {
    const owner = this.#router.ownerOf(this.#router.partitionOf(userKey(user)));
    return this.#open.find(({ node }) => node === owner) ?? null;
  }

  get #open(): readonly Member[] {
    const members = this.#router.view?.members ?? [];
    return members.filter(({ roles, isDraining }) => roles.includes('gateway') && !isDraining);
  }
}
