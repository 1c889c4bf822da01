import { RestingActors } from '@millrace/actor';
import { partitionId, type NodeId, type PartitionId, type UserId } from '@millrace/kernel';
import {
  emptyView,
  Membership,
  type ClusterView,
  type Coordinator,
  type Member,
  type PartitionActor,
} from '@millrace/partition';
import { userKey, type ActorKey } from '@millrace/timeline';
import type { AnyCommand, AnyReply } from './actor-calls.ts';
import type { ChatNodeParts, ChatNodeStats } from './chat-node-parts.ts';
import type { ChatService } from './chat-service.ts';
import { actorsOf } from './cluster/actors-of.ts';
import { Attachments } from './cluster/attachments.ts';
import { PartitionCountMismatch } from './cluster/birth-actor.ts';
import { misfitOf, storesOf, type Misfit } from './cluster/born-with.ts';
import { chatHere } from './cluster/chat-here.ts';
import { clientCalls } from './cluster/client-calls.ts';
import { lookAtCluster } from './cluster/cluster-look.ts';
import { ClusterSessions } from './cluster/cluster-sessions.ts';
import type { ClusterStatus, NodeStatus } from './cluster/cluster-status.ts';
import { coordinatorOf } from './cluster/coordinator-of.ts';
import { Devices } from './cluster/devices.ts';
import { Gateways } from './cluster/gateways.ts';
import { handOver } from './cluster/hand-over.ts';
import { Handoffs } from './cluster/handoffs.ts';
import { Heads } from './cluster/heads.ts';
import { Interest } from './cluster/interest.ts';
import { Losses } from './cluster/losses.ts';
import { News } from './cluster/news.ts';
import { statsOf, statusOf } from './cluster/node-look.ts';
import type { NodeNote } from './cluster/node-messages.ts';
import { takeNote } from './cluster/notes.ts';
import { PartitionHost } from './cluster/partition-host.ts';
import { beginOwnWork } from './cluster/own-work.ts';
import { partitionOfActor } from './cluster/partition-of-actor.ts';
import { Peers } from './cluster/peers.ts';
import { Presence } from './cluster/presence.ts';
import { readinessOf, type Readiness } from './cluster/readiness.ts';
import { takeActorRequest, takeRequest } from './cluster/requests.ts';
import { Router } from './cluster/router.ts';
import { until } from './cluster/until.ts';
import { erasingOn } from './erase/erasing-node.ts';
import { Waiters } from './cluster/waiters.ts';
import { recall } from './diffuse/recall.ts';
import { userChannelsOver, type UserChannels } from './diffuse/user-channels.ts';
import type { Effect } from './effects.ts';
import { MessageStories } from './explain/message-stories.ts';
import { Live } from './live/live.ts';
import type { TransferService } from './transfer/transfer-service.ts';

const TELL_MS = 2_000;

type Takers = Parameters<typeof takeRequest>[3] &
  Parameters<typeof takeActorRequest>[4] &
  Parameters<typeof takeNote>[2];

/**
 * One node of the cluster: its membership, the partitions that it owns, their actors, the diffusion between them, and
 * the way to the actors of other nodes.
 */
export class ChatNode {
  readonly chat: ChatService & TransferService;
  /** Of users, on all nodes. */
  readonly sessions: ClusterSessions;
  /** Of single messages. */
  readonly stories: MessageStories;
  readonly gateways: Gateways;
  readonly #parts: ChatNodeParts;
  readonly #membership: Membership;
  readonly #coordinator: Coordinator | null;
  readonly #peers: Peers;
  readonly #router: Router;
  readonly #host: PartitionHost;
  readonly #handoffs: Handoffs;
  readonly #interest: Interest;
  readonly #attachments: Attachments;
  readonly #devices: Devices;
  readonly #news: News;
  readonly #presence: Presence;
  readonly #losses: Losses;
  readonly #heads: Heads;
  readonly #live: Live;
  readonly #channels: UserChannels;
  readonly #resting: RestingActors<ActorKey, PartitionActor<AnyCommand, AnyReply, Effect>>;
  /** Runs that the newest view names, this one left out. */
  #others = new Set<NodeId>();
  #stopping = false;
  #isLost = false;
  /** Set when the cluster was born otherwise: there is nothing that this node could do in it. */
  #misfit: Misfit | null = null;
  readonly #starting = new Waiters();
  #takers: Takers | null = null;

  constructor(parts: ChatNodeParts) {
    const { node: self, name, stores, clock, timers, limits, log } = parts;
    this.#parts = parts;
    const partition = (key: ActorKey): PartitionId => partitionOfActor(key, parts);
    const home = (user: UserId): PartitionId => partition(userKey(user));
    const ownerOf = (of: PartitionId): NodeId | null => this.#router.ownerOf(of);
    this.#resting = new RestingActors(limits.resting);
    const { roles, url, socketUrl } = parts;
    const member: Member = { name, node: self, roles, isDraining: false, url, socketUrl, ...storesOf(parts) };
    this.#membership = new Membership({
      ...parts,
      store: stores.cluster,
      member,
      onView: (view) => this.#follow(view),
      onLost: (why) => this.#lost(why),
      onRegained: () => this.#host.reclaimAll(),
      onTold: () => this.#poke(),
    });
    this.#coordinator = coordinatorOf(parts, {
      knownView: () => this.#router.view,
      announce: (view) => this.#announce(view),
    });
    this.#peers = new Peers({
      ...parts,
      self,
      limits: limits.links,
      view: () => this.#router.view,
      behind: () => this.#membership.renewNow(),
      onRequest: (from, request, answer) => takeRequest(from, request, answer, this.#to),
      onNote: (from, note) => takeNote(from, note, this.#to),
      onGap: (from) => [this.#attachments, this.#live.watches].forEach((followed) => followed.missed(from)),
      onGone: () => this.#membership.renewNow(),
    });
    this.#router = new Router({
      self,
      partitionOf: partition,
      clock,
      timers,
      limits: limits.router,
      local: (of, request, answer) => takeActorRequest(self, of, request, answer, this.#to),
      remote: (to, request, answer) => this.#peers.ask(to, request, answer),
      routed: (command, reply, way) => parts.trace.routed(command, reply, way),
    });
    this.gateways = new Gateways(self, this.#router);
    this.#channels = userChannelsOver(this.#router, timers, log);
    this.#interest = new Interest(home);
    this.#news = new News({
      self,
      timers,
      pushPort: parts.pushPort,
      toldHere: (note) => this.#live.toldHere(note),
      interest: this.#interest,
      partitionOf: partition,
      ownerOf,
      tellAll: (nodes, note) => this.#peers.tellAll(nodes, note),
      latestReceipts: (conversation) => this.#router.conversation(conversation, { t: 'latestReceipts' }),
    });
    this.#losses = new Losses({
      ...parts,
      calls: this.#router,
      partitionOf: partition,
      tell: async (to, news) => (await this.#peers.askWithin(TELL_MS, to, { q: 'generations', news }))?.ok === true,
      host: () => this.#host,
      sockets: () => [this.#attachments, this.#interest],
      tellInboxes: (partitions) => this.#attachments.lost(partitions),
    });
    this.#host = new PartitionHost({
      ...parts,
      resting: this.#resting,
      channels: this.#channels,
      activate: actorsOf(parts, this.#losses.generations),
      partitionOf: partition,
      mayServe: () => this.#membership.isHeld,
      recall: (change) => recall(this.#router, stores, change),
      knownGen: (of) => this.#losses.generations.of(of),
      placementOf: (of) => this.#handoffs.placementOf(of),
      claimed: (of, gen) => [this.#losses, this.#live.source, parts.indexer].forEach((told) => told?.claimed(of, gen)),
      told: (effects) =>
        [this.#news, this.#losses, this.#live.source, parts.archiver, parts.lifetimes, parts.indexer].forEach((each) =>
          each?.told(effects),
        ),
      lost: (of) => {
        this.#membership.renewNow();
        this.#handoffs.lost(of);
      },
    });
    this.#heads = new Heads({
      ...parts,
      self,
      partitionOf: partition,
      ownerOf,
      ask: (msMax, to, question) => this.#peers.askWithin(msMax, to, question),
      here: (of, conversation, user) => this.#host.head(of, conversation, user),
    });
    this.#handoffs = new Handoffs({
      ...parts,
      self,
      releaseMsMax: limits.releaseMsMax,
      host: this.#host,
      released: (of, to) => this.#peers.tell(to, { n: 'released', partition: of }),
      settled: (version) => this.#settled(version),
    });
    this.#devices = new Devices({
      self,
      port: parts.sessionPort,
      interest: this.#interest,
      viewVersion: () => this.#router.view?.version ?? 0,
      ownerOf: (user) => ownerOf(home(user)),
      tellAll: (nodes, note) => this.#peers.tellAll(nodes, note),
    });
    this.#attachments = new Attachments({
      timers,
      partitionOf: home,
      ownerOf,
      ask: async (user) => (await this.#router.attach(user)) as Awaited<ReturnType<Attachments['attach']>>,
      unask: (user) => {
        const owner = ownerOf(home(user));
        if (owner !== null && owner !== self) this.#peers.tell(owner, { n: 'detach', user });
      },
      push: (user, push) => parts.pushPort.push(user, push),
      again: (user, { readMode }) => {
        this.#devices.again(user);
        this.#live.watches.want(user, readMode ?? []);
      },
    });
    this.#live = new Live({
      ...parts,
      self,
      calls: this.#router,
      peers: this.#peers,
      partitionOf: partition,
      ownerOf,
      host: () => this.#host,
      isHere: (user) => this.#attachments.has(user),
    });
    this.#presence = new Presence({
      ...parts,
      self,
      partitionOf: home,
      ownerOf,
      hosts: (of) => this.#host.has(of),
      sockets: () => [this.#attachments, this.#interest],
      ask: (msMax, to, question) => this.#peers.askWithin(msMax, to, question),
    });
    this.sessions = new ClusterSessions({
      ...parts,
      self,
      port: parts.sessionPort,
      view: () => this.#router.view,
      ask: (msMax, to, request) => this.#peers.askWithin(msMax, to, request),
      behind: () => this.#membership.renewNow(),
    });
    this.stories = new MessageStories({
      ...parts,
      self,
      level: parts.ackLevel,
      calls: this.#router,
      timelines: stores.timelines,
      view: () => this.#router.view,
      ask: (msMax, to, question) => this.#peers.askWithin(msMax, to, question),
    });
    this.chat = chatHere({
      ...parts,
      calls: clientCalls(this.#router, timers, () => this.#stopping),
      reads: { ...stores, heads: this.#heads },
      attachments: this.#attachments,
      devices: this.#devices,
      live: this.#live,
      presence: this.#presence,
    });
  }

  /**
   * Resolves once this node is in the cluster and serves the partitions that it was given first, or was stopped.
   *
   * Rejects with a {@link Misfit}: when the store was born otherwise, is archived elsewhere, or other nodes would not find the
   * same messages.
   */
  async start(): Promise<void> {
    await this.#join();
    this.#misfit ??= await misfitOf(this.#router, this.#parts, () => this.#stopping);
    if (this.#misfit === null) {
      beginOwnWork(this.#parts, this.#router, this.#host);
      return;
    }
    await this.stop();
    throw this.#misfit;
  }

  async #join(): Promise<void> {
    await this.#peers.open(() => this.#stopping);
    if (this.#stopping || !(await this.#membership.join())) return;
    this.#coordinator?.start();
    if (this.#misfit !== null || this.#isSettled()) return;
    await this.#starting.wait();
  }

  /** Whether this node is in the view that it knows, and has carried it out. */
  #isSettled(): boolean {
    const { view } = this.#router;
    const isMember = view?.members.some(({ node }) => node === this.#parts.node) === true;
    return isMember && this.#handoffs.moving === 0 && view.owners.every((owner) => owner !== null);
  }

  /** What erases is given of this node. */
  get erasing(): ReturnType<typeof erasingOn> {
    const tellAll = (note: NodeNote): void => this.#peers.tellAll(this.#others, note);
    return erasingOn(this.#router, this.#parts.stores, this.sessions, tellAll);
  }

  /** Whether requests can be answered now, and if not, why. */
  ready(): Readiness {
    const { serving, partitions } = this.#host;
    const hasUnowned = this.#router.view?.owners.some((owner) => owner === null) !== false;
    const lease = { holdsLease: this.#membership.isHeld, isStopping: this.#stopping };
    return readinessOf({ serving, owned: partitions.size, hasUnowned, ...lease });
  }

  stats(): ChatNodeStats {
    return statsOf(this.#host, this.#handoffs, this.#router, {
      actorsResting: this.#resting.size,
      usersBehind: this.#channels.size,
      linkCalls: this.#peers.size.unanswered,
      usersAttached: this.#attachments.size,
    });
  }

  /** The whole cluster, for an operator. A member that does not answer soon has no status. */
  cluster(): Promise<ClusterStatus> {
    const { node: self, partitionCount } = this.#parts;
    const view = this.#router.view ?? emptyView(partitionCount);
    return lookAtCluster(self, view, this.#status(), (msMax, to) => this.#peers.askWithin(msMax, to, { q: 'status' }));
  }

  #status(): NodeStatus {
    const coordinator = this.#coordinator?.leader ?? null;
    return statusOf(this.#host, this.#handoffs, this.#router, coordinator, this.#attachments.size);
  }

  /** The connection to the store was lost and is back: claims again before anything is committed (I5). */
  reclaim(): void {
    this.#membership.renewNow();
    this.#host.reclaimAll();
    this.#peers.probe();
  }

  /** Finishes what was taken, hands the partitions over, to others or with the clean-stop mark, and leaves. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#starting.release();
    const { limits, roles, node: self } = this.#parts;
    if (roles.includes('actors')) {
      await handOver({
        ...{ self, membership: this.#membership, host: this.#host, handoffs: this.#handoffs },
        view: () => this.#router.view,
        until: (isDone, msMax) => this.#until(isDone, msMax),
        handoffMsMax: limits.stopHandoffMs,
      });
    }
    await this.#until(() => this.#channels.size === 0, limits.stopDiffusionMs);
    this.#endOwnWork();
    await Promise.all([...this.#host.partitions].map((partition) => this.#host.release(partition)));
    await this.#membership.leave();
    this.#poke();
    this.#router.stop('this node is stopping; reconnect');
    await this.#peers.close();
  }

  /** Lets go of everything: another run has this node's name. */
  #lost(why: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#endOwnWork();
    this.#host.abandon(why);
    this.#router.stop(why);
    void this.#peers.close();
    this.#parts.onLost(why);
  }

  /** Nothing is begun any more that nobody asks for. */
  #endOwnWork(): void {
    const { archiver, retention, indexer } = this.#parts;
    const own = [archiver, retention, indexer, this.#coordinator, this.#losses, this.#news, this.#live, this.#handoffs];
    for (const part of own) part?.stop();
  }

  #until(isDone: () => boolean, msMax: number): Promise<void> {
    return until(this.#parts.clock, this.#parts.timers, () => isDone() || this.#isLost, msMax);
  }

  #follow(view: ClusterView): void {
    if (this.#isLost) return;
    const { node: self, name, partitionCount, log } = this.#parts;
    if (view.owners.length !== partitionCount) {
      this.#misfit = new PartitionCountMismatch(view.owners.length, partitionCount);
      log.error('this node does not fit into the cluster', { error: this.#misfit.message });
      this.#starting.release();
      return;
    }
    const others = new Set(view.members.map(({ node }) => node).filter((node) => node !== self));
    const gone = [...this.#others].filter((node) => !others.has(node));
    this.#others = others;
    const skipped = view.version > (this.#router.view?.version ?? 0) + 1;
    // First, so that what waited for this view finds its partition here.
    this.#handoffs.follow(view);
    this.#router.follow(view);
    if (this.#isSettled()) this.#starting.release();
    const mine = view.owners.flatMap((owner, index) => (owner === name ? [partitionId(index)] : []));
    this.#interest.keepOnly(new Set(mine));
    for (const node of gone) {
      this.#peers.forget(node);
      this.#interest.forgetNode(node);
    }
    this.#attachments.follow(skipped);
    this.#live.follow(new Set(mine), gone, skipped);
    this.#losses.generations.follow(others);
    this.#peers.viewChanged();
  }

  #announce(view: ClusterView): void {
    this.#membership.offer(view);
    const nodes = view.members.map(({ node }) => node).filter((node) => node !== this.#parts.node);
    this.#peers.tellAll(nodes, { n: 'view', view });
  }

  /** Whoever coordinates is to look at the members again. */
  #poke(): void {
    this.#coordinator?.membersChanged();
    this.#peers.tellAll(this.#others, { n: 'poke' });
  }

  #settled(version: number): void {
    this.#membership.settled(version);
    if (this.#isSettled()) this.#starting.release();
  }

  /** Whom what other nodes ask and tell is handed to: made once, for there is something of it for every message. */
  get #to(): Takers {
    const { node: self, trace, stores } = this.#parts;
    this.#takers ??= {
      ...{ self, trace, router: this.#router, host: this.#host, membership: this.#membership },
      ...{ coordinator: this.#coordinator, handoffs: this.#handoffs, losses: this.#losses, heads: this.#heads },
      ...{ interest: this.#interest, devices: this.#devices, news: this.#news, live: this.#live },
      ...{ sessions: this.sessions, presence: this.#presence, timelines: stores.timelines },
      generations: this.#losses.generations,
      status: () => this.#status(),
      local: (from, partition, request, answer) => takeActorRequest(from, partition, request, answer, this.#to),
    };
    return this.#takers;
  }
}
