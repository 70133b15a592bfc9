import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { redactor } from './redact.ts'

const canary = 'Zq7-canary-91xK'

test('what looks like a credential never survives, the rest of the line does', () => {
  const redact = redactor([])
  const lines = [
    `GET https://api.telegram.org/bot123456789:AAH${canary}0123456789abcdefgh/sendMessage failed`,
    `Authorization: Bearer ${canary}`,
    `Authorization=Basic ${canary}==`,
    `params {"apiKey": "${canary}", "pair": "BTC/EUR"}`,
    `GET /api/v3/order?symbol=X&signature=${canary}&ts=1`,
    `connect postgres://luka:${canary}@db/prices`,
    `API_SECRET='${canary}'`,
    `password: ${canary}`,
    `-----BEGIN RSA PRIVATE KEY-----\n${canary.replaceAll('-', '')}\n-----END RSA PRIVATE KEY-----`,
  ]
  for (const line of lines) {
    const clean = redact(line)
    assert.ok(!clean.includes(canary) && !clean.includes(canary.replaceAll('-', '')), clean)
    assert.ok(clean.includes('***'), clean)
  }
  assert.match(redact(lines[3] as string), /"pair": "BTC\/EUR"/)
  assert.match(redact(lines[4] as string), /symbol=X&signature=\*\*\*&ts=1/)
})

test('plain log lines stay as they are', () => {
  const redact = redactor(['short'])
  for (const line of [
    'order 12 filled at 30111.5',
    'https://api.kraken.com/0/public/Time',
    'short stop',
    'tokens: 3',
  ]) {
    assert.equal(redact(line), line)
  }
})

test('a known secret is found raw, URL-encoded, base64 and JSON-escaped, wherever it stands', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 8, maxLength: 40 }),
      fc.string(),
      fc.string(),
      (secret, before, after) => {
        const redact = redactor([secret])
        for (const spelling of [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]) {
          if (secret.trim() === '' || /^\*+$/.test(secret)) continue
          const clean = redact(`${before}\u0001${spelling}\u0001${after}`)
          assert.ok(
            before.includes(spelling) ||
              after.includes(spelling) ||
              !clean.includes(`\u0001${spelling}\u0001`),
          )
        }
      },
    ),
  )
})

test('a megabyte of near-matches takes less than a second', () => {
  const text = 'token token= secret: eyJaaaaaaaa.eyJ://x:y -----BEGIN '.repeat(20_000)
  const before = performance.now()
  redactor([canary])(text)
  assert.ok(performance.now() - before < 1000)
})
