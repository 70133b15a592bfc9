/** A command as a user gives it in a directory, run in this process: its exit status and what it wrote. */
import type { Border } from '../src/cli/context.ts'
import { runCli } from '../src/cli/run.ts'

export async function callCli(
  dir: string,
  argv: readonly string[],
  more: Partial<Border> = {},
): Promise<{ status: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const border: Border = {
    env: { PATH: process.env.PATH, HOME: dir },
    argv: [...argv],
    cwd: dir,
    uid: process.getuid?.() ?? 0,
    gids: [],
    user: 'tester',
    node: process.execPath,
    version: '9.9.9',
    isTty: false,
    errIsTty: false,
    columns: () => 80,
    rows: () => 24,
    write: text => {
      out += text
    },
    writeErr: text => {
      err += text
    },
    onSignal: () => () => {},
    ...more,
  }
  return { status: await runCli(border), out, err }
}
