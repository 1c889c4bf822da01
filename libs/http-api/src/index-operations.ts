import { err, ok, type Result } from '@millrace/kernel';
import type { RebuildStatus } from '@millrace/messaging';
import { frameError, type FrameError } from '@millrace/protocol';
import { z } from 'zod';
import { read } from './input.ts';
import type { Operation, OperationAnswer } from './operation.ts';
import type { IndexRebuild } from './ports.ts';

type Control = NonNullable<ReturnType<IndexRebuild>>;

const wanted = z.strictObject({ abandon: z.boolean().default(false) });

/** Asks for the index, where there is one. */
async function asked(
  rebuild: IndexRebuild,
  ask: (control: Control) => ReturnType<Control['status']>,
): Promise<Result<OperationAnswer, FrameError>> {
  const control = rebuild();
  if (control === null) {
    return err(frameError('not_found', 'this node searches for nothing, or does not serve yet: see MILLRACE_SEARCH'));
  }
  const status = await ask(control);
  if (!status.ok) return err(frameError('unavailable', `${status.error.message} ${status.error.whatToDo}`));
  return ok({ status: 200, body: statusBody(status.value) });
}

const statusBody = ({ isRebuilding, partitions, done }: RebuildStatus): object => ({
  rebuilding: isRebuilding,
  partitions,
  done,
});

/** The search index, for an operator. */
export function indexOperations(rebuild: IndexRebuild): readonly Operation[] {
  return [
    {
      id: 'getIndexRebuild',
      method: 'GET',
      path: '/api/v1/search/rebuild',
      access: 'admin',
      run: () => asked(rebuild, (control) => control.status()),
    },
    {
      id: 'rebuildIndex',
      method: 'POST',
      path: '/api/v1/search/rebuild',
      access: 'admin',
      async run({ body }) {
        const content = read(wanted, body);
        if (!content.ok) return content;
        return asked(rebuild, (control) => (content.value.abandon ? control.abandon() : control.begin()));
      },
    },
  ];
}
