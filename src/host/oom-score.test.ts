import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { atFleetScore, type OomScore, shieldFromOom } from './oom-score.ts'

/** A process with this score; `may`: it may lower it. */
function processAt(score: number, may = true): OomScore & { score: number } {
  return {
    score,
    read() {
      return this.score
    },
    write(next) {
      if (!may && next < this.score) throw new Error('EACCES')
      this.score = next
    },
  }
}

/** Its own score, a module's, the daemon's, its own again, and what it tells its successor. */
function scores(own: number, told: string | undefined, may = true): string {
  const env = { MARK_OOM_SCORE: told }
  const me = processAt(own, may)
  shieldFromOom(env, me)
  const first = me.score
  const module = atFleetScore(() => me.score)
  const daemon = atFleetScore(() => me.score, -500)
  return [first, module, daemon, me.score, env.MARK_OOM_SCORE].join(' ')
}

test('the keeper goes last and the daemon before it; a module has the score the fleet began with', () => {
  assert.equal(scores(0, undefined), '-900 0 -500 -900 0')
  assert.equal(scores(300, undefined), '-900 300 -500 -900 300')
})

test('a successor, started at the score of a keeper, gives modules the score they had', () => {
  assert.equal(scores(-900, '100'), '-900 100 -500 -900 100')
})

test('a score below all of it stays as it is', () => {
  assert.equal(scores(-1000, undefined), '-1000 -1000 -1000 -1000 -1000')
})

test('nonsense from outside is not taken for a score', () => {
  assert.equal(scores(0, '-2000'), '-900 0 -500 -900 0')
  assert.equal(scores(0, 'x'), '-900 0 -500 -900 0')
})

test('without the right to lower a score nothing changes', () => {
  assert.equal(scores(0, undefined, false), '0 0 0 0 ')
})

test('a start that throws leaves the keeper shielded', () => {
  const me = processAt(0)
  shieldFromOom({}, me)
  assert.throws(() => atFleetScore(() => assert.fail('refused')))
  assert.equal(me.score, -900)
})

const may = spawnSync('choom', ['-n', '-900', '--', 'true']).status === 0
test('the kernel hands it on as told', {
  skip: may ? false : 'this account may not lower a score (CAP_SYS_RESOURCE)',
}, () => {
  const module = new URL('./oom-score.ts', import.meta.url).href
  const child = `const run = () => require('node:child_process').execFileSync('cat', [file]).toString().trim()
    const file = '/proc/self/oom_score_adj'
    import('${module}').then(({ shieldFromOom, atFleetScore }) => {
      shieldFromOom({})
      console.log(atFleetScore(run), atFleetScore(run, -500), run())
    })`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', child], { encoding: 'utf8' })
  assert.equal(stdout.trim(), '0 -500 -900', stderr)
})
