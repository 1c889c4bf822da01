/*
 * What the examples of both directions are about. Written as the wire has them: ids are plain texts and numbers here.
 */
export interface Named<Frame> {
  readonly name: string;
  readonly frame: Frame;
}

export const tea = 'tea';
