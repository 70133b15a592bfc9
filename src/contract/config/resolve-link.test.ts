/** What `link:` becomes in the plan, and what of it is refused, each at its place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { difference } from '../../core/plan.ts'
import { load, problem, refusal } from './fake-load.ts'

const MODULES = 'modules:\n  vida: {command: sleep 1}\n  teea: {command: sleep 1, depends_on: [vida]}\n'
const fleet = (link: string): string => `link:\n${link.replace(/^/gm, '  ')}\n${MODULES}`

test('without link: there is no broker, and with it the broker comes first and is built in', () => {
  assert.equal(load(MODULES).link, null)
  const plan = load(fleet('publish: {vida: [ticks/#]}\nsubscribe: {teea: [ticks/+]}\nlisten: 127.0.0.1:1883'))
  assert.deepEqual(plan.link, { broker: null, listen: '127.0.0.1:1883' })
  assert.deepEqual(plan.inactive, [])
  const [link, vida, teea] = plan.modules
  assert.equal(link?.name, 'link')
  assert.deepEqual(link.argv, ['/node', '/link/main.js'])
  assert.deepEqual(JSON.parse(link.environment.MARK_LINK_SETTINGS ?? ''), {
    publish: { vida: ['ticks/#'] },
    subscribe: { teea: ['ticks/+'] },
    listen: '127.0.0.1:1883',
  })
  assert.deepEqual(vida?.dependsOn, [{ name: 'link', condition: 'started' }])
  assert.deepEqual(
    teea?.dependsOn.map(({ name }) => name),
    ['link', 'vida'],
  )
  assert.equal(load(fleet('publish: {}')).modules.length, 3)
})

test('a module that cannot wait by itself may wait for the broker to be ready', () => {
  const yaml = (link: string): string => `${link}modules: {vida: {command: sleep 1, depends_on: [link]}}`
  assert.deepEqual(load(yaml('link: {publish: {}}\n')).modules[1]?.dependsOn, [
    { name: 'link', condition: 'ready' },
  ])
  for (const link of ['', 'link: {broker: "mqtt://mq"}\n'])
    assert.match(problem(yaml(link)).message, /no module `link`/)
})

test('a broker elsewhere needs none here', () => {
  const plan = load(fleet('broker: mqtts://mq.example:8883'))
  assert.deepEqual(plan.link, { broker: 'mqtts://mq.example:8883', listen: null })
  assert.deepEqual(
    plan.modules.map(({ name }) => name),
    ['vida', 'teea'],
  )
})

test('a job may be granted what it says while it runs', () => {
  const jobs = 'jobs: {asky: {command: sleep 1}}\n'
  const yaml = (name: string): string => `${jobs}${fleet(`publish: {${name}: [request/teea/order]}`)}`
  assert.match(load(yaml('asky')).modules[0]?.environment.MARK_LINK_SETTINGS ?? '', /"asky"/)
  assert.match(problem(yaml('aski')).message, /no module `aski`/)
})

test('a change of link: restarts the broker alone', () => {
  const changes = difference(load(fleet('publish: {vida: [a]}')), load(fleet('publish: {vida: [b]}')))
  assert.deepEqual(
    changes.map(({ module, change }) => [module, change]),
    [
      ['link', 'restart'],
      ['vida', 'keep'],
      ['teea', 'keep'],
    ],
  )
})

const FAULTS: readonly [link: string, place: string, message: RegExp][] = [
  ['publish:\n  vidda: [a]', '3:5', /there is no module `vidda`/],
  ['subscribe:\n  vida: [a, "b/#/c"]', '3:15', /a filter of topics/],
  ['publish:\n  vida:\n    - request/nobody/order', '4:9', /no module `nobody` to ask/],
  ['publish:\n  vida: [request/teea]', '3:12', /`request\/<to>\/<name>`/],
  ['publish:\n  vida: [request/teea/order/vida]', '3:12', /`request\/<to>\/<name>`/],
  ['publish:\n  vida: [mark/presence/vida]', '3:12', /nobody is granted `mark\/`/],
  ['publish:\n  vida: [$SYS/x]', '3:12', /nobody is granted/],
  ['subscribe:\n  vida: [request/teea/#]', '3:12', /nobody is granted `request\/`/],
  ['listen: 0.0.0.0:1883', '2:11', /an address of this host alone/],
  ['listen: 127.0.0.1:99999', '2:11', /no such port/],
  ['broker: http://mq', '2:11', /a broker such as/],
  ['broker: mqtt://user:secret@mq', '2:11', /a broker such as/],
  ['broker: mqtt://mq\nlisten: 127.0.0.1:1883', '3:11', /`broker` names another/],
]

for (const [link, place, message] of FAULTS) {
  test(`refused at ${place}: ${link.replaceAll(/\s+/g, ' ')}`, () => {
    const found = problem(fleet(link))
    assert.match(found.message, message)
    assert.equal(`${found.line}:${found.column}`, place)
  })
}

test('a secret in the URL of a broker is not shown', () => {
  const error = refusal(fleet('broker: mqtt://user:secret@mq'))
  assert.ok(!error.message.includes('secret@'), error.message)
})

test('a module or job of the name link is refused beside link:, and a module is fine without it', () => {
  const own = 'modules: {link: {command: sleep 1}}'
  assert.equal(load(own).modules[0]?.name, 'link')
  for (const yaml of [own, own.replace('modules', 'jobs')])
    assert.match(problem(`link: {publish: {}}\n${yaml}`).message, /`link` is the name of the module/)
})
