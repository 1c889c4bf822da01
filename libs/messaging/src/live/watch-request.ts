import type { ConversationId, UserId } from '@millrace/kernel';
import type { LobbyHere, LobbyTold } from '../lobby/lobby-facts.ts';
import type { WatchAsked } from './watches.ts';

/*
 * What another node asks to be told of. It may run another version of the program, so what it leaves out is found here,
 * and not where an actor would stumble over it.
 */

type Fields<T> = { readonly [Name in keyof T]?: unknown };

const fieldsOf = <T>(value: unknown): Fields<T> | null => (typeof value === 'object' ? value : null);

const isTextList = (value: unknown): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string');

function isTold(value: unknown): boolean {
  if (value === null) return true;
  const told = fieldsOf<LobbyTold>(value);
  const facts = fieldsOf<LobbyTold['facts']>(told?.facts);
  const numbers = [told?.gen, facts?.backlog, facts?.membersMax];
  const isPair = (role: unknown): boolean => isTextList(role) && (role as unknown[]).length === 2;
  return (
    numbers.every((each) => typeof each === 'number') &&
    fieldsOf(facts?.meta) !== null &&
    Array.isArray(told?.roles) &&
    told.roles.every(isPair)
  );
}

function isLobbyHere(value: unknown): boolean {
  if (value === undefined) return true;
  const here = fieldsOf<LobbyHere>(value);
  return here !== null && isTextList(here.present) && isTold(here.told);
}

function isWatch(value: unknown): value is WatchAsked {
  const asked = fieldsOf<{ conversation: ConversationId; users: readonly UserId[]; lobby: LobbyHere }>(value);
  return (
    asked !== null && typeof asked.conversation === 'string' && isTextList(asked.users) && isLobbyHere(asked.lobby)
  );
}

/** Null when something is missing, or is not what it should be. */
export const readWatches = (value: unknown): readonly WatchAsked[] | null =>
  Array.isArray(value) && value.every(isWatch) ? value : null;
