import type { DeviceId, NodeId, UserId } from '@millrace/kernel';
import type { SessionPort } from '../chat-service.ts';
import type { Arrival } from './arrival.ts';
import type { Interest } from './interest.ts';
import type { NodeNote } from './node-messages.ts';

export interface DevicesParts {
  readonly self: NodeId;
  readonly port: SessionPort;
  readonly interest: Interest;
  viewVersion(): number;
  ownerOf(user: UserId): NodeId | null;
  tellAll(nodes: Iterable<NodeId>, note: NodeNote): void;
}

type Connected = Extract<NodeNote, { readonly n: 'connected' }>;
type Replaced = Extract<NodeNote, { readonly n: 'replaced' }>;

/**
 * One session a device, over all nodes: a device that connects on another node ends its session on the one before.
 *
 * (D1) Of two sessions of a device the one with the later arrival stays. Arrivals are given by the user's owner, one
 *      after the other, with its answer to `attach`. So when two nodes connect one device at nearly the same time, the
 *      one whose question the owner took second is the newer; both learn the same of it, in whatever order they hear of
 *      each other, and never do both go.
 * (D2) Only a session that is open, its device told so, makes another one give way: a socket that was lost while it was
 *      opened, on a node that stood still, say, takes nothing from the device's next one.
 * (D3) It goes by way of the owner, which knows who holds sockets of the user. A node that hears of an older session than
 *      its own tells the older one's node; and all say anew what they have when the owner changes, or something of the
 *      owner was lost. Should nobody hear of it all the same, the device has two sessions, which are both told
 *      everything, until the older one's socket is found dead.
 */
export class Devices {
  readonly #parts: DevicesParts;
  #arrivals = 0;

  constructor(parts: DevicesParts) {
    this.#parts = parts;
  }

  /** The next one, for a session of a user whose owner this node is. */
  arrival(): Arrival {
    this.#arrivals += 1;
    return { version: this.#parts.viewVersion(), owner: this.#parts.self, n: this.#arrivals };
  }

  /** A session here is open. */
  connected(user: UserId, device: DeviceId, arrival: Arrival): void {
    const { self } = this.#parts;
    const owner = this.#parts.ownerOf(user);
    const note: Connected = { n: 'connected', user, device, arrival };
    if (owner === self) this.#passOn(self, note);
    else if (owner !== null) this.#parts.tellAll([owner], note);
  }

  /** The user's owner may not know of what was said of their sessions here. */
  again(user: UserId): void {
    for (const { device, arrival } of this.#parts.port.arrivals(user)) this.connected(user, device, arrival);
  }

  /** What another node says of its session, to the owner, or by way of the owner. */
  heard(from: NodeId, note: Connected | Replaced): void {
    if (note.n === 'replaced') {
      this.#replace(note);
      return;
    }
    const { user, device, arrival } = note;
    this.#replace({ n: 'replaced', user, device, arrival, by: from });
    this.#passOn(from, note);
  }

  #passOn(by: NodeId, { user, device, arrival }: Connected): void {
    const holders = [...(this.#parts.interest.of(user) ?? [])].filter((node) => node !== by);
    this.#parts.tellAll(holders, { n: 'replaced', user, device, arrival, by });
  }

  #replace({ user, device, arrival, by }: Replaced): void {
    const { self, port } = this.#parts;
    const later = port.replace(user, device, arrival);
    if (later !== null) this.#parts.tellAll([by], { n: 'replaced', user, device, arrival: later, by: self });
  }
}
