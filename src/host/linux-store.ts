/**
 * The keeper's memory on disk (SPEC 2). A write that fails is kept in mind as a shortage and tried again
 * every second until it is done: supervision goes on from memory. A live run whose record is damaged or
 * was never written is known from the memory of its child.
 */
import type { Exit } from '../core/exit.ts'
import { type ChildrenDocument, recordsOf, type RunRecord } from '../core/keeper-state.ts'
import { type Plan, startedSpecs } from '../core/plan.ts'
import { shareEqual } from '../core/share-equal.ts'
import type { FleetEvent } from '../core/view.ts'
import { readChecked, setAside, writeChecked } from './atomic-file.ts'
import { ChildrenFile } from './children-file.ts'
import { tidyUpAfter } from './tidy-up.ts'
import { readSecretsEnv, writeSecretsEnv } from './environment.ts'
import type { Journal } from './journal.ts'
import {
  fillSpares,
  readExitEvidence,
  readRunRecords,
  removeRunRecord,
  writeRunRecord,
} from './run-records.ts'
import type { StateDir } from './state-dir.ts'
import type { ChildrenSave, Store } from '../core/world.ts'
import { HostShortage } from './shortage.ts'

const RETRY_MS = 1000
/** Records of ended runs that could not be removed: harmless, so no more of them are kept in mind. */
const OWED_MAX = 2000

export class LinuxStore implements Store {
  readonly #state: StateDir
  readonly #journal: Journal
  readonly #children: ChildrenFile
  /** What could not be written, by name, with the reason. */
  readonly troubles = new Map<string, string>()
  #secrets: Readonly<Record<string, string>>
  #remembered: ChildrenDocument | null = null
  /** Writes that failed, by what they are of. */
  readonly #owed = new Map<string, () => void>()
  #retry: NodeJS.Timeout | null = null

  constructor(state: StateDir, journal: Journal) {
    this.#state = state
    this.#journal = journal
    this.#children = new ChildrenFile(state.children)
    this.#secrets = this.#readSecrets()
    fillSpares(state)
  }

  /** retention.logs of the plan loaded or saved last; null: none was. */
  logRetentionMs: number | null = null

  get secrets(): Readonly<Record<string, string>> {
    return this.#secrets
  }

  loadPlan(): Plan | null {
    const plan = shareEqual(this.#load(this.#state.plan) as Plan | null)
    this.logRetentionMs = plan?.retention.logsMs ?? null
    if (plan) tidyUpAfter(startedSpecs(plan).length)
    return plan
  }

  savePlan(plan: Plan): void {
    this.logRetentionMs = plan.retention.logsMs
    tidyUpAfter(startedSpecs(plan).length)
    this.#try('plan.json', () =>
      writeChecked(this.#state.plan, plan, { mode: 0o600, fsync: true, keepBackup: true }),
    )
  }

  loadChildren(): ChildrenDocument | null {
    const { document, troubles } = this.#children.load()
    for (const [index, trouble] of troubles.entries()) this.troubles.set(`children ${index}`, trouble)
    this.#remembered = document
    return document
  }

  saveChildren(save: ChildrenSave): void {
    this.#try('children.json', () => this.#children.save(save))
  }

  loadRuns(): RunRecord[] {
    const records = readRunRecords(this.#state)
    const known = new Set(records.map(record => record.run_id))
    for (const record of recordsOf(this.#remembered, this.loadPlan())) {
      if (known.has(record.run_id)) continue
      records.push(record)
      this.saveRun(record)
    }
    return records
  }

  saveRun(record: RunRecord): void {
    this.#try(`runs/${record.run_id}`, () => writeRunRecord(this.#state, record))
  }

  removeRun(runId: string): void {
    this.#try(`runs/${runId}`, () => removeRunRecord(this.#state, runId))
  }

  evidence(runId: string): Exit | null {
    return readExitEvidence(this.#state, runId)?.exit ?? null
  }

  journal(event: Omit<FleetEvent, 'journal_id' | 'seq'>): FleetEvent {
    return this.#journal.append(event)
  }

  gather(): void {
    this.#journal.gather()
  }

  settle(): void {
    this.#journal.settle()
  }

  archived(seq: number): void {
    this.#journal.setCursor(seq)
  }

  journaledExit(runId: string): FleetEvent | null {
    return this.#journal.exits.get(runId) ?? null
  }

  saveSecrets(values: Readonly<Record<string, string>>): void {
    if (Object.keys(values).length === 0) return
    this.#secrets = { ...this.#secrets, ...values }
    this.#try('secrets.env', () => writeSecretsEnv(this.#state, this.#secrets))
  }

  #load(path: string): unknown {
    const read = readChecked(path)
    for (const bad of read.setAside) this.troubles.set(path, `${path} was unreadable and is kept as ${bad}`)
    return read.value
  }

  #readSecrets(): Readonly<Record<string, string>> {
    try {
      return readSecretsEnv(this.#state)
    } catch (error) {
      if (error instanceof HostShortage) throw error
      const bad = setAside(this.#state.secretsEnv)
      this.troubles.set(
        'secrets.env',
        `secrets.env was unreadable and is kept as ${bad}; run \`mark up\` again`,
      )
      return {}
    }
  }

  #try(what: string, write: () => void): void {
    // All runs are one trouble: there may be hundreds.
    const trouble = what.startsWith('runs/') ? 'runs' : what
    try {
      write()
      this.#owed.delete(what)
      const more = trouble === 'runs' && [...this.#owed.keys()].some(key => key.startsWith('runs/'))
      if (!more) this.troubles.delete(trouble)
    } catch (error) {
      this.troubles.set(trouble, `state not durable: ${trouble}: ${(error as Error).message}`)
      if (this.#owed.size < OWED_MAX || this.#owed.has(what)) this.#owed.set(what, write)
      this.#retry ??= setTimeout(() => this.#payOwed(), RETRY_MS).unref()
    }
  }

  #payOwed(): void {
    this.#retry = null
    for (const [what, write] of [...this.#owed]) {
      this.#try(what, write)
      // The disk still refuses: the others would only hear the same.
      if (this.#owed.has(what)) return
    }
  }
}
