import type { Checked } from '../workloads/checked.ts';
import type { PartResult } from '../workloads/part-result.ts';
import type { Peer } from '../workloads/peers/peer.ts';
import type { SidesReport } from './bench-report.ts';
import { checkedLine, sidesLines } from './text-table.ts';

/** A peer, and what was measured of it. */
export interface PeerReport extends Peer {
  /** By package. */
  readonly versions: Readonly<Record<string, string>>;
  readonly parts: Readonly<Record<string, PartResult>>;
  readonly bytesPerConnection: number | null;
  /** Of Millrace to it. */
  readonly ratio: SidesReport['ratio'];
  /** With this peer in the place of the floor. */
  readonly rounds: SidesReport['rounds'];
  readonly checked: Checked;
}

/** For people. */
export function peerLines(peers: readonly PeerReport[]): readonly string[] {
  return peers.flatMap(({ name, versions, setUp, ack, lacks, parts, ratio, checked }) => [
    '',
    `${name} (${Object.entries(versions)
      .map(([one, version]) => `${one} ${version}`)
      .join(', ')}): ${setUp}`,
    ...sidesLines({ median: { parts: {} }, floor: { parts }, ratio }, true, { measured: 'Millrace', floor: name }).map(
      (line) => line.replace(`to the ${name}:`, `Millrace to ${name}:`),
    ),
    `  acknowledged: ${ack}`,
    ...Object.entries(lacks).map(([what, sentence]) => `  no ${what}: ${sentence}`),
    `  ${checkedLine({ checked })}`,
  ]);
}
