import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { ChildrenFile, peekChildren } from './children-file.ts'

const dir = mkdtempSync(join(tmpdir(), 'children-'))
after(() => rmSync(dir, { recursive: true, force: true }))
let count = 0

/** A keeper's memory as it saves it, change by change. */
class Memory {
  readonly path = join(dir, `${++count}-children.json`)
  readonly children = new Map<string, string>()
  file = new ChildrenFile(this.path)
  at = 0

  save(changes: Readonly<Record<string, object | null>>, open = true): void {
    for (const [name, memory] of Object.entries(changes)) {
      if (memory === null) this.children.delete(name)
      else this.children.set(name, JSON.stringify(memory))
    }
    this.file.save({
      head: JSON.stringify({ version: 1, open }),
      children: this.children,
      changed: new Set(Object.keys(changes)),
      saved: { monoMs: ++this.at, wallMs: 0 },
    })
  }

  get document(): object {
    const children = Object.fromEntries([...this.children].map(([name, text]) => [name, JSON.parse(text)]))
    return { version: 1, open: true, children, saved: { monoMs: this.at, wallMs: 0 } }
  }
}

test('after any saves and deaths, what was saved last is what is loaded', () => {
  const change = fc.record({
    name: fc.constantFrom('luka', 'roko', 'dabi'),
    memory: fc.option(fc.record({ n: fc.nat(), text: fc.string({ maxLength: 40_000 }) })),
    dies: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 60 }), changes => {
      const memory = new Memory()
      for (const { name, memory: value, dies } of changes) {
        memory.save({ [name]: value })
        if (!dies) continue
        memory.file = new ChildrenFile(memory.path)
        assert.deepEqual(memory.file.load(), { document: memory.document, troubles: [] })
      }
      assert.deepEqual(peekChildren(memory.path), { document: memory.document, damaged: false })
    }),
    { numRuns: 60 },
  )
})

test('many changes of many children stay exact over full slots', () => {
  const memory = new Memory()
  for (let i = 0; i < 3000; i++) memory.save({ [`m${i % 50}`]: { i, pad: 'x'.repeat(1000) } })
  assert.deepEqual(peekChildren(memory.path).document, memory.document)
})

test('torn at any byte, the last line alone is lost', () => {
  const memory = new Memory()
  memory.save({ luka: { n: 0 } })
  memory.save({ luka: { n: 1 } })
  const before = memory.document
  memory.save({ luka: { n: 2 } })
  const slot = `${memory.path}.log.1`
  const bytes = readFileSync(slot)
  const end = bytes.indexOf(0)
  const start = bytes.lastIndexOf(10, end - 2) + 1
  for (let length = start; length < end; length++) {
    writeFileSync(slot, Buffer.concat([bytes.subarray(0, length), Buffer.alloc(bytes.length - length)]))
    assert.deepEqual(peekChildren(memory.path).document, before, `${length}`)
  }
})

test('a flipped bit costs the line it is in, at a newline two, and is told', () => {
  const memory = new Memory()
  memory.save({ luka: { n: 0 } })
  for (let n = 1; n < 4; n++) memory.save({ luka: { n }, roko: { n } })
  const slot = `${memory.path}.log.1`
  const bytes = readFileSync(slot)
  const end = bytes.indexOf(0)
  for (let at = 0; at < end; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] as number) ^ (1 << (at % 8))
    writeFileSync(slot, flipped)
    const { document, troubles } = new ChildrenFile(memory.path).load()
    const { n } = document!.children.luka as unknown as { n: number }
    assert.ok(n >= (bytes[at] === 10 ? 1 : 2), `${at}: ${n}`)
    assert.equal(troubles.length, 1, `${at}`)
  }
})

test('with the document damaged, the one before and the log give the same', () => {
  const memory = new Memory()
  for (let i = 0; i < 1200; i++) memory.save({ [`m${i % 3}`]: { i, pad: 'x'.repeat(1000) } })
  writeFileSync(memory.path, 'damaged')
  const { document, troubles } = new ChildrenFile(memory.path).load()
  assert.deepEqual(document, memory.document)
  assert.match(troubles.join(), /unreadable and is kept as/)
})
