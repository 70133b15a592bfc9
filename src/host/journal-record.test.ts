import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FleetEvent } from '../core/view.ts'
import { decodeRecord, encodeRecord } from './journal-record.ts'

test('a record is one line, comes back as it was, and no other bytes pass for one', () => {
  fc.assert(
    fc.property(fc.string(), fc.jsonValue(), fc.nat(), (text, value, at) => {
      const record = {
        journal_id: 'j',
        seq: 1,
        at: '',
        kind: 'status',
        module: text,
        run_id: null,
        data: { value },
      }
      const line = encodeRecord(record as FleetEvent)
      assert.equal(line.indexOf(10), line.length - 1)
      assert.deepEqual(decodeRecord(line.subarray(0, -1)), JSON.parse(JSON.stringify(record)))
      const flipped = Buffer.from(line.subarray(0, -1))
      flipped[at % flipped.length]! ^= 1 << (at % 7)
      assert.equal(decodeRecord(flipped), null)
    }),
  )
})
