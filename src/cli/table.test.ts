import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, cut, pad, percent, span, table } from './table.ts'

test('columns line up whatever the cells hold: wide characters, colours', () => {
  const lines = table(
    [{ title: 'NAME' }, { title: 'PID', align: 'right' }, { title: 'WHY' }],
    [
      ['漢字', '7', 'a'],
      ['\x1b[32mok\x1b[39m', '12345', 'b'],
    ],
    null,
  )
  assert.deepEqual(lines, ['NAME    PID  WHY', '漢字      7  a', '\x1b[32mok\x1b[39m    12345  b'])
})

test('only the last column gives way to a narrow terminal', () => {
  const [, line = ''] = table(
    [{ title: 'NAME' }, { title: 'REASON' }],
    [['luka', 'a very long reason indeed']],
    20,
  )
  assert.equal(line, 'luka  a very long r…')
})

test('cutting counts terminal columns, not characters', () => {
  assert.equal(cut('漢字漢字', 5), '漢字…')
  assert.equal(cut('short', 5), 'short')
  assert.equal(pad('漢', 4), '漢  ')
})

test('spans show their two largest units', () => {
  assert.equal(span(null), '-')
  assert.equal(span(0), '0s')
  assert.equal(span(0.25), '250ms')
  assert.equal(span(59.9), '59s')
  assert.equal(span(3600), '1h')
  assert.equal(span(3601), '1h')
  assert.equal(span(3 * 86_400 + 4 * 3600 + 60), '3d 4h')
})

test('unknown amounts are a dash, never zero', () => {
  assert.equal(bytes(null), '-')
  assert.equal(bytes(0), '0')
  assert.equal(bytes(1536), '1.5K')
  assert.equal(bytes(40 * 1024 ** 2), '40M')
  assert.equal(percent(null), '-')
  assert.equal(percent(3.21), '3.2%')
})

test('signs of our own are as wide as the tables of Unicode say', async () => {
  const { default: stringWidth } = await import('string-width')
  for (const sign of '·–…↻■○◌●◒◔✓✗') assert.equal(stringWidth(sign), 1, sign)
  const cell = '\x1b[32m● ready\x1b[39m'
  assert.equal(pad(cell, 10), `${cell}${' '.repeat(10 - stringWidth(cell))}`)
  assert.equal(pad('日本', 6), '日本  ')
  assert.equal(pad('e\u0301', 3), 'e\u0301  ')
})
