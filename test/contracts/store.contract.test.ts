/**
 * The keeper's memory on disk and the simulation's keep the same promises: what the simulation shows holds on
 * the disk.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Journal } from '../../src/host/journal.ts'
import { LinuxLatches } from '../../src/host/linux-latches.ts'
import { LinuxStore } from '../../src/host/linux-store.ts'
import { makeStateDir } from '../../src/host/make-state-dir.ts'
import { writeExitEvidence } from '../../src/host/run-records.ts'
import { type StateDir, stateDirAt } from '../../src/host/state-dir.ts'
import { SimHost, SimWorld } from '../simulation/sim-host.ts'
import { type Subject, storeContract } from './store.contract.ts'

const NOW = { monoMs: 1000, wallMs: 1_700_000_000_000 }

storeContract('the disk', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mark-store-'))
  const state = stateDirAt(join(dir, '.mark'), join(dir, 'run'))
  mkdirSync(state.socketDir)
  makeStateDir(state)
  return onDisk(state, () => rmSync(dir, { recursive: true, force: true }))
})

storeContract('the simulation', () => inMemory(new SimHost(1)))

/** A successor does not wait for the journal to be closed: kill -9 closes nothing. */
function onDisk(state: StateDir, remove: () => void): Subject {
  const journal = Journal.open(state.journal, NOW)
  const successors: Subject[] = []
  let ids = 0
  return {
    store: new LinuxStore(state, journal),
    latches: new LinuxLatches(
      state,
      () => `F${++ids}`,
      () => NOW.wallMs,
    ),
    successor: () => {
      const next = onDisk(state, () => {})
      successors.push(next)
      return next
    },
    witness: (run_id, exit) =>
      writeExitEvidence(state, { run_id, pid: 4711, exit, at: '2026-01-02T03:04:05.678Z' }),
    damageLatch: () => {
      writeFileSync(join(state.latchDir, 'K-torn.json'), '{"id":"K-to')
      return 'K-torn'
    },
    touchKillFile: () => closeSync(openSync(state.killFile, 'w')),
    isKillFileThere: () => existsSync(state.killFile),
    haltOf: module => {
      const path = join(state.haltDir, module)
      return existsSync(path) ? readFileSync(path, 'utf8').trim() : null
    },
    close: () => {
      for (const next of successors) next.close()
      journal.close()
      remove()
    },
  }
}

function inMemory(host: SimHost): Subject {
  const world = new SimWorld(host, 1)
  return {
    store: world.store,
    latches: world.latches,
    successor: () => inMemory(host),
    witness: (runId, exit) => host.evidence.set(runId, exit),
    close: () => {},
  }
}
