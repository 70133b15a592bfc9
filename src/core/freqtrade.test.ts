import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type BotConfig,
  configOfVariables,
  type FreqtradeCommand,
  mergeConfigs,
  moneyOf,
  readFreqtradeCommand,
  signsOf,
} from './freqtrade.ts'

const read = (line: string): FreqtradeCommand => {
  const command = readFreqtradeCommand(line.split(' '))
  assert.ok(command)
  return command
}

describe('the command', () => {
  test('names its configurations in every spelling, in order', () => {
    const line = 'freqtrade trade -c a.json --config b.json --config=c.json -cd.json --conf e.json -s Sample'
    assert.deepEqual(read(line).configs, ['a.json', 'b.json', 'c.json', 'd.json', 'e.json'])
    assert.deepEqual(read('python3 -m freqtrade trade --strategy x').configs, [])
  })

  test('that does not trade tells nothing', () => {
    assert.equal(readFreqtradeCommand(['sh', 'run.sh']), null)
    assert.equal(readFreqtradeCommand(['freqtrade', 'webserver', '-c', 'a.json']), null)
  })

  test('a wallet for dry runs does not make it a dry run, the flag does', () => {
    const real: BotConfig = { dry_run: false }
    assert.equal(moneyOf(read('freqtrade trade --dry-run-wallet 100'), real), 'real')
    assert.equal(moneyOf(read('freqtrade trade --dry-run'), real), 'dry')
  })
})

describe('real money', () => {
  const plain = read('freqtrade trade')
  test('is everything but true', () => {
    for (const odd of [false, 'true', 1, null]) assert.equal(moneyOf(plain, { dry_run: odd }), 'real')
    assert.equal(moneyOf(plain, { dry_run: true }), 'dry')
    assert.equal(moneyOf(plain, {}), 'unset')
  })

  test('of two spellings of one variable the last in order holds, as for Freqtrade', () => {
    const variables = configOfVariables({ FREQTRADE__dry_run: 'false', FREQTRADE__DRY_RUN: 'true' })
    assert.equal(moneyOf(plain, variables), 'real')
  })

  test('can be meant by a variable, which wins over the files', () => {
    const variables = configOfVariables({ FREQTRADE__DRY_RUN: 'False', PATH: '/bin' })
    assert.equal(moneyOf(plain, mergeConfigs({ dry_run: true }, variables)), 'real')
  })
})

describe('what it can be asked', () => {
  const api = { enabled: true, listen_ip_address: '0.0.0.0', listen_port: 8081 }
  const plain = read('freqtrade trade')
  test('sd_notify first, else its REST server, else its log', () => {
    assert.deepEqual(signsOf(plain, { internals: { sd_notify: true }, api_server: api }).ready, {
      notify: true,
    })
    assert.deepEqual(signsOf(read('freqtrade trade --sd-notify'), {}).ready, { notify: true })
    const ping = 'http://127.0.0.1:8081/api/v1/ping'
    assert.deepEqual(signsOf(plain, { api_server: api }), { ready: { http: ping }, ping, maxAgeSeconds: 300 })
    const { ready } = signsOf(plain, { api_server: { ...api, enabled: false } })
    assert.ok('log' in ready)
    assert.match('x - INFO - Changing state to: RUNNING', new RegExp(ready.log))
    assert.match('x - INFO - Changing state from STOPPED to: RUNNING', new RegExp(ready.log))
  })

  test('the server is found where a variable puts it', () => {
    const variables = configOfVariables({ FREQTRADE__API_SERVER__LISTEN_PORT: '9000' })
    const config = mergeConfigs({ api_server: api }, variables)
    assert.equal(signsOf(plain, config).ping, 'http://127.0.0.1:9000/api/v1/ping')
    const six = { ...api, listen_ip_address: '::' }
    assert.equal(signsOf(plain, { api_server: six }).ping, 'http://[::1]:8081/api/v1/ping')
  })

  test('a slow or absent log heartbeat is waited for as long as it takes', () => {
    const age = (seconds: number): number =>
      signsOf(plain, { internals: { heartbeat_interval: seconds } }).maxAgeSeconds
    assert.deepEqual([60, 120, 0].map(age), [300, 600, 0])
  })
})

test('later configurations win key by key, and lists are replaced', () => {
  const under: BotConfig = { exchange: { name: 'kraken', key: '' }, pairs: ['A'], dry_run: true }
  const merged = mergeConfigs(under, { exchange: { key: 'k' }, pairs: ['B'] })
  assert.deepEqual(
    { ...merged, exchange: { ...(merged.exchange as object) } },
    { exchange: { name: 'kraken', key: 'k' }, pairs: ['B'], dry_run: true },
  )
})
