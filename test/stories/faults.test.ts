/**
 * What MARK should do and does not yet, each with the reason: they show as to do, and are to move to the file
 * they belong to once they pass.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uptimeOf } from '../../src/core/uptime.ts'
import { StoryLife } from './story-life.ts'

/** All that happened, as one text. */
function tell(life: StoryLife, script: string): string {
  return script
    .trim()
    .split('\n')
    .flatMap(line => life.run(line.trim()))
    .join('\n')
}

test('a kill whose verify failed is never called complete', {
  todo: 'settle() drops `orders unverified` for a hold, and completeKills() looks for it in the reason',
}, () => {
  const life = new StoryLife()
  const script = `module roko ready=notify stop.verify=./is-flat
      up
      ready roko
      kill all
      hook roko verify failed`
  assert.doesNotMatch(tell(life, script), /complete=true/)
  assert.equal(life.host.kills[0]?.complete, false)
})

test('a task that ran when the host went down is lost, and not run again by itself', {
  todo: 'afterReboot() makes it stopped, and resume() starts whatever should be up',
}, () => {
  const life = new StoryLife()
  tell(life, 'module load kind=task\nup\nadvance 2s\nhost reboots')
  assert.doesNotMatch(tell(life, 'keeper starts\nadvance 10s'), /started load/)
})

test('the run that a reboot ended is the last exit of its module, and unknown', {
  todo: 'buryAll() writes the event only; last_exit goes on telling of an older run, or null',
}, () => {
  const life = new StoryLife()
  tell(life, 'module luka\nup\nadvance 2s\nhost reboots\nkeeper starts')
  const last = life.keeper?.engine.children.get('luka')?.lastExit
  assert.deepEqual([last?.known, last?.code, last?.signal], [false, null, null])
})

test('a keeper that starts counts as adopted what lives, not what it finds dead', {
  todo: 'begin() counts children with a run before the exits it found have been heard',
}, () => {
  const life = new StoryLife()
  tell(life, 'module luka\nmodule roko\nup\nkeeper dies\ncrash luka 3\nkeeper starts')
  const began = life.host.journal.findLast(event => event.kind === 'keeper_started')
  assert.equal(began?.data.adopted, 2, 'roko and the daemon')
})

test('a reload that fails leaves its group alone, and the module is not called failed', {
  todo: 'the incoming run is a child like any other: its failure is noted as the module’s and spreads',
}, () => {
  const life = new StoryLife()
  const script = `module luka ready=notify
      module roko after=luka ready=notify
      group pipeline luka roko on_failure=rest_for_one
      up
      ready luka
      ready roko
      reload luka
      crash luka~next 1`
  const told = tell(life, script)
  assert.doesNotMatch(told, /stopping roko/)
  assert.doesNotMatch(told, /^failed luka/m)
})

test('a module that was reloaded is up: the end of its old run is not the end of its uptime', {
  todo: 'uptimeOf() looks at the run of `exited` only, not of `stopped`, `failed` and `held`',
}, () => {
  const life = new StoryLife()
  tell(life, 'module luka ready=notify\nup\nready luka\nadvance 1m\nreload luka\nready luka\nadvance 1h')
  const transitions = life.host.journal
    .filter(event => event.module === 'luka')
    .map(event => ({
      atMs: Date.parse(event.at),
      kind: event.kind,
      runId: event.run_id,
      asked: event.data.asked === true || typeof event.data.by === 'string',
    }))
  assert.equal(uptimeOf(transitions, 0, life.host.wallMs).state, 'up')
})

test('a reload that a kill ended is not said to have failed with the old run going on', {
  todo: 'end() in reload.ts takes a hold of the incoming run for a failed reload',
}, () => {
  const life = new StoryLife()
  const told = tell(life, 'module luka ready=notify\nup\nready luka\nreload luka\nkill all')
  assert.doesNotMatch(told, /the old run goes on/)
})

test('what is removed from the config is stopped in reverse order as well', {
  todo: 'carryOut() stops each at once instead of through engine.stops',
}, () => {
  const life = new StoryLife()
  const script = `module luka ready=notify
      module roko after=luka ready=notify
      module vida
      up
      ready luka
      ready roko
      deaf roko
      remove luka roko
      up`
  assert.doesNotMatch(tell(life, script), /exited luka/)
})
