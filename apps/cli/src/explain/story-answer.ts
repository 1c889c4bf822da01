/** A position in a user's inbox, and when a node came to know it. */
export interface MarkAnswer {
  readonly gen: number;
  readonly seq: number;
  readonly at: number;
}

export interface SpreadAnswer {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface WhyAnswer {
  readonly code: string;
  readonly nodes: readonly string[];
}

/** A step of any kind: what all have, and what some have. A later server may tell steps that are not known here. */
export interface StepAnswer {
  readonly step: string;
  readonly known: 'traced' | 'stored' | 'not';
  readonly node: string | null;
  readonly at: number | null;
  readonly tookMs: number | null;
  readonly why: readonly WhyAnswer[];
  readonly via?: 'socket' | 'http' | null;
  readonly session?: string | null;
  readonly retries?: number;
  readonly to?: string | null;
  readonly way?: 'here' | 'node_stream' | null;
  readonly waitedMs?: number | null;
  readonly tries?: number | null;
  readonly partition?: number;
  readonly epoch?: number | null;
  readonly commitNo?: number | null;
  readonly commands?: number | null;
  readonly level?: string | null;
  readonly again?: boolean | null;
  readonly mode?: string;
  readonly recipients?: number;
  readonly looked?: number;
  readonly reached?: number;
  readonly delivered?: SpreadAnswer | null;
  readonly pushed?: SpreadAnswer | null;
  /** A server of before does not tell them. */
  readonly gateways?: readonly (SpreadAnswer & { readonly node: string })[];
}

export interface DeviceAnswer {
  readonly device: string;
  readonly node: string | null;
  readonly session: string | null;
  readonly state: string;
  readonly at: number | null;
  readonly pushedAt: number | null;
  readonly told: MarkAnswer | null;
  readonly resynced: { readonly reason: string; readonly at: number } | null;
}

export interface MemberAnswer {
  readonly user: string;
  readonly role: string | null;
  readonly isAuthor: boolean;
  readonly inbox: {
    readonly state: string;
    readonly seq: number | null;
    readonly at: number | null;
    readonly tookMs: number | null;
  };
  readonly delivered: boolean;
  readonly read: boolean;
  readonly deliveredAt: number | null;
  readonly readAt: number | null;
  readonly devices: readonly DeviceAnswer[];
}

/** Of `GET /api/v1/conversations/{conversation}/messages/{seq}/story` (docs/openapi.yaml), what is shown here. */
export interface StoryAnswer {
  readonly conversation: string;
  readonly kind: string;
  readonly gen: number;
  readonly seq: number;
  readonly head: { readonly gen: number; readonly seq: number };
  readonly message: {
    readonly from: string | null;
    readonly device: string | null;
    readonly n: number;
    readonly type: string;
    readonly at: number;
    readonly bytes: number;
  };
  readonly steps: readonly StepAnswer[];
  readonly recipients: { readonly count: number; readonly delivered: number; readonly read: number };
  readonly members: readonly MemberAnswer[];
  readonly nodes: readonly {
    readonly name: string;
    readonly state: 'told' | 'silent' | 'off';
    readonly since: number | null;
    readonly messagesFrom: number | null;
    readonly copiesFrom: number | null;
  }[];
}

export function isStoryAnswer(value: unknown): value is StoryAnswer {
  const { steps, members, nodes } = (value ?? {}) as { readonly [Name in keyof StoryAnswer]?: unknown };
  return Array.isArray(steps) && Array.isArray(members) && Array.isArray(nodes);
}
