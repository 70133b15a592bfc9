/**
 * The keeper's memory of its children: children.json, rewritten now and then, and a log of what changed
 * since, so that one restart costs one small write. The log lies in two preallocated slots: writing to it
 * needs no room on the disk. A line tells all about the children it names, so that lines may be applied
 * to an older document too; a damaged one is passed over. Where the document cannot be rewritten, a slot
 * begins with a line about all children instead, so that a full disk is never in the way. Survives kill
 * -9 at once, a power cut within 100 ms.
 */
import { closeSync, constants, fdatasync, fstatSync, lstatSync, openSync, rmSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { type ChildrenDocument, withJobsApart } from '../core/keeper-state.ts'
import type { ChildrenSave } from '../core/world.ts'
import { peekChecked, readChecked, readRegularFile, writeAll, writeCheckedText } from './atomic-file.ts'
import { noRoom } from './shortage.ts'

const SLOT_BYTES = 1024 * 1024
const SYNC_WITHIN_MS = 100

type Document = ChildrenDocument & { readonly generation?: number }

interface Line {
  readonly generation: number
  readonly value: {
    readonly head?: object
    /** Of all children: who is not named is gone. */
    readonly whole?: true
    readonly children: Readonly<Record<string, unknown>>
    readonly saved: unknown
  }
}

export interface LoadedChildren {
  readonly document: ChildrenDocument | null
  /** What was found damaged, each a sentence. */
  readonly troubles: readonly string[]
}

/** For readers that own nothing: moves no file. `damaged`: the backup answered. */
export function peekChildren(path: string): { document: ChildrenDocument | null; damaged: boolean } {
  const { value, source } = peekChecked(path)
  return { document: replay(value as Document | null, path).document, damaged: source === 'backup' }
}

export class ChildrenFile {
  readonly #path: string
  #generation = 0
  /** The open slot; null: the next save writes the whole document. */
  #fd: number | null = null
  #at = 0
  #head = ''
  #syncing: NodeJS.Timeout | null = null

  constructor(path: string) {
    this.#path = path
  }

  /** What was saved last. Bad files are set aside. */
  load(): LoadedChildren {
    const read = readChecked(this.#path)
    const { document, damaged, generation } = replay(read.value as Document | null, this.#path)
    this.#generation = generation
    const moved = read.setAside.map(bad => `${this.#path} was unreadable and is kept as ${bad}`)
    const lines = damaged === 0 ? [] : [`${damaged} lines of the log beside ${this.#path} were damaged`]
    return { document, troubles: [...moved, ...lines] }
  }

  /** Throws what the file system says; what was saved before stands then. */
  save(save: ChildrenSave): void {
    if (this.#fd === null) return this.#saveWhole(save)
    const head = save.head === this.#head ? '' : `"head":${save.head},`
    const children = [...save.changed].map(
      name => `${JSON.stringify(name)}:${save.children.get(name) ?? 'null'}`,
    )
    const saved = JSON.stringify(save.saved)
    const line = encode(this.#generation, `{${head}"children":{${children.join(',')}},"saved":${saved}}`)
    if (this.#at + line.length > SLOT_BYTES) return this.#saveWhole(save)
    try {
      writeAll(this.#fd, line, this.#at)
    } catch (error) {
      this.#closeSlot()
      throw error
    }
    // The next line overwrites the NUL.
    this.#at += line.length - 1
    this.#head = save.head
    this.#syncSoon()
  }

  close(): void {
    this.#closeSlot()
  }

  #saveWhole(save: ChildrenSave): void {
    this.#closeSlot()
    const children = [...save.children].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')
    const generation = this.#generation + 1
    const saved = JSON.stringify(save.saved)
    const tail = `"children":{${children}},"saved":${saved},"generation":${generation}`
    const body = `${save.head.slice(0, -1)},${tail}}`
    let line: Buffer = Buffer.alloc(1)
    try {
      writeCheckedText(this.#path, body, { mode: 0o600, fsync: false, keepBackup: true })
    } catch (error) {
      if (!noRoom(error)) throw error
      line = encode(
        generation,
        `{"whole":true,"head":${save.head},"children":{${children}},"saved":${saved}}`,
      )
      if (line.length > SLOT_BYTES) throw error
    }
    this.#fd = openSlot(slotOf(this.#path, generation))
    writeAll(this.#fd, line, 0)
    this.#generation = generation
    this.#head = save.head
    this.#at = line.length - 1
    this.#syncSoon()
  }

  #closeSlot(): void {
    if (this.#syncing) clearTimeout(this.#syncing)
    this.#syncing = null
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #syncSoon(): void {
    this.#syncing ??= setTimeout(() => {
      this.#syncing = null
      // A failing disk says so when it is written to; here nothing could be done about it.
      if (this.#fd !== null) fdatasync(this.#fd, () => {})
    }, SYNC_WITHIN_MS).unref()
  }
}

function slotOf(path: string, generation: number): string {
  return `${path}.log.${generation % 2}`
}

/** Never truncated: its blocks must be there when the disk is full. What is no file gives way to one. */
function openSlot(path: string): number {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) rmSync(path, { recursive: true })
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw new Error(`${path} is not a regular file.`)
    if (stat.size < SLOT_BYTES) writeAll(fd, Buffer.alloc(SLOT_BYTES - stat.size), stat.size)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function encode(generation: number, json: string): Buffer {
  const body = `${generation} ${json}`
  return Buffer.from(`${checksum(body)} ${body}\n\0`)
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/** The document with all that was logged after it. */
function replay(
  document: Document | null,
  path: string,
): { document: ChildrenDocument | null; damaged: number; generation: number } {
  const known = document?.generation ?? 0
  const slots = [0, 1].map(slot => readSlot(slotOf(path, slot)))
  const lines = slots
    .flatMap(slot => slot.lines)
    .filter(line => line.generation >= known)
    .sort((a, b) => a.generation - b.generation)
  const generation = Math.max(known, ...slots.flatMap(slot => slot.lines.map(line => line.generation)))
  const damaged = slots.reduce((sum, slot) => sum + slot.damaged, 0)
  if (document === null) return { document, damaged, generation }
  const children: Record<string, unknown> = { ...document.children }
  let head: object = {}
  let { saved } = document as { saved: unknown }
  for (const { value } of lines) {
    if (value.whole) for (const name of Object.keys(children)) delete children[name]
    for (const [name, memory] of Object.entries(value.children)) {
      if (memory === null) delete children[name]
      else children[name] = memory
    }
    head = value.head ?? head
    saved = value.saved
  }
  const { generation: _generation, ...rest } = document
  const whole = { ...rest, ...head, children, saved } as ChildrenDocument
  return { document: withJobsApart(whole), damaged, generation }
}

/** A NUL where a line would begin ends what was written; behind it lies what the slot held before. */
function readSlot(path: string): { lines: Line[]; damaged: number } {
  let bytes: Buffer | null
  try {
    bytes = readRegularFile(path)
  } catch {
    return { lines: [], damaged: 1 }
  }
  const lines: Line[] = []
  let damaged = 0
  for (let at = 0; bytes !== null && at < bytes.length && bytes[at] !== 0; ) {
    const newline = bytes.indexOf(10, at)
    const end = newline < 0 ? bytes.length : newline
    const line = decode(bytes.toString('utf8', at, end))
    if (line === null) damaged++
    else lines.push(line)
    at = end + 1
  }
  return { lines, damaged }
}

function decode(text: string): Line | null {
  const match = /^([0-9a-f]{8}) ((\d{1,15}) (\{.*\}))$/.exec(text)
  if (!match || checksum(match[2] as string) !== match[1]) return null
  try {
    return { generation: Number(match[3]), value: JSON.parse(match[4] as string) as Line['value'] }
  } catch {
    return null
  }
}
