/** The doors of the broker: a socket that every account reaches, and a port that may be taken for a while. */
import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { Port } from '../../src/builtin/link/listeners.ts'
import type { Json } from '../../src/sdk/json-text.ts'
import { LinkBench, until } from './link-bench.ts'

test('the unix socket is there for every account, and takes the place of what a kill left', async () => {
  const bench = new LinkBench()
  writeFileSync(bench.path, '')
  await LinkBench.run(bench, async () => {
    await bench.start()
    assert.equal(statSync(bench.path).mode & 0o777, 0o666)
    const vida = bench.link('vida')
    await until('it is up', () => vida.isUp)
  })
})

test('a port that is taken is tried again, and then the SDK comes by TCP', async () => {
  await LinkBench.with(async bench => {
    const other = createServer().listen({ host: '127.0.0.1', port: 0 })
    await until('the other listens', () => other.address() !== null)
    const { port } = other.address() as AddressInfo
    const said: (string | null)[] = []
    const door = new Port(
      `127.0.0.1:${port}`,
      socket => bench.take(socket),
      reason => said.push(reason),
    )
    try {
      await until('it is told', () => said.length > 0)
      assert.match(said[0] ?? '', /EADDRINUSE/)
      other.close()
      await until('it listens', () => said.at(-1) === null)
      const heard: Json[] = []
      const target = { kind: 'tcp', host: '127.0.0.1', port } as const
      bench.link('dani', undefined, target).subscribe('ticks/#', data => heard.push(data))
      bench.link('vida', undefined, target).publish('ticks/a', 1)
      await until('it came', () => heard.length === 1)
    } finally {
      door.close()
      other.close()
    }
  })
})
