/** What a run did, counted from outside. */
export interface Checked {
  readonly sent: number;
  readonly acked: number;
  readonly stored: number;
  readonly delivered: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly gaps: number;
}

export const nothingChecked: Checked = {
  sent: 0,
  acked: 0,
  stored: 0,
  delivered: 0,
  lost: 0,
  duplicated: 0,
  gaps: 0,
};

export function addChecked(left: Checked, right: Checked): Checked {
  return {
    sent: left.sent + right.sent,
    acked: left.acked + right.acked,
    stored: left.stored + right.stored,
    delivered: left.delivered + right.delivered,
    lost: left.lost + right.lost,
    duplicated: left.duplicated + right.duplicated,
    gaps: left.gaps + right.gaps,
  };
}

export const isSound = ({ lost, duplicated, gaps }: Checked): boolean => lost + duplicated + gaps === 0;
