/**
 * The keeper's memory and latches on disk (SPEC 2). A write that fails is kept in mind as a shortage and
 * tried again with the next one: supervision goes on from memory.
 */
import type { Exit } from '../core/exit.ts'
import type { ChildrenDocument, RunRecord } from '../core/keeper-state.ts'
import type { Plan } from '../core/plan.ts'
import type { FleetEvent } from '../core/view.ts'
import { readChecked, writeChecked } from './atomic-file.ts'
import { ChildrenFile } from './children-file.ts'
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

export class LinuxStore implements Store {
  readonly #state: StateDir
  readonly #journal: Journal
  readonly #children: ChildrenFile
  /** What could not be written, by name, with the reason. */
  readonly troubles = new Map<string, string>()
  #secrets: Readonly<Record<string, string>>

  constructor(state: StateDir, journal: Journal) {
    this.#state = state
    this.#journal = journal
    this.#children = new ChildrenFile(state.children)
    this.#secrets = readSecretsEnv(state)
    fillSpares(state)
  }

  get secrets(): Readonly<Record<string, string>> {
    return this.#secrets
  }

  loadPlan(): Plan | null {
    return this.#load(this.#state.plan) as Plan | null
  }

  savePlan(plan: Plan): void {
    this.#try('plan.json', () =>
      writeChecked(this.#state.plan, plan, { mode: 0o600, fsync: true, keepBackup: true }),
    )
  }

  loadChildren(): ChildrenDocument | null {
    const { document, troubles } = this.#children.load()
    for (const [index, trouble] of troubles.entries()) this.troubles.set(`children ${index}`, trouble)
    return document
  }

  saveChildren(save: ChildrenSave): void {
    this.#try('children.json', () => this.#children.save(save))
  }

  loadRuns(): RunRecord[] {
    return readRunRecords(this.#state)
  }

  saveRun(record: RunRecord): void {
    this.#try('runs', () => writeRunRecord(this.#state, record))
  }

  removeRun(runId: string): void {
    this.#try('runs', () => removeRunRecord(this.#state, runId))
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

  #try(what: string, write: () => void): void {
    try {
      write()
      this.troubles.delete(what)
    } catch (error) {
      this.troubles.set(what, `state not durable: ${what}: ${(error as Error).message}`)
    }
  }
}
