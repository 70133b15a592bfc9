import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { redactData, redactor } from './redact.ts'

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

const pem = (body: string) => `-----BEGIN EC PRIVATE KEY-----\n${body}\n-----END EC PRIVATE KEY-----`

test('every shape in which exchanges, clouds and chats hand out keys is masked', () => {
  const redact = redactor([])
  const value = 'Zq7canary91xKabcdefghijklmnopqrstuvwxyz'
  const upper = 'ZQ7CANARY91XKABC'
  const lines = [
    `123456:AA${value}`,
    `https://api.telegram.org/bot123456%3AAA${value}/getMe`,
    `AKIA${upper} used`,
    `aws_secret_access_key=${value}`,
    `ghp_${value} github_pat_${value} glpat-${value} sk_live_${value} xoxb-${value}`,
    `eyJ${value}.eyJ${value}.${value}`,
    `https://hooks.slack.com/services/T0/B0/${value}`,
    `https://discord.com/api/webhooks/123456789/${value}`,
    `redis://:${value}@cache:6379/0 and https://luka:p@${value}@host/x`,
    `{"apiKey":"x${value}","secret":"y${value}","uid":7}`,
    `{\\"apiKey\\": \\"${value}\\", \\"passphrase\\": \\"${value}\\"}`,
    `{'password': '${value}, with a comma ${value}'}`,
    `Kraken{ApiKey:${value} PrivateKey:${value}}`,
    `b'POST /0/private HTTP/1.1\\r\\nAPI-Key: ${value}\\r\\nAPI-Sign: ${value}==\\r\\n'`,
    `OK-ACCESS-PASSPHRASE: ${value}`,
    `X-MBX-APIKEY: ${value}`,
    `('API-Key', '${value}')`,
    `/order?symbol=BTC&sign=${value}&api_key%3D${value}`,
    `refresh_token => ${value}; listenKey: ${value}`,
    `Cookie: sid=${value}; theme=dark`,
    `started: bot --api-key ${value} --pair BTC/EUR`,
    `Authorization: Bearer ${value}`,
    `mnemonic: "canary canary canary canary"`,
    pem(`${value}\n${value}`),
    `${value}${value}\n${value}==\n-----END RSA PRIVATE KEY-----\nnext`,
    `-----BEGIN PRIVATE KEY-----\n${value}\n${value}`,
    `-----BEGIN PRIVATE KEY-----\\n${value}\\n-----END PRIVATE KEY-----\\n`,
  ]
  for (const line of lines) {
    const clean = redact(line)
    assert.ok(!/canary/i.test(clean), `${line}\nbecame\n${clean}`)
    assert.equal(redact(clean), clean, 'redacting again changes nothing')
  }
  assert.match(redact(lines[9] as string), /^\{"apiKey":"\*\*\*","secret":"\*\*\*","uid":7\}$/)
  assert.match(redact(lines[20] as string), /--pair BTC\/EUR$/)
  assert.match(redact(lines[24] as string), /^\*\*\*\nnext$/)
  assert.match(redact(`a\n${pem('QUJD')}\nb`), /^a\n\*\*\*\nb$/)
})

test('what is no credential stays: words, prices, ids, tracebacks, hosts', () => {
  const redact = redactor([])
  for (const line of [
    'Basic configuration loaded, token refresh scheduled',
    'Enter password:\nTraceback (most recent call last):',
    'order 01ARZ3NDEKTSV4RRFFQ69G5FAV filled at 30111.5, sign: buy',
    '  File "/app/secrets/token.py", line 3, in sign',
    'connect wss://ws.kraken.com:443/v2 from 10.0.0.1:5000',
    'tx 0x4f2c9a7be1d3c5f60718293a4b5c6d7e8f90123456789abcdef0123456789abc',
    'max_tokens 4096, 2026-11-22T10:00:00.123Z, sha256 9f86d081884c7d659a2feaa0c55ad015',
  ]) {
    assert.equal(redact(line), line)
  }
})

test('a known secret is found raw, escaped, URL-encoded, in base64 and hexadecimal', () => {
  const text = fc.oneof(
    fc.string({ minLength: 8, maxLength: 40 }),
    fc.string({ unit: 'grapheme', minLength: 8 }),
  )
  fc.assert(
    fc.property(text, fc.string(), fc.string(), (secret, before, after) => {
      fc.pre(secret.trim().length >= 6 && !/^[*]+$/.test(secret) && secret.isWellFormed())
      const redact = redactor([secret])
      const bytes = Buffer.from(secret)
      const spellings = [
        secret,
        JSON.stringify(secret).slice(1, -1),
        JSON.stringify(JSON.stringify(secret)).slice(2, -2),
        encodeURIComponent(secret),
        new URLSearchParams({ k: secret }).toString().slice(2),
        bytes.toString('base64'),
        bytes.toString('base64url'),
        bytes.toString('hex'),
      ]
      for (const spelling of spellings) {
        const clean = redact(`${before}\u0001${spelling}\u0001${after}`)
        const elsewhere = before.includes(spelling) || after.includes(spelling) || '***'.includes(spelling)
        assert.ok(elsewhere || !clean.includes(`\u0001${spelling}\u0001`), JSON.stringify([spelling, clean]))
      }
    }),
  )
})

test('a known secret inside something longer that was put into base64 is found', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 }), (before, after) => {
      const whole = Buffer.from(`${'u'.repeat(before)}Zq7-canary-91xK-long-enough${'v'.repeat(after)}`)
      for (const coding of ['base64', 'base64url'] as const) {
        const clean = redactor(['Zq7-canary-91xK-long-enough'])(`sent ${whole.toString(coding)} off`)
        const left = Buffer.from(clean.split(/[* ]+/).join(''), coding).toString()
        assert.ok(!left.includes('canary'), clean)
        assert.match(clean, /\*\*\*/)
      }
    }),
  )
})

test('a known key of many lines is masked line by line', () => {
  const body = 'MHcCAQEEIBcanaryZq7abcdefghijklmnop'
  const redact = redactor([pem(`${body}\n${body}x`)])
  const clean = redact(`10:00 ${body}\n10:01 ${body}x`)
  assert.ok(!clean.includes('canary'), clean)
})

test('data keeps its shape: texts are redacted, what is named like a secret is masked', () => {
  const data = { pid: 7, reason: `key ${canary} refused`, changes: [{ why: canary, n: null }], apiKey: 'abc' }
  assert.deepEqual(redactData(data, redactor([canary])), {
    pid: 7,
    reason: 'key *** refused',
    changes: [{ why: '***', n: null }],
    apiKey: '***',
  })
})

test('whatever the text is, redacting never throws', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), fc.string({ unit: 'binary' }), (secrets, text) => {
      assert.equal(typeof redactor(secrets)(text), 'string')
    }),
    { numRuns: 30 },
  )
})

test('a megabyte of near-matches takes less than a second', () => {
  const text = 'token token= secret: eyJaaaaaaaa.eyJ://x:y -----BEGIN '.repeat(20_000)
  const before = performance.now()
  redactor([canary])(text)
  assert.ok(performance.now() - before < 1000)
})
